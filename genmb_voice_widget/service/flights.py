"""Work that runs to its end whoever is still waiting, and only once at a time for each key."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .problems import Refusal, named

T = TypeVar("T")

log = logging.getLogger(__name__)


class Flights:
    """The tasks under way. One event loop for its whole life."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watching: set[asyncio.Task[Any]] = set()
        self._by_key: dict[str, asyncio.Task[Any]] = {}

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run `work` as a task that is kept until it is done."""
        return _kept(work, self._tasks)

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` and wait for it; a caller that is cancelled does not stop it."""
        return await _waited_for(self.start(work))

    def watch(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, which only waits for what others do: `drain` does not wait for it but stops it."""
        _kept(work, self._watching)

    async def join(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for the work under way for `key`, or begin it; a caller that is cancelled does not stop it."""
        task: asyncio.Task[T] | None = self._by_key.get(key)
        if task is None:
            task = self._by_key[key] = self.start(work())
            task.add_done_callback(lambda _: self._by_key.pop(key))
        return await _waited_for(task)

    async def drain(self) -> None:
        """Stop who only watches, and wait until nothing is under way."""
        while under_way := self._tasks | self._watching:
            for task in self._watching:
                task.cancel()
            await asyncio.wait(under_way)


def _kept(work: Coroutine[Any, Any, T], tasks: set[asyncio.Task[Any]]) -> asyncio.Task[T]:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task


async def _waited_for(task: asyncio.Task[T]) -> T:
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_done_alone)
        raise


def _done_alone(task: asyncio.Task[Any]) -> None:
    """Name what nobody is told any more; asyncio would put all of it into the log, its words too."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        level = logging.INFO if isinstance(error, Refusal) else logging.ERROR
        log.log(level, "what went on without its caller failed: %s", named(error))
