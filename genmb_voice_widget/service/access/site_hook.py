"""The owner's own word on who is signed in to the owner's site: a function of theirs, `module:function`.

It is given a request's header fields and cookies and returns the id of the app that the user may use, or
None:

    def voice_app(headers: Mapping[str, str], cookies: Mapping[str, str]) -> str | None: ...

It may be `async`; one that is not runs in a thread. One that fails or takes too long lets nobody in. The
threads are its own: one that hangs keeps its thread, and the loop's are what names are looked up with. While
it hangs in all of them nobody waits for one.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

from starlette.requests import HTTPConnection

from genmb_voice_widget.service.problems import Refusal

log = logging.getLogger(__name__)

Fields = Mapping[str, str]
Hook = Callable[[Fields, Fields], str | None] | Callable[[Fields, Fields], Awaitable[str | None]]

WITHIN = 5.0
"""Seconds that the function has."""
_THREADS = 8
"""How many requests may ask a function at a time that is not `async`; the others wait, inside `WITHIN`."""


class SiteHook:
    """Asks the owner's function, for requests that carry anything that could show a signed-in user."""

    def __init__(self, hook: Hook, within: float = WITHIN) -> None:
        self._hook = hook
        self._within = within
        self._threads = ThreadPoolExecutor(_THREADS, "site-hook")
        self._stuck = set[Future[object]]()

    async def app(self, request: HTTPConnection) -> str | None:
        """Tell which app the request's user is signed in for.

        Raises:
            Refusal: `service_unavailable`, when the function fails.
        """
        if not {"cookie", "authorization"} & set(request.headers):
            return None
        try:
            async with asyncio.timeout(self._within):
                app = await self._ask(dict(request.headers), dict(request.cookies))
        except Exception as error:
            # Its message may hold what the request carried.
            log.error("the site hook failed: %s", type(error).__name__)
            raise _silent() from None
        if isinstance(app, str | None):
            return app
        log.error("the site hook returned neither an app's id nor None, but %s", type(app).__name__)
        raise _silent()

    async def _ask(self, headers: Fields, cookies: Fields) -> object:
        if inspect.iscoroutinefunction(self._hook):
            return await self._hook(headers, cookies)
        if len(self._stuck) >= _THREADS:
            raise TimeoutError
        call: Future[object] = self._threads.submit(self._hook, headers, cookies)
        try:
            answer = await asyncio.wrap_future(call)
        except asyncio.CancelledError:
            if not call.cancel():
                self._stuck.add(call)
                call.add_done_callback(self._stuck.discard)
            raise
        return await answer if inspect.isawaitable(answer) else answer


def _silent() -> Refusal:
    return Refusal("service_unavailable", "It cannot be told who is signed in.", retry_after=5.0)
