"""Whether the endpoint is about to go, and how much longer it may go on. It goes once, for good."""

from __future__ import annotations

import time
from collections.abc import Callable

from .problems import Refusal


class Drain:
    """Begun when the process is told to go: other nodes shall take the new sessions from then on.

    What needs this process to go on, such as a socket that it relays, may do so until the door is closed.

    Args:
        seconds: how long what is under way may take then; None: as long as it likes.
        clock: seconds, of any beginning.
    """

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._began: float | None = None
        self._closed = False

    @property
    def begun(self) -> bool:
        """Whether it has begun."""
        return self._began is not None

    @property
    def closed(self) -> bool:
        """Whether the door is closed: what is still open here must end."""
        return self._closed

    @property
    def left(self) -> float | None:
        """Seconds that are left; None: no limit."""
        if self._seconds is None or self._began is None:
            return self._seconds
        return max(0.0, self._began + self._seconds - self._clock())

    def begin(self) -> None:
        """Begin to go."""
        if self._began is None:
            self._began = self._clock()

    def close(self) -> None:
        """Close the door, which also begins it."""
        self.begin()
        self._closed = True

    def check(self) -> None:
        """Return if what has just begun may last.

        Raises:
            Refusal: `service_unavailable`.
        """
        if self.begun:
            raise Refusal("service_unavailable", "This node is being stopped.", retry_after=1.0)
