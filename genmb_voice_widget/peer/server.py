"""The peer's HTTP and WebSocket surface: paths, credentials, status codes.

Owns the routes (OpenAI Realtime API reference: client secrets, calls, WebSocket; and the same under Azure
OpenAI's `/openai/v1`, where a call takes only an ephemeral secret). Knows neither events nor audio.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from .admission import LoopbackOnly, credential, refusal, subprotocols
from .calls import Calls, begin_session, settings_from
from .ephemeral import Grant, Secrets
from .legs.ws import serve_session, serve_sideband
from .live import LiveSession
from .protocol.session_config import update_session
from .shapes import Json, shallow
from .stages import Stages
from .wire_error import WireError, missing_parameter

SECRET_LIFE = 600
AZURE_SECRET_LIFE = 7200
"""Seconds that an ephemeral secret lives when its maker does not say, at OpenAI and at Azure OpenAI."""

LARGEST_BODY = 1024 * 1024
_STATUS = {
    "missing_api_key": 401,
    "invalid_api_key": 401,
    "ephemeral_token_required": 401,
    "call_id_not_found": 404,
    "length_required": 411,
    "request_too_large": 413,
    "unsupported_media_type": 415,
}
Handler = Callable[[Request], Awaitable[Response]]


def make_app(stages: Stages, secret: str, clock: Callable[[], float] = time.time) -> Starlette:
    """Return the peer as an ASGI application. `clock` gives unix seconds; closing the app ends all calls."""
    peer = _Peer(stages, Secrets(secret, clock), Calls(stages, clock), clock)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await peer.calls.close()

    routes = [
        Mount("/openai/v1", routes=_routes(peer, azure=True)),
        Mount("/v1", routes=_routes(peer, azure=False)),
        Route("/healthz", _healthy),
    ]
    cors = Middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        expose_headers=["Location", "X-Request-Id"],
        allow_private_network=True,
    )
    return Starlette(
        routes=routes,
        middleware=[Middleware(LoopbackOnly), cors],
        exception_handlers={HTTPException: _refused, Exception: _failed},
        lifespan=lifespan,
    )


def _routes(peer: _Peer, azure: bool) -> list[Route | WebSocketRoute]:
    async def secrets(request: Request) -> Response:
        return await peer.create_secret(request, azure)

    async def calls(request: Request) -> Response:
        return await peer.create_call(request, azure)

    async def socket(socket: WebSocket) -> None:
        await peer.connect(socket, azure)

    return [
        Route("/realtime/client_secrets", _answered(secrets), methods=["POST"]),
        Route("/realtime/calls", _answered(calls), methods=["POST"]),
        Route("/realtime/calls/{call_id}/hangup", _answered(peer.hang_up), methods=["POST"]),
        WebSocketRoute("/realtime", socket),
    ]


async def _healthy(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _refused(request: Request, error: Exception) -> Response:
    """Say in the wire's words what the framework refuses: an unknown path, a bad form."""
    assert isinstance(error, HTTPException), "registered for nothing else"
    return refusal(WireError(error.detail), error.status_code)


async def _failed(request: Request, error: Exception) -> Response:
    return refusal(WireError("The local peer failed.", "server_error", type="server_error"), 500)


def _answered(handler: Handler) -> Handler:
    """Turn a `WireError` into its HTTP answer."""

    async def answered(request: Request) -> Response:
        try:
            return await handler(request)
        except WireError as error:
            return refusal(error, _STATUS.get(error.code or "", 400))

    return answered


