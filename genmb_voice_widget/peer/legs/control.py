"""A Voice Live call: the control socket, which is the session, and the peer connection that it signals.

Owns the two together: closing the socket ends the call, and the call's end closes the socket. Knows of the
session what it calls; nothing of credentials or paths.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.websockets import WebSocket

from genmb_voice_widget.peer.faults import Faults
from genmb_voice_widget.peer.ids import new_id
from genmb_voice_widget.peer.live import LiveSession, MakeProtocol
from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.stages import Stages
from genmb_voice_widget.peer.voice_live.machine import call_error
from genmb_voice_widget.peer.wire_error import WireError

from .audience import call_channel, call_control
from .ws import Outbox, converse

if TYPE_CHECKING:
    from .rtc import RtcLeg


async def serve_control(
    socket: WebSocket,
    session: Json,
    stages: Stages,
    clock: Callable[[], float],
    make: MakeProtocol,
    faults: Faults,
) -> None:
    """Hold a session on an accepted control socket, with the one call that it may offer."""
    over = asyncio.Event()
    outbox = Outbox(over)
    offers: asyncio.Queue[str] = asyncio.Queue()
    live = LiveSession(session, stages, "webrtc", clock, over.set, make, faults, offers.put_nowait)
    legs: list[RtcLeg] = []
    answering = asyncio.create_task(_answer(offers, live, legs, outbox, over))
    try:
        live.attach(outbox.send, call_control)
        live.open()
        await converse(socket, live, outbox, over)
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        await live.close()
        for leg in legs:
            await leg.close()


async def _answer(
    offers: asyncio.Queue[str], live: LiveSession, legs: list[RtcLeg], outbox: Outbox, over: asyncio.Event
) -> None:
    """Answer offers until one has become the call; the end of that ends the session."""
    while True:
        offer = await offers.get()
        try:
            told = await _begin(offer, live, legs, over)
        except WireError as refused:
            told = call_error(refused)
        outbox.send(json.dumps({"event_id": new_id("event"), **told}))


async def _begin(offer: str, live: LiveSession, legs: list[RtcLeg], over: asyncio.Event) -> Json:
    from .rtc import RtcLeg

    if legs:
        raise WireError("This connection has a call already.", "call_exists")
    await asyncio.sleep(live.faults.slow_answer)
    if live.faults.no_answer:
        await asyncio.Event().wait()
    leg = RtcLeg(live, call_channel, lambda: over.set() if leg in legs else None, controlled=True)
    try:
        answer = await leg.answer(offer)
    except BaseException:
        await leg.close()
        raise
    legs.append(leg)
    return {"type": "rtc.call.sdp.created", "rtc_call_id": new_id("rtc"), "sdp_answer": answer}
