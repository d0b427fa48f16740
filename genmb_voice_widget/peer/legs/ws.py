"""A session's WebSocket legs: the client that is the session, and sidebands that observe a call.

Owns the sockets' reading and writing. Knows of the session what it calls; nothing of credentials or paths.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from genmb_voice_widget.peer.faults import Faults
from genmb_voice_widget.peer.live import LiveSession, MakeProtocol
from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.stages import Stages

from .audience import everything, sideband

BACKLOG = 20_000
"""Events that may wait for a client that does not read (a reply of 20 minutes); beyond them it is dropped."""

_TOO_SLOW = 1008
_FAILED = 1011
_log = logging.getLogger(__name__)


async def serve_session(
    socket: WebSocket,
    session: Json,
    stages: Stages,
    clock: Callable[[], float],
    make: MakeProtocol,
    faults: Faults,
) -> None:
    """Hold a session on an accepted socket until either side ends it."""
    over = asyncio.Event()
    live = LiveSession(session, stages, "websocket", clock, over.set, make, faults)
    outbox = Outbox(over)
    try:
        live.attach(outbox.send, everything)
        live.open()
        await converse(socket, live, outbox, over)
    finally:
        await live.close()


async def serve_sideband(socket: WebSocket, live: LiveSession) -> None:
    """Let an accepted socket observe and steer a call until either ends."""
    over = asyncio.Event()
    outbox = Outbox(over)
    live.attach(outbox.send, sideband, over.set)
    try:
        await converse(socket, live, outbox, over)
    finally:
        live.detach(outbox.send)


class Outbox:
    """What is still to be sent on one socket."""

    def __init__(self, over: asyncio.Event) -> None:
        self.texts: asyncio.Queue[str] = asyncio.Queue(BACKLOG)
        self.overflown = False
        self._over = over

    def send(self, text: str) -> None:
        """Put a text behind the others; one too many ends the session."""
        try:
            self.texts.put_nowait(text)
        except asyncio.QueueFull:
            self.overflown = True
            self._over.set()


async def converse(socket: WebSocket, live: LiveSession, outbox: Outbox, over: asyncio.Event) -> None:
    """Read and write until the client leaves or the session is over; then say what there is left to say."""
    reading = asyncio.create_task(_read(socket, live))
    writing = asyncio.create_task(_write(socket, outbox))
    ending = asyncio.create_task(over.wait())
    try:
        await asyncio.wait((reading, writing, ending), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (reading, writing, ending):
            task.cancel()
        outcomes = await asyncio.gather(reading, writing, ending, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    for failure in failures:
        _log.error("a session broke off", exc_info=failure)
    if (
        socket.client_state is WebSocketState.CONNECTED
        and socket.application_state is WebSocketState.CONNECTED
    ):
        while not outbox.texts.empty() and not outbox.overflown:
            await socket.send_text(outbox.texts.get_nowait())
        await socket.close(_FAILED if failures else _TOO_SLOW if outbox.overflown else 1000)


async def _read(socket: WebSocket, live: LiveSession) -> None:
    while True:
        message = await socket.receive()
        if message["type"] != "websocket.receive":
            return
        await live.receive(message.get("text") or message.get("bytes") or b"")


async def _write(socket: WebSocket, outbox: Outbox) -> None:
    while True:
        try:
            await socket.send_text(await outbox.texts.get())
        except (WebSocketDisconnect, RuntimeError):
            return
