"""Who has started how often lately: an exact log of starts, one entry a session, in a rolling window.

Exact, because counters and token buckets let up to twice the limit through in some rolling hour; with entry
ids, because the slot of a session that never connected is given back. The window keeps its own time: nodes
that share one must not disagree about when an hour is over. It knows nothing of plans' names or of credits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from genmb_voice_widget.service.policy import Rate, wait_for_slot


@dataclass(frozen=True)
class Taken:
    """The entry has a slot: `remaining` are left, and in `reset` seconds the oldest one is free again."""

    remaining: int
    reset: float


@dataclass(frozen=True)
class Full:
    """No slot: `retry_after` seconds until one is free."""

    retry_after: float


def starts_log(app: str) -> str:
    """Name the log of an app's sessions."""
    return f"sessions:{app}"


def attempts_log(app: str) -> str:
    """Name the log of an app's requests to start one."""
    return f"attempts:{app}"


class Window(Protocol):
    """The entries of each log, which is named by what it counts. Every method is atomic, and safe to repeat.

    Raises:
        Refusal: `service_unavailable`, soon, when the window cannot be asked. It never lets through unasked.
    """

    async def ages(self, log: str, rate: Rate) -> tuple[float, ...]:
        """Seconds since each slot in use was taken, oldest first."""
        ...

    async def take(self, log: str, entry: str, rate: Rate) -> Taken | Full:
        """Take a slot for `entry`; an entry that has one keeps it."""
        ...

    async def give_back(self, log: str, entry: str) -> None:
        """Free the slot of `entry`, as though it had never been taken."""
        ...

    async def ready(self) -> None:
        """Return if the window can be asked now."""
        ...

    async def close(self) -> None:
        """Free what the window holds."""
        ...


class MemoryWindow:
    """A `Window` in this process's memory, for one node; a restart forgets it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken: dict[str, dict[str, float]] = {}

    async def ages(self, log: str, rate: Rate) -> tuple[float, ...]:
        """See `Window.ages`."""
        now = self._clock()
        return tuple(now - at for at in self._in_use(log, rate, now).values())

    async def take(self, log: str, entry: str, rate: Rate) -> Taken | Full:
        """See `Window.take`."""
        now = self._clock()
        in_use = self._in_use(log, rate, now)
        if entry not in in_use:
            if wait := wait_for_slot([now - at for at in in_use.values()], rate):
                return Full(wait)
            in_use[entry] = now
            self._taken[log] = in_use
        oldest = next(iter(in_use.values()))
        return Taken(max(0, rate.sessions - len(in_use)), rate.seconds - (now - oldest))

    async def give_back(self, log: str, entry: str) -> None:
        """See `Window.give_back`."""
        taken = self._taken.get(log, {})
        taken.pop(entry, None)
        if not taken:
            self._taken.pop(log, None)

    async def ready(self) -> None:
        """See `Window.ready`."""

    async def close(self) -> None:
        """See `Window.close`."""

    def _in_use(self, log: str, rate: Rate, now: float) -> dict[str, float]:
        """Keep the entries that still count, in the order in which they were taken."""
        kept = {entry: at for entry, at in self._taken.get(log, {}).items() if now - at < rate.seconds}
        if kept:
            self._taken[log] = kept
        else:
            self._taken.pop(log, None)
        return kept
