"""The time of a headless session: milliseconds since it began, as fast as wanted.

It must not know what happens in the session.
"""

from __future__ import annotations

import asyncio
import time

from .errors import VoiceError


class Clock:
    """Counts from its making on.

    Args:
        speed: how many seconds of the session pass in one of ours: 1.0 as people talk, more to get on faster.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if not 0 < speed < float("inf"):
            raise VoiceError("bad_option", "speed must be a number above 0.")
        self._speed = speed
        self._began = time.monotonic()

    def now(self) -> int:
        """Return the session's milliseconds so far."""
        return int((time.monotonic() - self._began) * 1000 * self._speed)

    async def until(self, moment: float) -> None:
        """Wait for a moment, in milliseconds; one that has passed only lets others run."""
        ahead = moment / 1000 / self._speed - (time.monotonic() - self._began)
        await asyncio.sleep(max(0.0, ahead))
