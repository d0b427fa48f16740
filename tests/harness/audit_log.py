"""An audit in memory, for tests to look at."""

from genmb_voice_widget.service.audit import Decision


class AuditLog:
    """An `Audit` in this process's memory; a restart forgets it."""

    lost = 0

    def __init__(self) -> None:
        self.decisions: list[Decision] = []

    def record(self, decision: Decision) -> None:
        """See `Audit.record`."""
        self.decisions.append(decision)

    async def close(self) -> None:
        """See `Audit.close`."""
