"""One session's log and state, fed by any source on any thread.

Owns the order of envelopes (repeats are dropped, a gap is waited out and reported once), the log, and who is
told. It must not know where envelopes come from: a page, a headless session and a recording all enter by
`feed`.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_right
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Literal, TypeVar

from .protocol import Envelope
from .state import State

log = logging.getLogger(__name__)

T = TypeVar("T")

RUNNING = ("connecting", "live", "reconnecting")
OVER = ("ended", "failed")


class Conversation:
    """The event log of the current session, the state it folds to, its listeners and its waiters.

    Args:
        on_gap: called with the log's id, once for each gap, when an envelope is missing; the answer is
            `adopt`.

    Attributes:
        log_id: the current log's id, empty before the first.
        state: what the log folds to; changes in place.
        gap: whether envelopes wait for one that is missing.
    """

    def __init__(self, on_gap: Callable[[str], None] = lambda log_id: None) -> None:
        self._on_gap = on_gap
        self._lock = threading.RLock()
        self._listeners: list[Callable[[], None]] = []
        self._waiters: list[tuple[Callable[[], Any], Future[Any]]] = []
        self._reset("")

    def _reset(self, log_id: str) -> None:
        self.log_id = log_id
        self.state = State()
        self._log: list[Envelope] = []
        self._early: dict[int, Envelope] = {}
        self.gap = False

    @property
    def events(self) -> list[Envelope]:
        """The log so far, oldest first: a copy."""
        with self._lock:
            return list(self._log)

    def after(self, seq: int) -> list[Envelope]:
        """Return the log's envelopes that came after the one with this `seq`."""
        with self._lock:
            return self._log[bisect_right(self._log, seq, key=lambda envelope: envelope.seq) :]

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
                if envelope.seq > self.state.seq:
                    self._early[envelope.seq] = envelope
            while (following := self._following()) is not None:
                self._apply(following)
            self._tell()
            before, self.gap = self.gap, bool(self._early)
            if self.gap and not before:
                self._on_gap(self.log_id)

    def adopt(self, seq: int, state: object) -> None:
        """Take a whole state, as it was after the envelope `seq`: the answer to a gap."""
        with self._lock:
            if seq > self.state.seq:
                self._early = {number: late for number, late in self._early.items() if number > seq}
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
            self.feed(Envelope(self.state.seq + 1, self._now() if t is None else t, way, dict(event)))

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
        future: Future[T] = Future()
        with self._lock:
            self._waiters.append((holds, future))
            self._wake()
        return future

    def settled(self, read: Callable[[], T]) -> T:
        """Return what `read()` gives when everybody has been told of the last change, and before the next."""
        with self._lock:
            return read()

    def _following(self) -> Envelope | None:
        """Take the next envelope out of those that came early; a snapshot fills a gap."""
        following = self._early.pop(self.state.seq + 1, None)
        if following is None and self._early:
            first = self._early[min(self._early)]
            if first.event["type"] == "genmb.snapshot":
                following = self._early.pop(first.seq)
        return following

    def _now(self) -> int:
        return self._log[-1].t if self._log else 0

    def _apply(self, envelope: Envelope) -> None:
        before = (self.state.status, self.state.activity)
        self.state.apply(envelope)
        self._log.append(envelope)
        if (self.state.status, self.state.activity) != before:
            self._tell()

    def _tell(self) -> None:
        for listener in self._listeners:
            try:
                listener()
            except Exception:
                log.exception("A listener of the conversation failed")
        self._wake()

    def _wake(self) -> None:
        waiting = []
        for holds, future in self._waiters:
            try:
                value = holds()
            except Exception as error:
                if future.set_running_or_notify_cancel():
                    future.set_exception(error)
            else:
                if not value:
                    waiting.append((holds, future))
                elif future.set_running_or_notify_cancel():
                    future.set_result(value)
        self._waiters = [pair for pair in waiting if not pair[1].cancelled()]
