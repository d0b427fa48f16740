"""Which web pages may read the answers: the CORS protocol (Fetch standard, §3.3), with exact origins.

Starlette's own middleware takes a list that is fixed when the app is built; here the origins are the apps'
and change while the endpoint runs. Plain ASGI. It knows no route; who may ask is told by `Access`.

A preflight names no caller, so it is told only whether the origin is known at all; whether it may ask for its
app is decided with the request itself, whose answer the page can then read.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genmb_voice_widget.service.access import Access
from genmb_voice_widget.service.problems import Refusal

from .guard import send_problem

_METHODS = "GET, POST"
_HEADERS = "Authorization, Content-Type, Idempotency-Key"
_EXPOSED = "Location, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate"
_FOR_AN_HOUR = "3600"
_FOR_NO_APP = ("/healthz", "/sdk.js")
"""What asks no store and is no app's: it is answered also while the apps cannot be looked up."""
_PRIVATE = "Access-Control-Request-Private-Network"
_ASKED = f"Access-Control-Request-Method, Access-Control-Request-Headers, {_PRIVATE}"


class Cors:
    """Answers preflights, and says on answers which origin may read them."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http" or (scope["path"] in _FOR_NO_APP and scope["method"] != "OPTIONS"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origins = headers.getlist("origin")
        try:
            welcome = len(origins) == 1 and await self._access.welcomes(origins[0])
        except Refusal as refusal:
            await send_problem(refusal, send)
            return
        granted = self._grant(origins[0]) if welcome else {}
        if origins and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await _preflight(headers, granted, send)
            return

        async def send_granted(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                # Also without an origin: a cache must not give that answer to a page.
                sent.add_vary_header("Origin")
                if welcome:
                    sent.update(granted)
                    sent["Access-Control-Expose-Headers"] = _EXPOSED
            await send(message)

        await self._app(scope, receive, send_granted)

    def _grant(self, origin: str) -> dict[str, str]:
        granted = {"Access-Control-Allow-Origin": origin}
        return granted | {"Access-Control-Allow-Credentials": "true"} if self._access.cookies else granted


async def _preflight(headers: Headers, granted: dict[str, str], send: Send) -> None:
    fields = {"Vary": f"Origin, {_ASKED}", "Cache-Control": "no-store", **granted}
    if granted:
        fields["Access-Control-Allow-Methods"] = _METHODS
        fields["Access-Control-Allow-Headers"] = _HEADERS
        fields["Access-Control-Max-Age"] = _FOR_AN_HOUR
        # A page of the web asks for a host in a private network (Private Network Access, §3.1): its origin
        # was named for this endpoint, so it may.
        if headers.get(_PRIVATE) == "true":
            fields["Access-Control-Allow-Private-Network"] = "true"
    raw = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": 204 if granted else 403, "headers": raw})
    await send({"type": "http.response.body", "body": b""})
