"""The endpoint's routes: bodies in, JSON out. They translate and decide nothing.

POST /v1/sessions                    relay an offer, have a WebSocket secret made, or get a socket here
POST /v1/sessions/{id}/offer         another call in the place of a lost one, at no charge
POST /v1/sessions/{id}/connected     the handshake is proven: capture
WS   /v1/sessions/{id}/events        the call's events, in `service/sideband`
POST /v1/sessions/{id}/ended         the call is over: hang up, or give everything back; also as a beacon
GET  /v1/sessions/{id}               how it stands
GET  /v1/allowance                   what the caller has left
POST /v1/app-tokens                  a signed token for one of the app's pages
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, FastAPI, Header, Path, Request
from fastapi.responses import JSONResponse

from genmb_voice_widget.service.access import Access
from genmb_voice_widget.service.access.by_app import AppAccess
from genmb_voice_widget.service.caller import TRUSTED, Caller
from genmb_voice_widget.service.policy import Rate
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.sessions import Sessions
from genmb_voice_widget.service.sessions.opening import Opened
from genmb_voice_widget.service.sessions.opening import Request as Wanted
from genmb_voice_widget.service.sessions.settling import STOPPED
from genmb_voice_widget.service.sessions.sweeper import Sweeper
from genmb_voice_widget.service.verdict import verdict

from .answers import Allowance, AppToken, CallTicket, RelayTicket, SocketTicket, State, Status
from .bodies import Connected, Ended, Offer, Start, TokenWish
from .openapi import READING, STARTING, WRITING, problems
from .tickets import charge_of, relay_of, state_of, ticket_of

_WHY = "a call made with a secret cannot be seen from here"

Relayed = Callable[[Request, Caller, Start, str | None], Awaitable[tuple[Opened, str]]]
"""Opens a session, by its idempotency key if any, whose socket is one of this endpoint; and its address."""

BEACONS = re.compile(r"/v1/sessions/[^/]+/ended")
"""The paths that a page may still reach while it is being closed."""

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern="^[!-~]{1,128}$",
        description="The same key is the same session, whatever is offered: repeating costs nothing. It is "
        "one that nobody else guesses, as a UUID. A relay is found again by the same model and voice.",
    ),
]
Id = Annotated[str, Path(description="The session's id.", examples=["vs_7d0f4c1ab2e94d53a8c6f1e20b9d3c44"])]


async def who(request: Request) -> Caller:
    """Tell who asks; on the app it is named by its module, where FastAPI looks types up."""
    access: Access = request.app.state.access
    found = verdict(request.scope)
    found.caller = await access.caller(request)
    return found.caller


async def who_ends(request: Request) -> Caller:
    """Tell who asks for a session's end, which may come long after its beginning."""
    access: Access = request.app.state.access
    found = verdict(request.scope)
    found.caller = await access.caller(request, ending=True)
    return found.caller


Asking = Annotated[Caller, Depends(who)]
Ending = Annotated[Caller, Depends(who_ends)]


