"""One call of a tool, from the model's arguments to what the model is told: something, whatever happens.

Coroutines run in a loop that all tools share, everything else of the author's in a thread of its own, which
nothing can end: one that takes too long goes on, unheard. It must not know sessions.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from contextvars import copy_context
from inspect import isawaitable, iscoroutinefunction
from typing import Any

from genmb_voice_widget.loop import tools_loop

from .outputs import failed, raised, said
from .tool import Tool, complaint

log = logging.getLogger(__name__)


async def output_of(tool: Tool, arguments: str) -> str:
    """Call a tool with the arguments that the model sent, a JSON text, and say what came of it."""
    # The context of a task is that of whoever asks for it.
    call = tool.context.copy().run(asyncio.run_coroutine_threadsafe, _called(tool, arguments), tools_loop())
    waited = asyncio.wrap_future(call)
    try:
        await asyncio.wait({waited}, timeout=tool.timeout)
    finally:
        call.cancel()
    if not waited.done():
        return failed(f"It took longer than {tool.timeout:g} s.")
    return failed("It was cancelled.") if waited.cancelled() else waited.result()


async def _called(tool: Tool, arguments: str) -> str:
    try:
        try:
            call = await _in_thread(lambda: tool.bound(arguments))
        except ValueError as error:
            return failed(f"These arguments are not valid: {complaint(error)}")
        result = call() if iscoroutinefunction(tool.function) else await _in_thread(call)
        while isawaitable(result):
            result = await result
        return str(await _in_thread(lambda: said(result)))
    except asyncio.CancelledError:
        raise
    except BaseException as error:  # the arguments' own checks raise it too; SystemExit would end the loop
        log.warning("The tool %s failed.", tool.described.name, exc_info=_outside(error))
        return failed(raised(error))


def _outside(error: BaseException) -> BaseException:
    """Have the traceback begin where the function does: how we came there is no concern of its author's."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__package__") == __package__:
        trace = trace.tb_next
    return error.with_traceback(trace)


async def _in_thread(work: Callable[[], Any]) -> Any:
    """Do work in a daemon thread, in our context: a pool's threads would keep the interpreter alive."""
    loop, context = asyncio.get_running_loop(), copy_context()
    done: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if not done.done():
            done.set_result((result, error))

    def run() -> None:
        try:
            result, error = context.run(work), None
        except BaseException as raised:
            result, error = None, raised
        loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="genmb-voice-tool", daemon=True).start()
    result, error = await done
    if error is not None:
        raise error
    return result
