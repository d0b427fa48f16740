"""Which web pages may read the answers: the CORS protocol (Fetch standard, §3.3), with exact origins.

Starlette's own middleware takes a list that is fixed when the app is built; here the origins are the apps'
and change while the endpoint runs. Plain ASGI. It knows no route; who may ask is told by `Access`.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .access import Access

_METHODS = "GET, POST"
_HEADERS = "Authorization, Content-Type, Idempotency-Key"
_EXPOSED = "Location, Retry-After, RateLimit, RateLimit-Policy"
_FOR_AN_HOUR = "3600"


class Cors:
    """Answers preflights, and says on answers which origin may read them."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        origin = headers.get("origin")
        if origin is None:
            await self._app(scope, receive, send)
            return
        welcome = await self._access.welcomes(origin)
        granted = {"Vary": "Origin"} | ({"Access-Control-Allow-Origin": origin} if welcome else {})
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await self._preflight(granted, welcome, send)
            return

        async def send_granted(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                sent.update(granted)
                if welcome:
                    sent["Access-Control-Expose-Headers"] = _EXPOSED
            await send(message)

        await self._app(scope, receive, send_granted)

    async def _preflight(self, granted: dict[str, str], welcome: bool, send: Send) -> None:
        allowed = {
            "Access-Control-Allow-Methods": _METHODS,
            "Access-Control-Allow-Headers": _HEADERS,
            "Access-Control-Max-Age": _FOR_AN_HOUR,
        }
        fields = granted | (allowed if welcome else {})
        raw = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
        await send({"type": "http.response.start", "status": 204 if welcome else 403, "headers": raw})
        await send({"type": "http.response.body", "body": b""})
