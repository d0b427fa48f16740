"""Work that runs to its end whoever is still waiting, and only once at a time for each key."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Flights:
    """The tasks under way. One event loop for its whole life."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._by_key: dict[str, asyncio.Task[Any]] = {}

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` as a task that is kept until it is done."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def join(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for the work under way for `key`, or begin it; a caller that is cancelled does not stop it."""
        task: asyncio.Task[T] | None = self._by_key.get(key)
        if task is None:
            task = self._by_key[key] = self.start(work())
            task.add_done_callback(lambda _: self._by_key.pop(key))
        return await asyncio.shield(task)

    async def drain(self) -> None:
        """Wait until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)
