"""The WebSocket of a headless session: opened with a ticket, with errors of ours.

It must not know what the events mean.

OpenAI Realtime API reference, WebSocket: the secret goes in the Authorization header, every message is one
event as JSON text.
"""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .address import is_loopback
from .client import Ticket
from .errors import VoiceError

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection as ClientConnection

log = logging.getLogger(__name__)

LARGEST = 16 * 1024 * 1024
"""Bytes of one message: above the fifteen MiB that an event may hold."""

_BY_STATUS = {
    401: "secret_expired",
    403: "provider_region",
    404: "deployment_missing",
    429: "provider_busy",
}
"""What a service means by refusing the socket, which was to be opened with a short-lived secret."""

_TO_A_KEY = {401: "provider_key_refused", 404: "deployment_missing", 429: "provider_busy"}
"""The same where a key was shown: to a server of anybody's, which knows no regions."""
_HINTS = {
    400: "It may want a model: VoiceAgent(model=…).",
    403: "Its address may lack a part, such as /v1 at its end, or the key may not open it.",
}
"""Why such a server may have refused; Starlette says 403 of a WebSocket at a path that it does not have."""

# At DEBUG the library logs every header, the secret's too, and every chunk of audio.
library_log = logging.getLogger(f"{__name__}.library")
library_log.setLevel(logging.WARNING)


@asynccontextmanager
async def open_socket(ticket: Ticket) -> AsyncIterator[ClientConnection]:
    """Open the session's socket and close it in the end.

    Raises:
        VoiceError: `peer_not_installed` without the package that talks WebSocket, `provider_refused` or
            what the status says more, `provider_unreachable`.
    """
    try:
        from websockets.asyncio.client import connect
        from websockets.exceptions import InvalidHandshake, InvalidStatus
    except ImportError:
        raise VoiceError("peer_not_installed", "websockets is missing.") from None
    try:
        socket = await connect(
            ticket.url,
            additional_headers=_shown(ticket),
            max_size=LARGEST,
            logger=library_log,
            # A proxy of the environment cannot reach the local peer.
            proxy=None if is_loopback(urlsplit(ticket.url).hostname or "") else True,
        )
    except InvalidStatus as refusal:
        raise _refused(ticket, refusal.response.status_code) from None
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise VoiceError("provider_unreachable", f"{type(error).__name__}.") from None
    try:
        yield socket
    finally:
        await socket.close()


def _shown(ticket: Ticket) -> dict[str, str]:
    token = ticket.token.reveal()
    return {ticket.header: token if ticket.header == "api-key" else f"Bearer {token}"}


def _refused(ticket: Ticket, status: int) -> VoiceError:
    said = f"The voice service answered with HTTP status {status}."
    if not ticket.lasting:
        return VoiceError(_BY_STATUS.get(status, "provider_refused"), said)
    hint = None if status == 400 and ticket.model is not None else _HINTS.get(status)
    return VoiceError(_TO_A_KEY.get(status, "provider_refused"), said if hint is None else f"{said} {hint}")


async def received(socket: ClientConnection) -> AsyncIterator[dict[str, Any]]:
    """Yield the service's events until it or we close the socket.

    Raises:
        VoiceError: `connection_lost`, when it was not closed but broke.
    """
    from websockets.exceptions import ConnectionClosedError

    try:
        async for message in socket:
            event = event_of(message)
            if event is None:
                log.warning("a message of the service is no event")
            else:
                yield event
    except ConnectionClosedError:
        raise VoiceError("connection_lost") from None


async def send(socket: ClientConnection, event: dict[str, Any]) -> None:
    """Send one event; on a socket that is closing it is lost."""
    from websockets.exceptions import ConnectionClosed

    try:
        await socket.send(json.dumps(event))
    except ConnectionClosed:
        log.info("not sent, the socket is closed: %s", event["type"])


def event_of(message: str | bytes) -> dict[str, Any] | None:
    """Read an event; None for what is none."""
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("type"), str) else None
