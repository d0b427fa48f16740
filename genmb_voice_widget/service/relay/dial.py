"""Opens the WebSocket to a voice service with the short-lived secret that was made for one session.

It goes where the provider said and nowhere else, and logs nothing of what is sent. It knows no page.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from genmb_voice_widget.address import is_loopback
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers import Ticket
from genmb_voice_widget.service.providers.exchange import WITH_A_SECRET
from genmb_voice_widget.service.providers.straight import silent, straight

if TYPE_CHECKING:
    import ssl

    from websockets.asyncio.client import ClientConnection

LARGEST = 16 * 1024 * 1024
"""Bytes of one message: above the fifteen MiB that an event may hold."""


async def dial(ticket: Ticket, within: float) -> ClientConnection:
    """Open the socket, in so many seconds, and tell the service first what it was not told with the secret.

    Closing it takes a second at the most.

    Raises:
        Refusal: `provider_unreachable`, `provider_refused` or what the status says more;
            `service_unavailable` where the package that talks WebSocket is missing.
    """
    try:
        connect = straight()
        from websockets.exceptions import InvalidStatus
    except ImportError:
        raise Refusal("service_unavailable", "websockets is not installed.") from None

    address = urlsplit(ticket.url)
    here = is_loopback(address.hostname or "")  # no proxy of the environment can reach it
    socket, failure, status = None, "", 0
    try:
        socket = await connect(
            ticket.url,
            additional_headers={"Authorization": f"Bearer {ticket.token.reveal()}"},
            ssl=_tls() if address.scheme == "wss" else None,
            proxy=None if here else True,
            logger=silent,
            max_size=LARGEST,
            max_queue=8,
            compression=None,
            open_timeout=within,
            close_timeout=1.0,
        )
        if ticket.update is not None:
            await socket.send(json.dumps({"type": "session.update", "session": ticket.update}))
    except InvalidStatus as error:
        status = error.response.status_code
    except Exception as error:  # the handshake's, the proxy's, the network's: none is a bug of ours
        failure = type(error).__name__
    # Raised out of the handlers, whose exceptions hold the request with its secret.
    if status:
        raise Refusal(
            "provider_busy" if status == 429 else WITH_A_SECRET.get(status, "provider_refused"),
            f"The voice service answered with HTTP status {status}.",
        )
    if socket is None:
        raise Refusal("provider_unreachable", f"The socket ended with {failure}.")
    return socket


@cache
def _tls() -> ssl.SSLContext:
    """Read the certificates to trust, once: it takes 20 ms."""
    import httpx

    return httpx.create_ssl_context()
