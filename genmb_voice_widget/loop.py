"""The package's own event loops, each in a daemon thread.

Owns the threads. Everything that talks (the bridge's timers, the token client, a headless session) runs in
the package's, because a notebook's own loop stands still while a cell computes. What others have written
(the coroutines of tools) runs in another, for a call does not survive that its loop stands still. It must not
know who uses them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import Context
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_lock = threading.Lock()
_loops: dict[str, asyncio.AbstractEventLoop] = {}


def _running(name: str) -> asyncio.AbstractEventLoop:
    with _lock:
        if name not in _loops:
            _loops[name] = asyncio.new_event_loop()
            threading.Thread(target=_loops[name].run_forever, name=name, daemon=True).start()
        return _loops[name]


def package_loop() -> asyncio.AbstractEventLoop:
    """Return the package's loop, starting its thread at the first call."""
    return _running("genmb-voice")


def tools_loop() -> asyncio.AbstractEventLoop:
    """Return the loop of what others have written, starting its thread at the first call."""
    return _running("genmb-voice-tools")


def post(function: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> None:
    """Call `function(*args)` in the package thread soon; from any thread, without waiting."""
    package_loop().call_soon_threadsafe(function, *args, context=context)


def submit(coroutine: Coroutine[object, object, T]) -> Future[T]:
    """Run a coroutine in the package thread; the future may be waited for in any thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, package_loop())