class _Peer:
    """What the routes share."""

    def __init__(self, stages: Stages, secrets: Secrets, calls: Calls, clock: Callable[[], float]) -> None:
        self.calls = calls
        self._stages = stages
        self._secrets = secrets
        self._clock = clock

    async def create_secret(self, request: Request, azure: bool) -> Response:
        self._own_secret(request)
        body = _object(await _body(request))
        for name in body.keys() - {"session", "expires_after"}:
            raise WireError(f"Unknown parameter: '{name}'.", "unknown_parameter", name)
        session = settings_from(body.get("session", {"type": "realtime"}), self._stages, None)
        life = AZURE_SECRET_LIFE if azure else SECRET_LIFE
        value, expires_at = self._secrets.make(session, body.get("expires_after"), life)
        return JSONResponse({"value": value, "expires_at": expires_at, "session": session})

    async def create_call(self, request: Request, azure: bool) -> Response:
        grant = self._secrets.check(credential(request))
        if azure and grant.session is None:
            raise WireError("This operation requires ephemeral tokens", "ephemeral_token_required")
        offer, wanted = await _offer(request)
        settings = self._settings(grant, wanted, request.query_params.get("model"))
        filter_on = request.query_params.get("webrtcfilter") == "on"
        call_id, answer = await self.calls.begin(offer, settings, filter_on=filter_on, azure=azure)
        location = {"Location": f"/v1/realtime/calls/{call_id}"}
        return Response(answer, 201, location, "text/plain")

    async def hang_up(self, request: Request) -> Response:
        self._own_secret(request)
        await self.calls.hang_up(request.path_params["call_id"])
        return Response(status_code=200)

    async def connect(self, socket: WebSocket, azure: bool) -> None:
        try:
            grant = self._secrets.check(credential(socket))
            call_id = socket.query_params.get("call_id")
            if call_id is not None:
                live = self._observed(call_id, grant)
            elif grant.session is None and "model" not in socket.query_params:
                raise missing_parameter("model")
            else:
                settings = self._settings(grant, None, socket.query_params.get("model"))
        except WireError as error:
            await socket.send_denial_response(refusal(error, _STATUS.get(error.code or "", 400)))
            return
        await socket.accept("realtime" if "realtime" in subprotocols(socket) else None)
        if call_id is not None:
            await serve_sideband(socket, live)
        else:
            session = begin_session(settings, self._clock())
            await serve_session(socket, session, self._stages, self._clock, azure=azure)

    def _own_secret(self, request: HTTPConnection) -> None:
        if self._secrets.check(credential(request)).session is not None:
            raise WireError("An ephemeral secret may only open sessions.", "invalid_api_key")

    def _settings(self, grant: Grant, wanted: Json | None, model: str | None) -> Json:
        """Return the session settings that a credential and a request add up to."""
        if grant.session is not None:
            return grant.session if wanted is None else update_session(grant.session, wanted)
        return settings_from({"type": "realtime"} if wanted is None else wanted, self._stages, model)

    def _observed(self, call_id: str, grant: Grant) -> LiveSession:
        """Find the call that a sideband asks for; an ephemeral secret finds none, as on the services."""
        return self.calls.find(call_id if grant.session is None else "")


async def _offer(request: Request) -> tuple[str, Json | None]:
    """Read an SDP offer, raw or as the part `sdp` beside `session`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        if "content-length" not in request.headers:
            raise WireError("Say with Content-Length how long the form is.", "length_required")
        _check_length(request)
        async with request.form(max_files=2, max_fields=2) as form:
            parts = {name: await _part(value) for name, value in form.items()}
        if "sdp" not in parts:
            raise missing_parameter("sdp")
        return parts["sdp"], _object(parts["session"]) if "session" in parts else None
    if kind != "application/sdp":
        raise WireError("Expected application/sdp or multipart/form-data.", "unsupported_media_type")
    return await _body(request), None


async def _part(value: UploadFile | str) -> str:
    return value if isinstance(value, str) else (await value.read()).decode(errors="replace")


async def _body(request: Request) -> str:
    _check_length(request)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise _too_large()
    return body.decode(errors="replace")


def _check_length(request: Request) -> None:
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > LARGEST_BODY:
        raise _too_large()


def _too_large() -> WireError:
    return WireError(f"At most {LARGEST_BODY} bytes.", "request_too_large")


def _object(text: str) -> Json:
    """Read a JSON object; no body at all is an empty one."""
    try:
        value: Any = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not shallow(value):
        raise WireError("The body is not a JSON object.", "invalid_json")
    return value
