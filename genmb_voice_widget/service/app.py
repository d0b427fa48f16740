"""The endpoint put together from its parts: an ASGI app for one event loop.

It wires and decides nothing: the routes are in `web`, the order of things in `sessions`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from genmb_voice_widget.secret import Secret

from .access import Access, OpenAccess
from .audit import Audit
from .audit.requests import AuditRequests
from .drain import Drain
from .ledger import Ledger
from .ledger.memory import MemoryLedger
from .policy import NOTEBOOK, Plan
from .problems import MEDIA_TYPE, Refusal
from .providers import Provider
from .relay.routes import add_relay_routes, relayed
from .relay.sockets import Sockets
from .sessions import Sessions
from .sessions.legs import Legs
from .sessions.parts import Parts
from .sessions.sweeper import Sweeper
from .settings import MAX_BODY, Timing
from .settings.notebook import notebook_providers
from .sideband.sockets import Observers
from .verdict import verdict
from .web.bodies import why_invalid
from .web.cors import Cors
from .web.guard import Guard
from .web.hosts import ExpectedHosts
from .web.openapi import describe
from .web.ops_routes import add_ops_routes
from .web.page_routes import add_page_routes
from .web.routes import BEACONS, add_routes, refused_headers
from .window import MemoryWindow, Window

if TYPE_CHECKING:
    from .metrics import Metrics

log = logging.getLogger(__name__)

_ROUTING = {404: "There is no such address here.", 405: "This address takes another method."}


def make_app(
    *,
    providers: Mapping[str, Provider],
    access: Access,
    window: Window,
    ledger: Ledger,
    clock: Callable[[], float],
    timing: Timing | None = None,
    hosts: Sequence[str] | None = None,
    watch: bool = False,
    shared: bool = False,
    hand_out_secrets: bool = False,
    audit: Audit | None = None,
    metrics: Metrics | None = None,
    metrics_key: Secret | None = None,
    drain: Drain | None = None,
) -> FastAPI:
    """Build the endpoint from its parts.

    Args:
        providers: by the name that callers use; the first is the one for callers that name none.
        access: who may ask, and on which plan.
        window: the starts of the last hour.
        ledger: the account.
        clock: unix seconds.
        timing: how long the endpoint waits for whom.
        hosts: the names, without a port, that it may be called by; None: any, where no browser calls.
        watch: whether the providers are asked to prove the handshakes too, not the callers alone.
        shared: whether other nodes have sessions in the ledger too, which this one ends when they are gone.
        hand_out_secrets: whether those who are no page and show a key, or need show nothing, may have a voice
            service's own secret.
        audit: where decisions are kept; None: nowhere.
        metrics: what is counted, shown at `/metrics`; None: nothing.
        metrics_key: what `/metrics` must be asked with, as a bearer token; None: nothing.
        drain: tells when others shall take the new sessions.

    Returns:
        An ASGI app that works with or without its lifespan events; `shut_down` ends one that has none.
    """
    timing, drain = timing or Timing(), drain or Drain()
    if metrics is not None:
        providers = metrics.providers(providers)
        window, ledger = metrics.window(window), metrics.ledger(ledger)
    records = [*([audit.record] if audit else []), *([metrics.decided] if metrics else [])]
    parts = Parts(Legs(providers, timing), window, ledger, timing, clock, watch, records)
    sessions = Sessions(parts)
    sweeper = Sweeper(sessions, ledger, timing, shared=shared)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sweeper.ensure_running()
        yield
        await sweeper.close()
        # What is under way still decides, so the audit closes after it; and before the sessions, whose ledger
        # has the same database. Each has half of the time that is left, so that none takes the others'.
        await _in_half(drain, parts.flights.drain(), "what was still under way is left to the sweeper")
        if audit is not None:
            await _in_half(drain, audit.close(), "the audit was closed before all was written")
        await _in_half(drain, sessions.close(), "not everything could be closed in time")

    app = FastAPI(
        title="genmb voice token endpoint",
        version=version("genmb-voice-widget"),
        docs_url=None,
        redoc_url=None,
        # Behind a proxy that ends TLS it would send the caller, and the key, on to an http: address.
        redirect_slashes=False,
        lifespan=lifespan,
    )
    sockets = Sockets(sessions, parts, access, drain, records)
    add_routes(app, sessions, access, sweeper, hand_out_secrets, relayed(sockets))
    add_ops_routes(app, sessions, drain, metrics, metrics_key)
    add_page_routes(app)
    add_relay_routes(app, sockets, sweeper)
    observers = Observers(sessions, parts, access, drain, records)
    app.add_api_websocket_route("/v1/sessions/{session}/events", observers.serve)
    app.openapi = describe(app, providers, access.described())  # type: ignore[method-assign]
    _add_problems(app)
    app.add_middleware(Guard, max_body=MAX_BODY, body_within=timing.body_within, beacons=BEACONS, drain=drain)
    if records:
        app.add_middleware(AuditRequests, records=records)
    app.add_middleware(Cors, access=access)
    if hosts is not None:
        app.add_middleware(ExpectedHosts, hosts=hosts)
    return app


def in_process(
    providers: Mapping[str, Provider] | None = None, *, plan: Plan = NOTEBOOK, credits: int | None = None
) -> FastAPI:
    """Build an endpoint for a notebook to mount: no port, everything in memory and gone with the kernel.

    Args:
        providers: by name; by default the local peer, which starts with its first session, and the services
            that the environment says how to reach when a session of theirs starts.
        plan: its price and its limits; by default there are none.
        credits: what can be spent in all; None: without a limit.
    """
    return make_app(
        providers=notebook_providers() if providers is None else providers,
        access=OpenAccess(plan),
        window=MemoryWindow(),
        ledger=MemoryLedger(time.time, credits),
        clock=time.time,
        hand_out_secrets=True,
    )


async def shut_down(app: FastAPI) -> None:
    """End what `app` has under way and close its providers, as the lifespan's end does on a server."""
    async with app.router.lifespan_context(app):
        pass


async def _in_half(drain: Drain, work: Coroutine[Any, Any, None], otherwise: str) -> None:
    """Do the work in half of the time that is left, or say what comes of it."""
    try:
        async with asyncio.timeout(None if drain.left is None else drain.left / 2):
            await work
    except TimeoutError:
        log.warning(otherwise)


def _add_problems(app: FastAPI) -> None:
    def respond(request: Request, refusal: Refusal, more: Mapping[str, str] | None = None) -> Response:
        found = verdict(request.scope)
        found.outcome = refusal.code
        headers = {**refused_headers(found.caller, refusal), **(more or {})}
        return JSONResponse(refusal.to_json(), refusal.status, headers=headers, media_type=MEDIA_TYPE)

    @app.exception_handler(Refusal)
    async def refused(request: Request, refusal: Refusal) -> Response:
        return respond(request, refusal)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return respond(request, Refusal("bad_request", why_invalid(error.errors())))

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        why = _ROUTING.get(error.status_code, "The body cannot be read.")
        return respond(request, Refusal("bad_request", why, status=error.status_code), error.headers)
