"""The way to the cloud services: one pool of connections for the life of the app, all of them under TLS.

Where aiohttp is installed (the extra `service`) the pool is aiohttp's.

The environment is trusted for what an operator sets on purpose: the proxy (`HTTPS_PROXY`, `ALL_PROXY`,
`NO_PROXY`), which sees a tunnel to a name and no credential, and the certificates (`SSL_CERT_FILE`,
`SSL_CERT_DIR`). It is not asked for credentials: a `.netrc` is never read. It knows no provider.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from contextvars import ContextVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from .credential import Header
from .ways import LIMITS, ByAiohttp, ByHttpx, Reads, Reply, Way

_ours: ContextVar[bool] = ContextVar("genmb_voice_upstream", default=False)


class Upstream:
    """The connections of one app to the services, made with the first request. One event loop for its life.

    Several providers share one; each closes it, and one that goes on afterwards opens it again.

    Raises:
        ValueError: with a sentence, when the environment names a proxy of a kind that cannot be used.
    """

    def __init__(self) -> None:
        self._proxy = _proxy_of_the_environment()
        self._tls: ssl.SSLContext | None = None
        self._way: Way | None = None

    @property
    def tls(self) -> ssl.SSLContext:
        """The certificates to trust; reading them takes 20 ms, once."""
        if self._tls is None:
            self._tls = httpx.create_ssl_context()
        return self._tls

    @property
    def way(self) -> Way:
        """What sends requests."""
        if self._way is None:
            self._way = _StraightOrProxied(self.tls, self._proxy)
        return self._way

    async def close(self) -> None:
        """Close the connections."""
        way, self._way = self._way, None
        if way is not None:
            await way.aclose()


class _StraightOrProxied:
    """Goes straight, or through the environment's proxy where that is meant for the host."""

    def __init__(self, tls: ssl.SSLContext, proxy: httpx.Proxy | None) -> None:
        self._straight = _pool(tls, None)
        self._proxied = _pool(tls, proxy) if proxy else None
        self._by_host: dict[str, Way] = {}

    async def post(
        self, url: str, auth: Header, headers: Mapping[str, str], content: bytes, reads: Reads
    ) -> Reply:
        """Send a request."""
        token = _ours.set(True)
        try:
            return await self._to(urlsplit(url).hostname or "").post(url, auth, headers, content, reads)
        finally:
            _ours.reset(token)

    async def aclose(self) -> None:
        """Close the connections."""
        for pool in (self._straight, self._proxied):
            if pool is not None:
                await pool.aclose()

    def _to(self, host: str) -> Way:
        if host not in self._by_host:
            meant = self._proxied is not None and not proxy_bypass(host)
            self._by_host[host] = self._proxied if self._proxied and meant else self._straight
        return self._by_host[host]


def _proxy_of_the_environment() -> httpx.Proxy | None:
    proxies = getproxies()
    address = proxies.get("https") or proxies.get("all")
    if not address:
        return None
    try:
        url = httpx.URL(address if "://" in address else f"http://{address}")
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("HTTPS_PROXY or ALL_PROXY is no HTTP proxy's address, as http://proxy.example:3128.")
    return httpx.Proxy(url)


def _pool(tls: ssl.SSLContext, proxy: httpx.Proxy | None) -> Way:
    try:
        return ByAiohttp(tls, proxy)
    except ImportError:
        _keep_httpcore_quiet()
        return ByHttpx(httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=LIMITS, proxy=proxy))


def _keep_httpcore_quiet() -> None:
    """Have it log none of our requests: at DEBUG it writes down names and the headers of answers."""
    for name in ("connection", "http11", "proxy"):
        logger = logging.getLogger(f"httpcore.{name}")
        if _not_ours not in logger.filters:
            logger.addFilter(_not_ours)


def _not_ours(_: logging.LogRecord) -> bool:
    return not _ours.get()
