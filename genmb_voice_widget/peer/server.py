"""The peer's HTTP and WebSocket surface: paths, credentials, status codes.

Owns the routes of each persona (OpenAI Realtime API reference: client secrets, calls, WebSocket). Knows
neither events nor audio.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from .admission import LoopbackOnly, credential, refusal, subprotocols
from .bodies import read_object, read_offer
from .calls import Calls, begin_session, settings_from
from .ephemeral import Grant, Secrets
from .faults import NO_FAULTS, Faults
from .faults.requests import check_expired, demanded, faults_of, hesitate
from .legs.audience import everything, filtered
from .legs.ws import serve_session, serve_sideband
from .live import LiveSession
from .personas import AZURE, OPENAI, Persona
from .protocol.session_config import update_session
from .shapes import Json
from .stages import Stages
from .voice_live.service import CALL_VERSIONS, PATH, VoiceLiveService
from .wire_error import WireError, missing_parameter

_STATUS = {
    "missing_api_key": 401,
    "invalid_api_key": 401,
    "ephemeral_token_required": 401,
    "call_id_not_found": 404,
    "length_required": 411,
    "request_too_large": 413,
    "unsupported_media_type": 415,
}
Handler = Callable[[Request, Persona, Faults], Awaitable[Response]]


def make_app(
    stages: Stages,
    secret: str,
    clock: Callable[[], float] = time.time,
    faults: Faults = NO_FAULTS,
    call_versions: frozenset[str] = CALL_VERSIONS,
) -> Starlette:
    """Return the peer as an ASGI application. `clock` gives unix seconds; closing the app ends all calls.

    `faults` are carried out where a request asks for none of its own; `call_versions` are the versions of its
    API that a call of Voice Live takes.
    """
    secrets = Secrets(secret, clock)
    peer = _Peer(stages, secrets, Calls(stages, clock), clock, faults)
    voice_live = VoiceLiveService(stages, secrets, clock, faults, call_versions)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await peer.calls.close()

    routes = [
        *(Mount(persona.path, routes=_routes(peer, persona)) for persona in (AZURE, OPENAI)),
        Mount(PATH, routes=voice_live.routes()),
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


def _routes(peer: _Peer, persona: Persona) -> list[Route | WebSocketRoute]:
    def answered(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Turn a `WireError` into its HTTP answer."""

        async def answer(request: Request) -> Response:
            try:
                faults = faults_of(request, peer.faults)
                if (demand := demanded(faults)) is not None:
                    return refusal(persona.error_body(*demand), demand[1])
                return await handler(request, persona, faults)
            except WireError as error:
                return _denial(error, persona)

        return answer

    async def socket(socket: WebSocket) -> None:
        await peer.connect(socket, persona)

    return [
        Route("/realtime/client_secrets", answered(peer.create_secret), methods=["POST"]),
        Route("/realtime/calls", answered(peer.create_call), methods=["POST"]),
        Route("/realtime/calls/{call_id}/hangup", answered(peer.hang_up), methods=["POST"]),
        WebSocketRoute("/realtime", socket),
    ]


def _denial(error: WireError, persona: Persona) -> JSONResponse:
    status = _STATUS.get(error.code or "", 400)
    return refusal(persona.error_body(error, status), status)


async def _healthy(request: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _refused(request: Request, error: Exception) -> Response:
    """Say in the wire's words what the framework refuses: an unknown path, a bad form."""
    assert isinstance(error, HTTPException), "registered for nothing else"
    return refusal(WireError(error.detail).body(), error.status_code)


async def _failed(request: Request, error: Exception) -> Response:
    failed = WireError("The local peer failed.", "server_error", type="server_error")
    return refusal(failed.body(), 500)


class _Peer:
    """What the routes share."""

    def __init__(
        self, stages: Stages, secrets: Secrets, calls: Calls, clock: Callable[[], float], faults: Faults
    ) -> None:
        self.calls = calls
        self.faults = faults
        self._stages = stages
        self._secrets = secrets
        self._clock = clock

    async def create_secret(self, request: Request, persona: Persona, faults: Faults) -> Response:
        self._own_secret(request, persona)
        body = await read_object(request)
        for name in body.keys() - {"session", "expires_after"}:
            raise WireError(f"Unknown parameter: '{name}'.", "unknown_parameter", name)
        session = settings_from(body.get("session", {"type": "realtime"}), self._stages, None, persona.quirks)
        value, expires_at = self._secrets.make(session, body.get("expires_after"), persona.secret_life)
        return JSONResponse({"value": value, "expires_at": expires_at, "session": session})

    async def create_call(self, request: Request, persona: Persona, faults: Faults) -> Response:
        grant = self._secrets.check(credential(request, persona.key_places))
        check_expired(faults, grant)
        by_key = persona.offers_by == "secret or key"
        if not by_key and grant.session is None:
            raise WireError("This operation requires ephemeral tokens", "ephemeral_token_required")
        offer, wanted = await read_offer(request, forms=by_key)
        settings = self._settings(grant, wanted, request.query_params.get("model"), persona)
        filtering = persona.filters and request.query_params.get("webrtcfilter") == "on"
        wants = filtered if filtering else everything
        await hesitate(faults, request)
        call_id, answer = await self.calls.begin(offer, settings, wants, persona, faults)
        location = {"Location": f"/v1/realtime/calls/{call_id}"}
        return Response(answer, 201, location, "text/plain")

    async def hang_up(self, request: Request, persona: Persona, faults: Faults) -> Response:
        self._own_secret(request, persona)
        await self.calls.hang_up(request.path_params["call_id"])
        return Response(status_code=200)

    async def connect(self, socket: WebSocket, persona: Persona) -> None:
        try:
            faults = faults_of(socket, self.faults)
            if (demand := demanded(faults)) is not None:
                await socket.send_denial_response(refusal(persona.error_body(*demand), demand[1]))
                return
            grant = self._secrets.check(credential(socket, persona.key_places))
            check_expired(faults, grant)
            call_id = socket.query_params.get("call_id")
            if call_id is not None:
                live = self._observed(call_id, grant)
            elif grant.session is None and "model" not in socket.query_params:
                raise missing_parameter("model")
            else:
                settings = self._settings(grant, None, socket.query_params.get("model"), persona)
        except WireError as error:
            await socket.send_denial_response(_denial(error, persona))
            return
        await socket.accept("realtime" if "realtime" in subprotocols(socket) else None)
        if call_id is not None:
            await serve_sideband(socket, live)
        else:
            session = begin_session(settings, self._clock())
            await serve_session(socket, session, self._stages, self._clock, persona.protocol, faults)

    def _own_secret(self, request: HTTPConnection, persona: Persona) -> None:
        if self._secrets.check(credential(request, persona.key_places)).session is not None:
            raise WireError("An ephemeral secret may only open sessions.", "invalid_api_key")

    def _settings(self, grant: Grant, wanted: Json | None, model: str | None, persona: Persona) -> Json:
        """Return the session settings that a credential and a request add up to."""
        if grant.session is None:
            whole = {"type": "realtime"} if wanted is None else wanted
            return settings_from(whole, self._stages, model, persona.quirks)
        if wanted is None:
            return grant.session
        return update_session(grant.session, wanted, without=persona.quirks.without)

    def _observed(self, call_id: str, grant: Grant) -> LiveSession:
        """Find the call that a sideband asks for; an ephemeral secret finds none, as on the services."""
        return self.calls.find(call_id if grant.session is None else "")
