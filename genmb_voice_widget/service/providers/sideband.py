"""Observes a call from the server's side until it is plain that its caller is connected.

The WebSocket `/realtime?call_id=` with the resource's own credential (OpenAI Realtime API reference, server
controls; Azure OpenAI how-to, realtime audio by WebRTC): it greets nobody and sends every event but sound.
Nothing is sent on it, nothing of it is logged, and it is closed as soon as it has served. What counts is in
`proof`.
"""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING

from genmb_voice_widget.service.problems import Refusal

from .credential import Header
from .exchange import Link, refused
from .proof import Proof
from .realtime_http import is_call_id
from .straight import silent, straight

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

log = logging.getLogger(__name__)

LARGEST = 4 * 1024 * 1024
"""Bytes of one event: a data channel's client cannot have sent more than a quarter of a MiB."""


async def sees_the_caller(link: Link, auth: Header, call_id: str, tls: ssl.SSLContext | None) -> bool:
    """Watch a call. `tls` holds the certificates to trust; without, the service is on this machine.

    Returns:
        True at the first event that shows the caller; False when the call, or the socket, was over before.

    Raises:
        Refusal: the service does not let us watch.
    """
    if not is_call_id(call_id):
        return False
    try:
        connect = straight()
        from websockets.exceptions import ConnectionClosed, InvalidStatus
    except ImportError:
        log.warning("websockets is not installed: only its caller can tell that a call stands")
        return False

    try:
        async with connect(
            f"ws{link.base.removeprefix('http')}/realtime?call_id={call_id}",
            additional_headers=auth.field(),
            ssl=tls,
            proxy=None if tls is None else True,
            logger=silent,
            max_size=LARGEST,
            compression=None,
            open_timeout=None,
            close_timeout=1.0,
        ) as socket:
            return await _shown(socket)
    except ConnectionClosed:
        return False
    except InvalidStatus as error:
        status, failure = error.response.status_code, ""
    except Exception as error:  # the handshake's, the proxy's, the network's: none is a bug of ours
        status, failure = None, type(error).__name__
    if status is None:
        raise Refusal("provider_unreachable", f"The socket ended with {failure}.")
    if status != 404:
        raise refused(link, status)
    return False


async def _shown(socket: ClientConnection) -> bool:
    proof = Proof()
    async for message in socket:
        if proof.shown_by(message):
            return True
    return False
