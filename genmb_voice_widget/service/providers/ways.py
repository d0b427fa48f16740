"""How a request goes out and its answer comes back: by aiohttp, or by httpx where aiohttp is not installed.

Neither keeps a cookie, follows a redirect or unpacks a body. An answer is read up to a limit. It knows no
service.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from .credential import Header

MAX_ANSWER = 256 * 1024
"""Bytes of an answer; a session object with every tool and a long prompt stays far below."""

LIMITS = httpx.Limits(max_connections=256, max_keepalive_connections=256, keepalive_expiry=30.0)
"""A connection that has rested for half a minute is closed, before the service closes it under a request."""

TIMEOUTS = httpx.Timeout(connect=5.0, read=15.0, write=5.0, pool=10.0)
"""Seconds for each step; the whole of a request is limited by who makes it."""

Reads = Callable[[int], bool]
"""Tells by its status whether an answer's body is wanted."""


@dataclass(frozen=True)
class Reply:
    """A service's answer; its body is empty when it was not wanted, and cut off beyond `MAX_ANSWER`."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)


class Way(Protocol):
    """Sends requests, on connections that it keeps."""

    async def post(
        self, url: str, auth: Header, headers: Mapping[str, str], content: bytes, reads: Reads
    ) -> Reply:
        """Send one and bring back its answer; what it raises when there is none differs.

        The credential comes by itself, so that no variable here shows it.
        """
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...


class ByHttpx:
    """A `Way` by one of httpx's transports, without the client around it: that would log every address."""

    def __init__(self, transport: httpx.AsyncHTTPTransport) -> None:
        self._transport = transport

    async def post(
        self, url: str, auth: Header, headers: Mapping[str, str], content: bytes, reads: Reads
    ) -> Reply:
        """See `Way.post`."""
        timeouts = {"timeout": TIMEOUTS.as_dict()}
        response = await self._transport.handle_async_request(
            httpx.Request(
                "POST", url, headers={**headers, **auth.field()}, content=content, extensions=timeouts
            )
        )
        try:
            body = await _read(response.aiter_raw()) if reads(response.status_code) else b""
        finally:
            await response.aclose()
        return Reply(response.status_code, response.headers, body)

    async def aclose(self) -> None:
        """See `Way.aclose`."""
        await self._transport.aclose()


class ByAiohttp:
    """A `Way` by aiohttp, whose pool does not look through all its connections for every request.

    One event loop for its whole life, in which it is made.

    Raises:
        ImportError: aiohttp is not installed.
    """

    def __init__(self, tls: ssl.SSLContext, proxy: httpx.Proxy | None) -> None:
        from aiohttp import BasicAuth, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

        self._session = ClientSession(
            connector=TCPConnector(
                ssl=tls, limit=LIMITS.max_connections or 0, keepalive_timeout=LIMITS.keepalive_expiry or 0.0
            ),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            timeout=ClientTimeout(
                connect=TIMEOUTS.pool, sock_connect=TIMEOUTS.connect, sock_read=TIMEOUTS.read
            ),
        )
        self._through: dict[str, Any] = {}
        if proxy is not None:
            auth = BasicAuth(*proxy.auth) if proxy.auth else None
            self._through = {"proxy": str(proxy.url), "proxy_auth": auth, "proxy_headers": proxy.headers}

    async def post(
        self, url: str, auth: Header, headers: Mapping[str, str], content: bytes, reads: Reads
    ) -> Reply:
        """See `Way.post`."""
        # Of an empty body aiohttp would say that it is of some media type.
        data = content or None
        async with self._session.post(
            url, headers={**headers, **auth.field()}, data=data, allow_redirects=False, **self._through
        ) as response:
            body = await _read(response.content.iter_any()) if reads(response.status) else b""
            return Reply(response.status, httpx.Headers(response.raw_headers), body)

    async def aclose(self) -> None:
        """See `Way.aclose`."""
        await self._session.close()


def to_this_machine() -> Way:
    """Make a way to what listens here: it has no proxies, and no certificates, which take 20 ms to load."""
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return ByHttpx(httpx.AsyncHTTPTransport(verify=plain, trust_env=False))


async def _read(chunks: AsyncIterator[bytes]) -> bytes:
    """Read a body as it comes over the wire, until it is whole or too long."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > MAX_ANSWER:
            break
    return bytes(body)
