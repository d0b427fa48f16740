"""A call as its service shows it to a server, and the proof that is in it: its caller is connected.

The WebSocket `/realtime?call_id=` with the resource's own credential (OpenAI Realtime API reference, server
controls; Azure OpenAI how-to, realtime audio by WebRTC): it greets nobody, sends every event but sound, and
takes client events. Nothing of it is logged. Which events are a proof is in `proof`.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from genmb_voice_widget.service.problems import Refusal

from .credential import Header
from .dial import NotInstalled, NotThere, broken, dial
from .exchange import Link
from .proof import Proof
from .realtime_http import is_call_id

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

log = logging.getLogger(__name__)


class CallOver(Refusal):
    """The service knows no such call, or no longer."""

    def __init__(self) -> None:
        super().__init__("session_over", "The voice service knows no such call, or no longer.")


class Sideband:
    """One open socket; see `Observed`."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """See `Observed`."""
        return self

    async def __anext__(self) -> str | bytes:
        """See `Observed`."""
        from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

        try:
            return await self._socket.recv()
        except ConnectionClosedOK:
            raise StopAsyncIteration from None
        except ConnectionClosed:
            raise broken("ConnectionClosed") from None

    async def send(self, text: str) -> None:
        """See `Observed.send`."""
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(text)
        except ConnectionClosed:
            raise broken("ConnectionClosed") from None


@asynccontextmanager
async def attach(
    link: Link, auth: Header, call_id: str, tls: ssl.SSLContext | None
) -> AsyncIterator[Sideband]:
    """Observe a call. `tls` holds the certificates to trust; without, the service is on this machine.

    Raises:
        CallOver: there is no such call.
        NotInstalled: nobody can observe from here.
        Refusal: the service does not let us.
    """
    if not is_call_id(call_id):
        raise CallOver
    try:
        socket = await dial(link, f"?call_id={call_id}", auth, tls)
    except NotThere:
        raise CallOver from None
    try:
        yield Sideband(socket)
    finally:
        await socket.close()


async def sees_the_caller(link: Link, auth: Header, call_id: str, tls: ssl.SSLContext | None) -> bool:
    """Watch a call until it is plain that its caller is there.

    Returns:
        True at the first event that shows the caller; False when the call, or the socket, was over before.

    Raises:
        Refusal: the service does not let us watch.
    """
    try:
        async with attach(link, auth, call_id, tls) as call:
            return await _shown(call)
    except CallOver:
        return False
    except NotInstalled:
        log.warning("websockets is not installed: only its caller can tell that a call stands")
        return False


async def _shown(call: Sideband) -> bool:
    proof = Proof()
    with suppress(Refusal):  # the socket broke
        async for message in call:
            if proof.shown_by(message):
                return True
    return False
