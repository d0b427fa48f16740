"""The endpoint's routes: bodies in, JSON out. They translate and decide nothing.

POST /v1/sessions                    relay an offer, or have a WebSocket secret made
POST /v1/sessions/{id}/offer         another call in the place of a lost one, at no charge
POST /v1/sessions/{id}/connected     the handshake is proven: capture
POST /v1/sessions/{id}/ended         the call is over: hang up, or give everything back
GET  /v1/sessions/{id}               how it stands
GET  /v1/allowance                   what the caller has left
GET  /healthz                        the process answers
GET  /readyz                         a session could start at once; a local peer is started for it
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Request, Response

from .access import Access
from .bodies import Connected, Ended, Offer, Start
from .caller import Caller
from .ledger import Hold
from .opening import Opened
from .opening import Request as Wanted
from .policy import Rate
from .providers import Answer
from .sessions import Sessions
from .sweeper import Sweeper

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=128)]


async def who(request: Request) -> Caller:
    """Tell who asks; on the app it is named by its module, where FastAPI looks types up."""
    access: Access = request.app.state.access
    return await access.caller(request)


Asking = Annotated[Caller, Depends(who)]


def add_routes(app: FastAPI, sessions: Sessions, access: Access, sweeper: Sweeper) -> None:
    """Add them to the app."""
    app.state.access = access

    @app.post("/v1/sessions", status_code=201)
    async def start(body: Start, caller: Asking, response: Response, key: Key = None) -> dict[str, Any]:
        try:
            opened = await sessions.open(caller, Wanted(body.provider, body.session, body.sdp, key))
        finally:
            sweeper.ensure_running()
        response.headers["Location"] = f"/v1/sessions/{opened.hold.session}"
        if caller.plan.rate and opened.slot:
            response.headers.update(rate_headers(caller.plan.rate, opened.slot.remaining, opened.slot.reset))
        return _ticket(opened)

    @app.post("/v1/sessions/{session}/offer")
    async def offer(session: str, body: Offer, caller: Asking) -> dict[str, Any]:
        return _ticket(await sessions.reoffer(caller, session, body.session, body.sdp))

    @app.post("/v1/sessions/{session}/connected")
    async def connected(session: str, body: Connected, caller: Asking) -> dict[str, Any]:
        return _state(await sessions.connected(caller, session, body.call_id))

    @app.post("/v1/sessions/{session}/ended")
    async def ended(session: str, body: Ended, caller: Asking) -> dict[str, Any]:
        return _state(await sessions.ended(caller, session, body.reason))

    @app.get("/v1/sessions/{session}")
    async def status(session: str, caller: Asking) -> dict[str, Any]:
        hold = await sessions.find(caller, session)
        return {
            **_state(hold),
            "provider": hold.provider,
            "transport": hold.transport,
            "call_id": hold.call_id,
            "over": hold.phase in ("over", "released"),
            "charge": _charge(hold),
        }

    @app.get("/v1/allowance")
    async def allowance(caller: Asking) -> dict[str, Any]:
        left = await sessions.allowance(caller)
        rate = left.plan.rate
        return {
            "plan": left.plan.name,
            "voice": left.plan.voice,
            "credits": left.credits,
            "credits_per_session": left.plan.credits_per_session,
            "sessions": None
            if rate is None
            else {
                "limit": rate.sessions,
                "seconds": rate.seconds,
                "remaining": left.sessions,
                "reset": math.ceil(left.reset),
            },
        }

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        await sessions.ready()
        return {"status": "ready"}


def rate_headers(rate: Rate, remaining: int, reset: float) -> dict[str, str]:
    """Say what is left of the window (draft-ietf-httpapi-ratelimit-headers)."""
    return {
        "RateLimit-Policy": f'"sessions";q={rate.sessions};w={math.ceil(rate.seconds)}',
        "RateLimit": f'"sessions";r={remaining};t={math.ceil(reset)}',
    }


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
