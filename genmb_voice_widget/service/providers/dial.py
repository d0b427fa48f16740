"""A WebSocket to a realtime service, opened with a credential that goes nowhere else.

Knows neither what the socket is for nor what is said on it.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from genmb_voice_widget.service.problems import Refusal

from .credential import Header
from .exchange import Link, refused
from .straight import silent, straight

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection
    from websockets.typing import Subprotocol

LARGEST = 4 * 1024 * 1024
"""Bytes of one event: a data channel's client cannot have sent more than a quarter of a MiB."""


class NotInstalled(Refusal):
    """The package that talks WebSocket is missing."""

    def __init__(self) -> None:
        super().__init__("service_unavailable", "websockets is not installed.")


class NotThere(Refusal):
    """The service has nothing at that address."""


async def dial(
    link: Link, path: str, auth: Header, tls: ssl.SSLContext | None, subprotocols: Sequence[str] = ()
) -> ClientConnection:
    """Open the socket at what follows `/realtime`.

    `tls` holds the certificates to trust; without, the service is on this machine.

    Raises:
        NotThere: the status is 404.
        NotInstalled: there are no sockets here.
        Refusal: the service does not let us, or was not reached.
    """
    try:
        connect = straight()
        from websockets.exceptions import InvalidStatus
    except ImportError:
        raise NotInstalled from None

    socket, status, failure = None, None, ""
    try:
        socket = await connect(
            f"ws{link.base.removeprefix('http')}/realtime{path}",
            additional_headers=auth.field(),
            subprotocols=cast("Sequence[Subprotocol]", subprotocols) or None,
            ssl=tls,
            proxy=None if tls is None else True,
            logger=silent,
            max_size=LARGEST,
            compression=None,
            open_timeout=None,
            close_timeout=1.0,
        )
    except InvalidStatus as error:
        status = error.response.status_code
    except Exception as error:  # the handshake's, the proxy's, the network's: none is a bug of ours
        failure = type(error).__name__
    # Raised out of the handlers, whose exceptions hold the request with its credential.
    if status is not None:
        why = refused(link, status)
        raise NotThere(why.code, why.detail) if status == 404 else why
    if socket is None:
        raise broken(failure)
    return socket


def broken(failure: str) -> Refusal:
    """Say that a socket could not be opened, or was lost."""
    return Refusal("provider_unreachable", f"The socket ended with {failure}.")
