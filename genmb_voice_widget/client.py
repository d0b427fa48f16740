"""The three calls to the token endpoint, over one kept connection: open, connected, ended.

Owns the HTTP and the translation of problems into errors; no secret leaves it unmasked. It must not know what
the calls are for, and it knows the service only to mount it in this process when no endpoint is given.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from .errors import Refused, VoiceError
from .protocol import load
from .secret import Secret

if TYPE_CHECKING:
    import httpx

TIMEOUT = 25.0
"""Seconds for one call; the endpoint itself gives a provider twenty."""


@dataclass(frozen=True)
class Ticket:
    """Where and with what to open a WebSocket session, and what the endpoint said about it."""

    id: str
    provider: str
    model: str | None
    voice: str | None
    url: str
    token: Secret


class TokenClient:
    """Talks to one token endpoint, in the package's event loop.

    Args:
        connect: makes the HTTP client, in a worker thread, at the first use: its imports are heavy.
    """

    def __init__(self, connect: Callable[[], httpx.AsyncClient]) -> None:
        self._connect = connect
        self._connecting: asyncio.Task[httpx.AsyncClient] | None = None

    async def open(self, provider: str, session: Mapping[str, Any], sdp: str) -> dict[str, Any]:
        """Have an SDP offer answered.

        Returns:
            The endpoint's answer: `id`, `sdp`, `call_id`, `provider`, `model` and more. It holds no secret.

        Raises:
            Refused: with the endpoint's code.
            VoiceError: `endpoint_unreachable`.
        """
        return await self._post("", {"provider": provider, "session": session, "sdp": sdp})

    async def ticket(self, provider: str, session: Mapping[str, Any]) -> Ticket:
        """Have a secret made for a WebSocket session; the errors are those of `open`."""
        answer = await self._post("", {"provider": provider, "session": session, "transport": "websocket"})
        try:
            return Ticket(
                id=str(answer["id"]),
                provider=str(answer["provider"]),
                model=answer.get("model"),
                voice=answer.get("voice"),
                url=str(answer["url"]),
                token=Secret(answer.pop("token")),
            )
        except KeyError as missing:
            raise VoiceError("endpoint_unreachable", f"The endpoint's answer has no {missing}.") from None

    async def connected(self, session: str, call_id: str | None = None) -> dict[str, Any]:
        """Tell that the handshake succeeded: the moment a session is charged for. Idempotent."""
        return await self._post(f"/{quote(session, safe='')}/connected", {"call_id": call_id})

    async def ended(self, session: str, reason: str) -> dict[str, Any]:
        """Tell that the call is over: the endpoint hangs up. Idempotent."""
        return await self._post(f"/{quote(session, safe='')}/ended", {"reason": reason})

    async def warm(self) -> None:
        """Do the slow part of the first call ahead of it, the start of a local peer included."""
        await (await self._http()).get("/readyz")

    async def _http(self) -> httpx.AsyncClient:
        failed = self._connecting is not None and self._connecting.done() and self._connecting.exception()
        if self._connecting is None or failed:
            self._connecting = asyncio.create_task(asyncio.to_thread(self._connect))
        return await asyncio.shield(self._connecting)

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        http = await self._http()
        import httpx

        try:
            response = await http.post(f"/v1/sessions{path}", json=body)
        except httpx.HTTPError as error:
            raise VoiceError("endpoint_unreachable", f"{type(error).__name__}.") from None
        answer = _json_object(response)
        if response.is_success:
            return answer
        code, detail = answer.get("code"), answer.get("detail")
        if not isinstance(code, str) or code not in load().errors:
            raise VoiceError(
                "endpoint_unreachable", f"The endpoint answered with status {response.status_code}."
            )
        retry_after = answer.get("retry_after")
        raise Refused(
            code,
            detail if isinstance(detail, str) else None,
            retry_after if isinstance(retry_after, int | float) else None,
        )


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        value = response.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@cache
def token_client(endpoint: str | None) -> TokenClient:
    """Return the process's client for an endpoint, or for one of its own when `endpoint` is None.

    Raises:
        VoiceError: `bad_option`, when the address is not one that may show in a log.
    """
    if endpoint is None:
        return TokenClient(_mounted)
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
        raise VoiceError("bad_option", "endpoint must be an http(s) address without a user name or a query.")
    return TokenClient(lambda: _served(endpoint))


def _served(endpoint: str) -> httpx.AsyncClient:
    import httpx

    return httpx.AsyncClient(base_url=endpoint, timeout=TIMEOUT)


def _mounted() -> httpx.AsyncClient:
    import httpx

    from .service.app import in_process

    # Else what the endpoint logs would stand in whatever cell runs; a user's own logging still gets it.
    logging.getLogger(__package__).addHandler(logging.NullHandler())
    transport = httpx.ASGITransport(app=in_process(), raise_app_exceptions=False)
    return httpx.AsyncClient(base_url="http://in-process", transport=transport, timeout=TIMEOUT)
