"""Who waits for a condition, until it holds or fails. Pure but for the futures; its user holds a lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Waiters:
    """Conditions and the futures that they settle."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], Any], Future[Any]]] = []

    def add(self, holds: Callable[[], T | None]) -> Future[T]:
        """Return a future of what `holds()` first gives that is true; it fails with what `holds()` raises."""
        future: Future[T] = Future()
        self._waiting.append((holds, future))
        self.wake()
        return future

    def wake(self) -> None:
        """Look at every condition again."""
        waiting = []
        for holds, future in self._waiting:
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
        self._waiting = [pair for pair in waiting if not pair[1].cancelled()]
