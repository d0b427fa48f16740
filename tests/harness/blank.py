"""An empty http page: browsers give no microphone to about:blank."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n<!doctype html>"


@asynccontextmanager
async def blank_page() -> AsyncIterator[str]:
    """Serve the page on localhost; gives its address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(RESPONSE)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "localhost", 0)
    async with server:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}/"
