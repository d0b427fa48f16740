"""What holds for every request, whatever its route: size, media type, patience, no caching, no traces.

Plain ASGI, so that it also stands between a route's bug and the caller. It knows no route, only which ones
take a beacon: `navigator.sendBeacon` sends text without asking first, and a page that is being closed has no
other way. Whoever answers such a route must not take the media type for a proof that the page may ask.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genmb_voice_widget.service.drain import Drain
from genmb_voice_widget.service.places import places
from genmb_voice_widget.service.problems import MEDIA_TYPE, Refusal
from genmb_voice_widget.service.verdict import verdict

log = logging.getLogger(__name__)


_JSON = "application/json"


class Guard:
    """Lets through JSON bodies up to a size, and turns whatever escapes the app into a problem.

    Args:
        beacons: the paths where JSON may also come as text.
        drain: tells whether a request that is cancelled is so because the server stops.
    """

    def __init__(
        self, app: ASGIApp, max_body: int, body_within: float, beacons: re.Pattern[str], drain: Drain
    ) -> None:
        self._app = app
        self._beacons = beacons
        self._drain = drain
        self._max_body = max_body
        self._body_within = body_within

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answering = False

        async def send_uncached(message: Message) -> None:
            nonlocal answering
            if message["type"] == "http.response.start":
                answering = True
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            body = await self._read(scope, receive)
            await self._app(scope, _replay(body, receive), send_uncached)
        except Refusal as refusal:
            verdict(scope).outcome = refusal.code
            await send_problem(refusal, send_uncached)
        except asyncio.CancelledError:
            # A server that stops would answer with words of its own; anyone else may cancel one.
            if answering or not self._drain.begun:
                raise
            stopping = Refusal("service_unavailable", "This node is being stopped.", retry_after=1.0)
            verdict(scope).outcome = stopping.code
            await send_problem(stopping, send_uncached)
        except Exception as error:
            # The route as it was declared: the address itself is the caller's text.
            route = getattr(scope.get("route"), "path", "no route")
            log.error("%s %s: %s", scope["method"], route, places(error))
            verdict(scope).outcome = "internal"
            if not answering:
                await send_problem(Refusal("internal", "The endpoint's log says where."), send_uncached)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """Read the whole body of a request that has one."""
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            return b""
        body, more = bytearray(), True
        try:
            async with asyncio.timeout(self._body_within):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Refusal("bad_request", "The body broke off.", status=400)
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > self._max_body:
                        why = f"The body is longer than {self._max_body} bytes."
                        raise Refusal("bad_request", why, status=413)
        except TimeoutError:
            raise Refusal("bad_request", "The body did not come in time.", status=408) from None
        if body:
            self._check_media_type(scope)
        return bytes(body)

    def _check_media_type(self, scope: Scope) -> None:
        media_type = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        if media_type == "text/plain" and self._beacons.fullmatch(scope["path"]):
            fields = [field for field in scope["headers"] if field[0].lower() != b"content-type"]
            scope["headers"] = [*fields, (b"content-type", _JSON.encode())]
        elif media_type != _JSON:
            raise Refusal("bad_request", f"The body must be {_JSON}.", status=415)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the app the body that has been read, then what really comes."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


async def send_problem(refusal: Refusal, send: Send) -> None:
    """Answer a request with a problem."""
    body = json.dumps(refusal.to_json()).encode()
    headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), "cache-control": "no-store"}
    headers |= refusal.headers()
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
