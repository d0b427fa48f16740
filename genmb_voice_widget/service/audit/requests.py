"""Takes note of what was decided for each request that asks for something, when its answer is there.

Plain ASGI, around everything that can refuse. It goes by the address that was asked, not by the route that
was found, so a body that was refused before any route was looked for is noted too.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from genmb_voice_widget.service.verdict import verdict

from . import Decision, Record

_ABOUT_ONE = re.compile(r"/v1/sessions/([^/]+)/(offer|connected|ended)")
_ONE = re.compile(r"/v1/sessions/([^/]+)")
_SESSION = re.compile(r"vs_[0-9a-f]{32}")
_POSTS = {"/v1/sessions": "open", "/api/voice-agent": "open", "/v1/app-tokens": "token"}
_TURNED_AWAY = ("unauthorized", "origin_refused")


class AuditRequests:
    """Notes one decision a request."""

    def __init__(self, app: ASGIApp, records: Sequence[Record]) -> None:
        self._app = app
        self._records = records

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:
            verdict(scope).outcome = "cut_off"
            raise
        finally:
            if decision := _decision(scope):
                for record in self._records:
                    record(decision)


def _decision(scope: Scope) -> Decision | None:
    found = verdict(scope)
    action = action_of(scope["method"], scope["path"])
    if action is None and found.outcome not in _TURNED_AWAY:
        return None
    app, via = (found.caller.app, found.caller.via) if found.caller else (None, None)
    session = found.session or session_of(scope["path"])
    return Decision(action or "other", found.outcome, app, via, session)


def action_of(method: str, path: str) -> str | None:
    """Name what a request asks for; `None`: nothing that is decided for each request."""
    if method != "POST":
        return None
    about = _ABOUT_ONE.fullmatch(path)
    return about[2] if about else _POSTS.get(path)


def session_of(path: str) -> str | None:
    """Read the session from an address; what could not be one is the caller's own text and is left out."""
    about = _ABOUT_ONE.fullmatch(path) or _ONE.fullmatch(path)
    return about[1] if about and _SESSION.fullmatch(about[1]) else None
