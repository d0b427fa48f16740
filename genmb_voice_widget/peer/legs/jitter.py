"""No jitter buffer: packets in the order they arrive.

aiortc's audio buffer adds 80 ms, and after one lost packet holds back the next fourteen and stays late.
On the loopback interface packets arrive in order, so none is needed. Late packets are dropped.
"""

from __future__ import annotations

from typing import Any

from aiortc.jitterbuffer import JitterFrame


class ArrivalOrder:
    """Takes the place of `aiortc.jitterbuffer.JitterBuffer` in an audio receiver."""

    def __init__(self) -> None:
        self._last: int | None = None

    def add(self, packet: Any) -> tuple[bool, JitterFrame | None]:
        """Return the packet's frame at once, or nothing for one that is older than its predecessor."""
        number: int = packet.sequence_number
        if self._last is not None and not 0 < (number - self._last) % 65536 < 32768:
            return False, None
        self._last = number
        return False, JitterFrame(data=packet._data, timestamp=packet.timestamp)
