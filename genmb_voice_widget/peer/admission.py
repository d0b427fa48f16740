"""What is checked before a request is looked at: the Host it names and the credential it carries.

Owns where a credential may stand in a request (OpenAI and Azure OpenAI references). Knows no sessions.
"""

from __future__ import annotations

import secrets
from collections.abc import Container

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .personas import Place
from .shapes import Json
from .wire_error import WireError

_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
_SUBPROTOCOL_KEY = "openai-insecure-api-key."


def credential(request: HTTPConnection, key_places: Container[Place]) -> str | None:
    """Return the credential of a request: bearer, a WebSocket's subprotocol, or one of the `key_places`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    if "api-key header" in key_places and "api-key" in request.headers:
        return request.headers["api-key"]
    if request.scope["type"] == "websocket" and (found := _in_query(request, key_places)):
        return found
    for protocol in subprotocols(request):
        if protocol.startswith(_SUBPROTOCOL_KEY):
            return protocol.removeprefix(_SUBPROTOCOL_KEY)
    return None


def _in_query(request: HTTPConnection, key_places: Container[Place]) -> str | None:
    query = {name.lower(): value for name, value in request.query_params.items()}
    if "api-key query" in key_places and "api-key" in query:
        return query["api-key"]
    scheme, _, token = query.get("authorization", "").partition(" ")
    return token if "authorization query" in key_places and scheme.lower() == "bearer" else None


def subprotocols(request: HTTPConnection) -> list[str]:
    """Return the WebSocket subprotocols that a client offers."""
    offered: list[str] = request.scope.get("subprotocols", [])
    return offered


class LoopbackOnly:
    """Refuses requests whose Host is not this machine's own name for itself, and numbers the rest.

    A page elsewhere can point its own name at 127.0.0.1 (DNS rebinding); its requests still carry that name.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        host = HTTPConnection(scope).headers.get("host", "")
        name = host.lower() if host.endswith("]") else host.lower().rpartition(":")[0] or host.lower()
        if name not in _HOSTS:
            error = WireError("This peer serves its own machine only.", "forbidden_host")
            await refusal(error.body(), 403)(scope, receive, send)
            return
        await self._app(scope, receive, _numbered(send))


def refusal(body: Json, status: int) -> JSONResponse:
    """Return the HTTP answer with an error's body; on a WebSocket it is the answer to the handshake."""
    return JSONResponse(body, status)


def _numbered(send: Send) -> Send:
    async def with_id(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["X-Request-Id"] = f"req_{secrets.token_hex(16)}"
        await send(message)

    return with_id