def add_routes(
    app: FastAPI,
    sessions: Sessions,
    access: Access,
    sweeper: Sweeper,
    hand_out_secrets: bool,
    relayed: Relayed,
) -> None:
    """Add them to the app."""

    def sees(request: Request, caller: Caller) -> bool:
        # A browser sends `Origin` with every POST (Fetch standard, append a request `Origin` header).
        return caller.via in TRUSTED and "origin" not in request.headers

    def check(request: Request, caller: Caller, sdp: str | None) -> None:
        if sdp is None and not (hand_out_secrets and sees(request, caller)):
            raise Refusal("secret_refused", f"A session of this caller's needs an offer: {_WHY}.")

    app.state.access = access
    reads, writes, starts = problems(*READING), problems(*WRITING), problems(*STARTING)
    tickets = {"model": CallTicket | SocketTicket}
    all_tickets = {"model": CallTicket | SocketTicket | RelayTicket}

    @app.post("/v1/sessions", status_code=201, response_model=None, responses={201: all_tickets, **starts})
    async def start(request: Request, body: Start, caller: Asking, key: Key = None) -> JSONResponse:
        """Start a session: have an offer answered or, by `transport`, a WebSocket's secret or a relay made.

        A relay is a WebSocket of this endpoint, which speaks to the voice service for the page: its address
        is good for one opening, and the page tells the rest of its session there, in a `session.update`.
        """
        url = None
        try:
            if body.transport == "relay":
                opened, url = await relayed(request, caller, body, key)
            else:
                check(request, caller, body.sdp)
                opened = await sessions.open(caller, Wanted(body.provider, body.session, body.sdp, key))
        finally:
            sweeper.ensure_running()
        verdict(request.scope).session = opened.hold.session
        headers = {"Location": f"/v1/sessions/{opened.hold.session}"}
        if caller.plan.rate and opened.slot:
            headers |= rate_headers(caller.plan.rate, opened.slot.remaining, opened.slot.reset)
        told = ticket_of(opened, sees(request, caller)) if url is None else relay_of(opened, url)
        return JSONResponse(told, 201, headers)

    @app.post("/v1/sessions/{session}/offer", response_model=None, responses={200: tickets, **starts})
    async def offer(request: Request, session: Id, body: Offer, caller: Asking) -> JSONResponse:
        """Put another call in the place of one that was lost, at no charge."""
        check(request, caller, body.sdp)
        try:
            opened = await sessions.reoffer(caller, session, body.session, body.sdp)
        finally:
            sweeper.ensure_running()
        return JSONResponse(ticket_of(opened, sees(request, caller)))

    @app.post(
        "/v1/sessions/{session}/connected", response_model=None, responses={200: {"model": State}, **writes}
    )
    async def connected(session: Id, body: Connected, caller: Asking) -> JSONResponse:
        """Tell that the connection stands: the moment a session is charged for, once."""
        return JSONResponse(state_of(await sessions.connected(caller, session, body.call_id)))

    @app.post(
        "/v1/sessions/{session}/ended", response_model=None, responses={200: {"model": State}, **writes}
    )
    async def ended(session: Id, body: Ended, caller: Ending) -> JSONResponse:
        """Tell that the call is over; it is hung up. `navigator.sendBeacon` may send the JSON as text."""
        hold = await sessions.ended(caller, session, None if body.reason == STOPPED else body.reason)
        if hold.ended is None:  # The hang-up failed.
            sweeper.ensure_running()
        return JSONResponse(state_of(hold))

    @app.get("/v1/sessions/{session}", response_model=None, responses={200: {"model": Status}, **reads})
    async def status(session: Id, caller: Asking) -> JSONResponse:
        """Tell how a session stands."""
        hold = await sessions.find(caller, session)
        return JSONResponse(
            {
                **state_of(hold),
                "provider": hold.provider,
                "transport": hold.transport,
                "call_id": hold.call_id,
                "over": hold.phase in ("over", "released"),
                "charge": charge_of(hold),
            }
        )

    @app.get("/v1/allowance", response_model=None, responses={200: {"model": Allowance}, **reads})
    async def allowance(caller: Asking) -> JSONResponse:
        """Tell what the caller's app has left; the owner's balance only to who shows the app's key."""
        left = await sessions.allowance(caller)
        rate = left.plan.rate
        slots = rate and {
            "limit": rate.sessions,
            "seconds": rate.seconds,
            "remaining": left.sessions,
            "reset": math.ceil(left.reset),
        }
        price = left.plan.credits_per_session
        return JSONResponse(
            {
                "plan": left.plan.name,
                "voice": left.plan.voice,
                **({"credits": left.credits} if caller.via in TRUSTED else {}),
                "credits_per_session": price,
                "enough_credits": left.credits is None or left.credits >= price,
                "sessions": slots,
            }
        )

    if isinstance(access, AppAccess) and access.signs:
        _add_tokens(app, access)
    else:

        @app.post("/v1/app-tokens", include_in_schema=False)
        async def no_tokens() -> None:
            why = 'There are no app tokens here: the endpoint needs access = "apps" and a signing_key.'
            raise Refusal("bad_request", why, status=404)


def _add_tokens(app: FastAPI, access: AppAccess) -> None:
    answers = {201: {"model": AppToken}, **problems(*WRITING)}

    @app.post("/v1/app-tokens", status_code=201, response_model=None, responses=answers)
    async def token(body: TokenWish, caller: Asking) -> JSONResponse:
        """Make a signed token that asks for the app for some time; only for who shows the app's key."""
        made, leave = await access.issue(caller, body.seconds, body.origin)
        return JSONResponse({"token": made.reveal(), "expires_at": leave.expires_at}, 201)


def rate_headers(rate: Rate, remaining: int, reset: float, of: str = "sessions") -> dict[str, str]:
    """Say what is left of a window (draft-ietf-httpapi-ratelimit-headers)."""
    return {
        "RateLimit-Policy": f'"{of}";q={rate.sessions};w={math.ceil(rate.seconds)}',
        "RateLimit": f'"{of}";r={remaining};t={math.ceil(reset)}',
    }


def refused_headers(caller: Caller | None, refusal: Refusal) -> dict[str, str]:
    """Give the header fields that go with a refusal: where a window is full, also which one it is."""
    headers = refusal.headers()
    if caller is not None and refusal.retry_after is not None:
        plan = caller.plan
        of = {"rate_limited": ("sessions", plan.rate), "too_many_attempts": ("attempts", plan.attempts)}
        name, rate = of.get(refusal.code, ("", None))
        if rate is not None:
            headers |= rate_headers(rate, 0, refusal.retry_after, name)
    return headers
