"""One session's log and state, fed by any source on any thread.

Owns the order of envelopes (repeats are dropped, a gap is waited out and reported once), the log, and who is
told. It must not know where envelopes come from: a page, a headless session and a recording all enter by
`feed`, which has the log's order; what a sideband hears of the same session enters by `hear`, and stands at
the end until it is told (docs/decisions/0010).
"""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Literal, TypeVar

from .protocol import Envelope, Event
from .state import State
from .tail import Tail
from .waiters import Waiters

log = logging.getLogger(__name__)

T = TypeVar("T")

RUNNING = ("connecting", "live", "reconnecting")
OVER = ("ended", "failed")


class Conversation:
    """The event log of the current session, the state it folds to, its listeners and its waiters.

    Args:
        on_gap: called with the log's id, once for each gap, when an envelope is missing; the answer is
            `adopt`.
        clock: seconds, of any beginning; it gives what the sideband hears its time.

    Attributes:
        log_id: the current log's id, empty before the first.
        state: what the log folds to, what only the sideband has heard included; read it, never keep it.
        gap: whether envelopes wait for one that is missing.
    """

    def __init__(
        self,
        on_gap: Callable[[str], None] = lambda log_id: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_gap = on_gap
        self._clock = clock
        self._lock = threading.RLock()
        self._listeners: list[Callable[[], None]] = []
        self._waiters = Waiters()
        self._reset("")

    def _reset(self, log_id: str) -> None:
        self.log_id = log_id
        self.state = self._told = State()
        self._log: list[Envelope] = []
        self._early: dict[int, Envelope] = {}
        self._tail = Tail()
        self._stale = False
        self._shift = 0  # how far our numbers are ahead of the page's
        self._began = self._clock()
        self.gap = False

    @property
    def events(self) -> list[Envelope]:
        """The log so far, oldest first: a copy."""
        with self._lock:
            return [*self._log, *self._tail.after(self._told.seq)]

    @property
    def told(self) -> int:
        """The `seq` up to which the log stays as it is: after it stands what only the sideband has heard."""
        return self._told.seq

    def after(self, seq: int) -> list[Envelope]:
        """Return the envelopes up to `told` that came after the one with this `seq`."""
        with self._lock:
            return self._log[bisect_right(self._log, seq, key=lambda envelope: envelope.seq) :]

    @property
    def position(self) -> int:
        """The page's number of the last envelope that it has told."""
        return self._told.seq - self._shift

    @property
    def running(self) -> bool:
        """Whether a session is on its way, live, or being rebuilt."""
        return self.state.status in RUNNING

    def begin(self, log_id: str) -> None:
        """Start a new log: an empty state, no events."""
        with self._lock:
            self._reset(log_id)
            self._tell()

    def feed(self, *envelopes: Envelope) -> None:
        """Take envelopes of the current log, in any order and as often as they come.

        Listeners hear every change of status and activity at once, everything else once for the batch.
        """
        with self._lock:
            for envelope in envelopes:
                self._began = min(self._began, self._clock() - envelope.t / 1000)
                if envelope.seq > self.position:
                    self._early[envelope.seq] = envelope
            while (following := self._following()) is not None:
                self._apply(following)
            self._refold()
            self._tell()
            before, self.gap = self.gap, bool(self._early)
            if self.gap and not before:
                self._on_gap(self.log_id)

    def hear(self, log_id: str, event: Event) -> None:
        """Take an event of the service, without audio, that a sideband of the running session has heard."""
        with self._lock:
            t = max(self._now(), round((self._clock() - self._began) * 1000))
            if log_id != self.log_id or not self.running or not self._tail.hear(event, t):
                return
            if self.state is self._told:
                self.state = self._told.copy()
            self.state.apply(Envelope(self.state.seq + 1, t, "in", event))
            self._tell()

    def adopt(self, seq: int, state: object, heard: Iterable[object] = ()) -> None:
        """Take a whole state, as it was after the envelope `seq`: the answer to a gap.

        Args:
            seq: the page's number.
            state: its JSON.
            heard: the ids of the service's events that the page has put in since `position`.
        """
        with self._lock:
            if seq > self.position:
                self._early = {number: late for number, late in self._early.items() if number > seq}
                self._tail.forget(heard)
                self._apply(Envelope(seq, self._now(), "own", {"type": "genmb.snapshot", "state": state}))
            self.feed()

    def append(
        self, event: Mapping[str, Any], way: Literal["in", "out", "own"] = "own", t: int | None = None
    ) -> None:
        """Write the next envelope ourselves, where this process keeps the log or its keeper is gone.

        Args:
            event: the event, without audio.
            way: the envelope's `dir`.
            t: milliseconds since the log began; by default as late as the envelope before.
        """
        with self._lock:
            self._early.clear()
            self._settle()
            self.feed(Envelope(self.position + 1, self._now() if t is None else t, way, dict(event)))

    def end(
        self,
        status: Literal["ended", "failed"],
        code: str | None = None,
        detail: str | None = None,
        t: int | None = None,
    ) -> None:
        """Close the log with an error of ours, if any, and the last status."""
        with self._lock:
            if code is not None:
                said = {"detail": detail} if detail else {}
                self.append({"type": "genmb.error", "code": code} | said, t=t)
            self.append({"type": "genmb.status", "status": status} | ({"code": code} if code else {}), t=t)

    def end_unbegun(self, log_id: str, status: Literal["ended", "failed"], code: str | None = None) -> None:
        """Give a start that nobody has obeyed a log of its own, and close it."""
        with self._lock:
            self.begin(log_id)
            if status == "ended":  # which only what has begun can be
                self.append({"type": "genmb.status", "status": "connecting"})
            self.end(status, code)

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` after each change, on the thread that fed it, one call at a time."""
        with self._lock:
            self._listeners.append(listener)

    def wait(self, holds: Callable[[], T | None]) -> Future[T]:
        """Return a future of what `holds()` first gives that is true; it fails with what `holds()` raises."""
        with self._lock:
            return self._waiters.add(holds)

    def settled(self, read: Callable[[], T]) -> T:
        """Return what `read()` gives when everybody has been told of the last change, and before the next."""
        with self._lock:
            return read()

    def _following(self) -> Envelope | None:
        """Take the next envelope out of those that came early; a snapshot fills a gap."""
        following = self._early.pop(self.position + 1, None)
        if following is None and self._early:
            first = self._early[min(self._early)]
            if first.event["type"] == "genmb.snapshot":
                following = self._early.pop(first.seq)
        return following

    def _now(self) -> int:
        return self._log[-1].t if self._log else 0

    def _apply(self, envelope: Envelope) -> None:
        """Put the next envelope, as the page numbers it, behind what has been told."""
        before = (self.state.status, self.state.activity)
        if envelope.event["type"] == "genmb.status" and envelope.event.get("status") in OVER:
            self._settle()  # it was before the end, and the page does not tell it any more
        placed = replace(envelope, seq=envelope.seq + self._shift)
        was = self._told.status
        self._told.apply(placed)
        self._log.append(placed)
        self._stale = not self._tail.told(placed) or self._stale
        if not self._tail or self._told.status != was:
            self._refold()
        if (self.state.status, self.state.activity) != before:
            self._tell()

    def _refold(self) -> None:
        """Have the state be what has been told and then the tail."""
        if not self._tail:
            self.state = self._told
        elif self._stale:
            self.state = self._told.copy()
            for envelope in self._tail.after(self._told.seq):
                self.state.apply(envelope)
        self._stale = False

    def _settle(self) -> None:
        """Let what only the sideband has heard stay where it stands."""
        for envelope in self._tail.take(self._told.seq):
            self._told.apply(envelope)
            self._log.append(envelope)
            self._shift += 1
        self.state = self._told

    def _tell(self) -> None:
        for listener in self._listeners:
            try:
                listener()
            except Exception:
                log.exception("A listener of the conversation failed")
        self._waiters.wake()
