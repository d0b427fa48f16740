"""What was decided, for whom and why: one line for every decision, only ever added, without a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Decision:
    """One decision of the endpoint.

    Attributes:
        action: what was asked: `open`, `offer`, `connected`, `ended`, `expired`, `grant`, `app_added`, …
        outcome: `ok`, or the code of the refusal.
        app: whose request it was, as far as that is known.
        via: how the caller was told (`Caller.via`), or `sweeper` or `command`.
        session: which session, if there is one.
    """

    action: str
    outcome: str
    app: str | None
    via: str | None
    session: str | None = None


class Audit(Protocol):
    """Keeps the decisions. Writing one never delays or fails the request that it is about."""

    def record(self, decision: Decision) -> None:
        """Keep one more, with the moment of it."""
        ...

    async def close(self) -> None:
        """Write what has not been written."""
        ...
