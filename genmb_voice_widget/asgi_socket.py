"""The client's side of a WebSocket to an app in this process: the ASGI messages, and nothing between.

ASGI specification 3.0, WebSocket. The library for it would bring two more packages into every notebook, for
sixty lines.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import unquote

App = Callable[[Any, Any, Any], Awaitable[None]]

WAITING = 64
"""Messages that the app may be ahead; then it waits, as for a slow network."""

_BROKEN = 1006
"""The code of a socket that nobody has closed (RFC 6455 §7.4.1)."""


class Denied(Exception):
    """The app has refused the handshake."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


class AsgiSocket:
    """One socket; `open_asgi` opens it."""

    def __init__(self) -> None:
        self._to_app: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._to_us: asyncio.Queue[Mapping[str, Any]] = asyncio.Queue(WAITING)

    async def receive(self) -> str | int:
        """Wait for the next text, or for the code that the app closes with."""
        while (message := await self._to_us.get())["type"] == "websocket.send":
            if (text := message.get("text")) is not None:
                return str(text)
        return int(message.get("code", 1000))

    async def send(self, text: str) -> None:
        """Send a text."""
        await self._to_app.put({"type": "websocket.receive", "text": text})

    async def shake_hands(self) -> None:
        """Wait until the app accepts. Raises `Denied`."""
        await self._to_app.put({"type": "websocket.connect"})
        match await self._to_us.get():
            case {"type": "websocket.accept"}:
                return
            case {"type": "websocket.http.response.start", "status": int(status)}:
                raise Denied(status, (await self._to_us.get()).get("body", b""))
        raise Denied(403, b"")

    async def run(self, app: App, path: str) -> None:
        """Be the server, until the app has done."""
        with suppress(Exception):  # the app logs its own mistakes
            await app(_scope(path), self._to_app.get, self._to_us.put)
        await self._to_us.put({"type": "websocket.close", "code": _BROKEN})


@asynccontextmanager
async def open_asgi(app: App, path: str) -> AsyncIterator[AsgiSocket]:
    """Open a socket, and close it in the end. Raises `Denied`."""
    socket = AsgiSocket()
    serving = asyncio.create_task(socket.run(app, path))
    try:
        await socket.shake_hands()
        yield socket
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def _scope(path: str) -> dict[str, Any]:
    where, _, query = path.partition("?")
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": unquote(where),
        "raw_path": where.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"in-process")],
        "client": None,
        "server": ("in-process", 80),
        "subprotocols": [],
        "state": {},
        "extensions": {"websocket.http.response": {}},
    }
