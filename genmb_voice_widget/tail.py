"""What a session's sideband has told and its page has not yet: the end of the log until the page tells it.

The page's order is the log's, for only the page knows where its own events stand between those of the
service. Owns who has told what, by `event_id` (OpenAI Realtime API reference, server events: it is unique).
Pure. It must not know what the events mean.
"""

from __future__ import annotations

from collections.abc import Iterable

from .protocol import Envelope, Event
from .reading import name


class Tail:
    """The events of one log that only the sideband has told, in its order."""

    def __init__(self) -> None:
        self._ahead: dict[str, tuple[int, Event]] = {}
        self._known: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._ahead)

    def hear(self, event: Event, t: int) -> bool:
        """Take an event of the sideband at `t`. Returns whether it is news; one without an id never is."""
        event_id = name(event.get("event_id"))
        if event_id is None or event_id in self._known:
            return False
        self._known.add(event_id)
        self._ahead[event_id] = t, event
        return True

    def told(self, envelope: Envelope) -> bool:
        """Note what the page tells. Returns whether the log, with this tail, is the same as before.

        It is when the page tells what the tail begins with, or there is no tail.
        """
        event_id = name(envelope.event.get("event_id")) if envelope.dir == "in" else None
        first = next(iter(self._ahead), None)
        if event_id is not None:
            self._known.add(event_id)
            self._ahead.pop(event_id, None)
        return first is None or first == event_id

    def forget(self, event_ids: Iterable[object]) -> None:
        """Note that a snapshot of the page holds these events."""
        for event_id in filter(None, map(name, event_ids)):
            self._known.add(event_id)
            self._ahead.pop(event_id, None)

    def after(self, seq: int) -> list[Envelope]:
        """Give its envelopes, to follow the one with this `seq`."""
        return [Envelope(seq + n, t, "in", event) for n, (t, event) in enumerate(self._ahead.values(), 1)]

    def take(self, seq: int) -> list[Envelope]:
        """Give its envelopes as `after`, and have them no more."""
        taken = self.after(seq)
        self._ahead.clear()
        return taken
