"""A socket of the endpoint's that carries a session's events, wherever the endpoint is.

It must not know what the events mean. The sockets are those of "Token endpoint" in docs/architecture.md.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING

from .asgi_socket import App, Denied, open_asgi
from .client import refusal
from .errors import VoiceError
from .protocol import Event
from .secret import Secret
from .wire_socket import LARGEST, event_of, library_log

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

OVER = (1000, 4001)
"""The codes of a socket that is not worth opening again: the session is over, or another one observes it."""


class EventSocket:
    """An open socket.

    Args:
        receive: waits for the next text, or for the code that the socket is closed with.
        send: sends a text.
    """

    def __init__(
        self, receive: Callable[[], Awaitable[str | int]], send: Callable[[str], Awaitable[None]]
    ) -> None:
        self._receive = receive
        self._send = send

    async def send(self, event: Event) -> None:
        """Send a client event; on a socket that is closing it is lost."""
        await self._send(json.dumps(event))

    def __aiter__(self) -> AsyncIterator[Event]:
        """Yield the events until the session is over, or another one observes it.

        Raises:
            VoiceError: `connection_lost`, when it may be observed again.
        """
        return self

    async def __anext__(self) -> Event:
        """See `__aiter__`."""
        while isinstance(message := await self._receive(), str):
            if (event := event_of(message)) is not None:
                return event
        if message in OVER:
            raise StopAsyncIteration
        raise VoiceError("connection_lost")


Dial = Callable[[str], AbstractAsyncContextManager[EventSocket]]
"""Opens the socket at a path of the endpoint.

Raises:
    Refused: with the endpoint's code.
    VoiceError: `endpoint_unreachable`.
"""


@asynccontextmanager
async def open_here(app: App, path: str) -> AsyncIterator[EventSocket]:
    """Open it at an endpoint in this process; see `Dial`."""
    try:
        async with open_asgi(app, path) as socket:
            yield EventSocket(socket.receive, socket.send)
    except Denied as denied:
        raise refusal(denied.status, denied.body) from None


@asynccontextmanager
async def open_there(
    address: str, key: Secret | None, straight: bool, path: str
) -> AsyncIterator[EventSocket]:
    """Open it at a served endpoint, `straight` past any proxy of the environment; see `Dial`."""
    try:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidStatus
    except ImportError:
        raise VoiceError("peer_not_installed", "websockets is missing.") from None

    class Straight(connect):
        """Follows no redirect: the key is for this endpoint alone."""

        def process_redirect(self, exc: Exception) -> Exception:
            return exc

    socket, failure, denied = None, "", None
    try:
        socket = await Straight(
            f"ws{address.removeprefix('http')}{path}",
            additional_headers={} if key is None else {"Authorization": f"Bearer {key.reveal()}"},
            max_size=LARGEST,
            logger=library_log,
            proxy=None if straight else True,
        )
    except InvalidStatus as error:
        denied = error.response
    except Exception as error:  # the handshake's, the proxy's, the network's
        failure = type(error).__name__
    # Raised out of the handlers, whose exceptions hold the request with its key.
    if denied is not None:
        raise refusal(denied.status_code, bytes(denied.body or b""))
    if socket is None:
        raise VoiceError("endpoint_unreachable", f"{failure}.")
    try:
        yield over_websocket(socket)
    finally:
        await socket.close()


def over_websocket(socket: ClientConnection) -> EventSocket:
    """Read and write events by a WebSocket that is open."""
    return EventSocket(lambda: _received(socket), lambda text: _sent(socket, text))


async def _received(socket: ClientConnection) -> str | int:
    from websockets.exceptions import ConnectionClosed

    try:
        return str(await socket.recv(decode=True))
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


async def _sent(socket: ClientConnection, text: str) -> None:
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        await socket.send(text)
