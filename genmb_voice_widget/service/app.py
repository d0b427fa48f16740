"""The endpoint's HTTP face: six routes, their bodies, and problems for everything else.

    POST /v1/sessions                    relay an offer, or have a WebSocket secret made
    POST /v1/sessions/{id}/connected     the handshake is proven: capture
    POST /v1/sessions/{id}/ended         the call is over: hang up, or give everything back
    GET  /v1/sessions/{id}               how it stands
    GET  /healthz                        the process answers
    GET  /readyz                         a session could start at once; a local peer is started for it

It translates and decides nothing: the order of things is in `sessions`. One app serves one event loop.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from .bodies import Connected, Ended, Start, why_invalid
from .guard import Guard
from .hosts import ExpectedHosts
from .ledger import Hold, Ledger, MemoryLedger
from .page_routes import add_page_routes
from .policy import NOTEBOOK, Plan
from .problems import MEDIA_TYPE, Refusal
from .providers import Answer, Provider
from .providers.local import LocalProvider
from .sessions import Opened, Sessions
from .settings import MAX_BODY, Timing
from .sweeper import Sweeper
from .window import MemoryWindow, Window

_OWNER = "owner"
"""The app that sessions are accounted to: an endpoint without app keys has exactly one."""

_ROUTING = {404: "There is no such address here.", 405: "This address takes another method."}


def make_app(
    *,
    providers: Mapping[str, Provider],
    policy: Plan,
    window: Window,
    ledger: Ledger,
    clock: Callable[[], float],
    timing: Timing | None = None,
    origins: Sequence[str] = (),
    hosts: Sequence[str] | None = None,
) -> FastAPI:
    """Build the endpoint from its parts.

    Args:
        providers: by the name that callers use; the first is the one for callers that name none.
        policy: the plan that every caller is on.
        window: the starts of the last hour.
        ledger: the account; its clock must be `clock`.
        clock: unix seconds.
        timing: how long the endpoint waits for whom.
        origins: the web origins, besides its own, whose pages may call it.
        hosts: the names, without a port, that it may be called by; None: any, where no browser calls.

    Returns:
        An ASGI app that works with or without its lifespan events; `shut_down` ends one that has none.
    """
    timing = timing or Timing()
    sessions = Sessions(
        providers=providers, plan=policy, window=window, ledger=ledger, clock=clock, timing=timing
    )
    sweeper = Sweeper(sessions, ledger, timing.sweep_every)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeper.ensure_running()
        yield
        await sweeper.close()
        await sessions.close()

    app = FastAPI(title="genmb voice token endpoint", docs_url=None, redoc_url=None, lifespan=lifespan)
    _add_routes(app, sessions, sweeper)
    _add_problems(app)
    add_page_routes(app)
    app.add_middleware(Guard, max_body=MAX_BODY, body_within=timing.body_within)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=list(origins),
        allow_methods=["GET", "POST"],
        allow_headers=["Content-Type"],
        expose_headers=["Retry-After", "Location"],
    )
    if hosts is not None:
        app.add_middleware(ExpectedHosts, hosts=hosts)
    return app


def in_process(providers: Mapping[str, Provider] | None = None) -> FastAPI:
    """Build the endpoint that a notebook mounts for itself: no limits, no port, everything in memory.

    Args:
        providers: by name; by default the local peer alone, which starts with the first session.
    """
    return make_app(
        providers={"local": LocalProvider()} if providers is None else providers,
        policy=NOTEBOOK,
        window=MemoryWindow(),
        ledger=MemoryLedger(time.time),
        clock=time.time,
    )


async def shut_down(app: FastAPI) -> None:
    """End what `app` has under way and close its providers, as the lifespan's end does on a server."""
    async with app.router.lifespan_context(app):
        pass


def _add_routes(app: FastAPI, sessions: Sessions, sweeper: Sweeper) -> None:
    @app.post("/v1/sessions", status_code=201)
    async def start(body: Start, response: Response) -> dict[str, Any]:
        try:
            opened = await sessions.open(_OWNER, body.provider, body.session, body.sdp)
        finally:
            sweeper.ensure_running()
        response.headers["Location"] = f"/v1/sessions/{opened.hold.session}"
        return _ticket(opened)

    @app.post("/v1/sessions/{session}/connected")
    async def connected(session: str, body: Connected) -> dict[str, Any]:
        return _state(await sessions.connected(session, body.call_id))

    @app.post("/v1/sessions/{session}/ended")
    async def ended(session: str, body: Ended) -> dict[str, Any]:
        return _state(await sessions.ended(session, body.reason))

    @app.get("/v1/sessions/{session}")
    async def status(session: str) -> dict[str, Any]:
        hold = await sessions.find(session)
        return {
            **_state(hold),
            "provider": hold.provider,
            "transport": hold.transport,
            "call_id": hold.call_id,
            "over": hold.phase in ("over", "released"),
            "charge": _charge(hold),
        }

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        await sessions.ready()
        return {"status": "ready"}


def _add_problems(app: FastAPI) -> None:
    def respond(refusal: Refusal) -> Response:
        return JSONResponse(
            refusal.to_json(), refusal.status, headers=refusal.headers(), media_type=MEDIA_TYPE
        )

    @app.exception_handler(Refusal)
    async def refused(_: Request, refusal: Refusal) -> Response:
        return respond(refusal)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return respond(Refusal("bad_request", why_invalid(error.errors())))

    @app.exception_handler(HTTPException)
    async def no_route(_: Request, error: HTTPException) -> Response:
        why = _ROUTING.get(error.status_code, "The body cannot be read.")
        return respond(Refusal("bad_request", why, status=error.status_code))


def _state(hold: Hold) -> dict[str, Any]:
    return {"id": hold.session, "state": hold.money}


def _charge(hold: Hold) -> dict[str, Any]:
    return {"credits": hold.credits, "state": hold.money}


def _ticket(opened: Opened) -> dict[str, Any]:
    hold, leg = opened.hold, opened.leg
    common = {
        "id": hold.session,
        "provider": hold.provider,
        "dialect": leg.dialect,
        "transport": hold.transport,
        "model": leg.model,
        "voice": leg.voice,
        "charge": _charge(hold),
    }
    if isinstance(leg, Answer):
        return {**common, "call_id": leg.call_id, "sdp": leg.sdp}
    return {**common, "url": leg.url, "token": leg.token.reveal(), "expires_at": leg.expires_at}
