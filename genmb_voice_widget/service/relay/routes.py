"""A session by one WebSocket: `POST /api/voice-agent {model, voice}`, and the socket that its answer names.

Its errors are `{"error": sentence}`, with the status that the endpoint has for them everywhere; what a voice
service did wrong is 500 here. It decides nothing. The endpoint's description leaves it out, because all that
is described there answers with problems. `POST /v1/sessions` gives out the address of the same socket.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import JSONResponse

from genmb_voice_widget.service.access.origins import origin_of
from genmb_voice_widget.service.caller import Caller
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.sessions.opening import Opened
from genmb_voice_widget.service.sessions.sweeper import Sweeper
from genmb_voice_widget.service.verdict import verdict
from genmb_voice_widget.service.web.bodies import Start
from genmb_voice_widget.service.web.routes import Relayed, rate_headers, refused_headers, who

from .shape import PATH, Admission, answer, keyed_ticket, read_wish
from .sockets import Sockets

_HOST = re.compile(r"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")


def add_relay_routes(app: FastAPI, sockets: Sockets, sweeper: Sweeper) -> None:
    """Add both."""

    @app.post(PATH, include_in_schema=False)
    async def begin(request: Request) -> JSONResponse:
        try:
            return await _begin(request, sockets, sweeper)
        except Refusal as refusal:
            found = verdict(request.scope)
            found.outcome = refusal.code
            return _error(refusal, refused_headers(found.caller, refusal))

    @app.websocket(f"{PATH}/{{session}}")
    async def converse(page: WebSocket, session: str) -> None:
        await sockets.serve(page, session)


def relayed(sockets: Sockets) -> Relayed:
    """Make what `POST /v1/sessions` asks for a socket here."""

    async def begin(request: Request, caller: Caller, body: Start, key: str | None) -> tuple[Opened, str]:
        base = _base(request)
        ticket = None if key is None else keyed_ticket(key)
        admission = Admission.of_session(body.session, origin_of(request.headers), ticket)
        opened = await sockets.begin(caller, admission, body.provider, body.session)
        return opened, _address(base, opened, admission, caller)

    return begin


def _address(base: str, opened: Opened, admission: Admission, caller: Caller) -> str:
    return admission.address(base, opened.hold.session, None if caller.via == "open" else caller.app)


async def _begin(request: Request, sockets: Sockets, sweeper: Sweeper) -> JSONResponse:
    caller = await who(request)
    base = _base(request)
    wish = read_wish(await request.body())
    admission = Admission.new(wish, origin_of(request.headers))
    try:
        opened = await sockets.begin(caller, admission)
    finally:
        sweeper.ensure_running()
    hold, plan = opened.hold, caller.plan
    verdict(request.scope).session = hold.session
    address = _address(base, opened, admission, caller)
    good_for = sockets.parts.timing.connect_within
    headers: dict[str, str] = {}
    if plan.rate and opened.slot:
        headers = rate_headers(plan.rate, opened.slot.remaining, opened.slot.reset)
    now = sockets.parts.clock()
    body = answer(hold.session, address, opened.leg, wish.voice, now, good_for, hold.lasts)
    return JSONResponse(body, headers=headers)


def _base(request: Request) -> str:
    """Tell where this endpoint is for the page that asks, as the origin of a socket.

    A proxy that ends TLS says so (`X-Forwarded-Proto`); whoever makes that up has only its own answer wrong.

    Raises:
        Refusal: `bad_request`, when the request does not say how it calls the endpoint.
    """
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise Refusal("bad_request", "The request's Host is no name.", status=400)
    forwarded = request.headers.get("x-forwarded-proto", request.url.scheme)
    return f"{'wss' if forwarded == 'https' else 'ws'}://{host}"


def _error(refusal: Refusal, headers: dict[str, str]) -> JSONResponse:
    said: dict[str, Any] = refusal.to_json()
    status = 500 if refusal.status == 502 else refusal.status
    return JSONResponse({"error": f"{said['title']} {refusal.detail}"}, status, headers)
