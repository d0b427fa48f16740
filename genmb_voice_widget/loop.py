"""The package's own event loop, in one daemon thread.

Owns the thread. Everything that talks (the bridge's timers, the token client, a headless session) runs here,
because a notebook's own loop stands still while a cell computes. It must not know who uses it.
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
_loop: asyncio.AbstractEventLoop | None = None


def package_loop() -> asyncio.AbstractEventLoop:
    """Return the running loop, starting its thread at the first call."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="genmb-voice", daemon=True).start()
        return _loop


def post(function: Callable[[*Ts], object], *args: *Ts, context: Context | None = None) -> None:
    """Call `function(*args)` in the package thread soon; from any thread, without waiting."""
    package_loop().call_soon_threadsafe(function, *args, context=context)


def submit(coroutine: Coroutine[object, object, T]) -> Future[T]:
    """Run a coroutine in the package thread; the future may be waited for in any thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, package_loop())
