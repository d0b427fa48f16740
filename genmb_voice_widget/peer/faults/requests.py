"""Faults of requests: which are asked for, and those that are over before anything is answered.

Owns where a request may ask for faults of its own. Knows no sessions.
"""

from __future__ import annotations

import asyncio

from starlette.requests import HTTPConnection, Request

from genmb_voice_widget.peer.ephemeral import Grant
from genmb_voice_widget.peer.wire_error import WireError

from . import Faults, read_faults

HEADER = "X-Peer-Fault"
QUERY = "fault"
_CODES = {401: "invalid_api_key", 403: "forbidden", 404: "not_found", 429: "insufficient_quota"}


def faults_of(request: HTTPConnection, usual: Faults) -> Faults:
    """Return the faults that a request asks for, in its header or query, or else the `usual` ones.

    Raises `WireError` for a text that says none.
    """
    text = request.headers.get(HEADER, request.query_params.get(QUERY))
    if text is None:
        return usual
    try:
        return read_faults(text)
    except ValueError as wrong:
        raise WireError(str(wrong), "invalid_value", QUERY) from None


def demanded(faults: Faults) -> tuple[WireError, int] | None:
    """Return the refusal that `status` demands, with its status."""
    status = faults.status
    if status is None:
        return None
    kind = "server_error" if status >= 500 else "invalid_request_error"
    code = _CODES.get(status, kind)
    return WireError(f"The local peer was told to answer with {status}.", code, type=kind), status


def check_expired(faults: Faults, grant: Grant) -> None:
    """Refuse an ephemeral secret as one that has expired."""
    if faults.expire and grant.session is not None:
        raise WireError("Incorrect or expired API key provided.", "invalid_api_key")


async def hesitate(faults: Faults, request: Request) -> None:
    """Wait before an answer; without end, which is until the client gives up, where there is to be none."""
    await asyncio.sleep(faults.slow_answer)
    while faults.no_answer and (await request.receive())["type"] != "http.disconnect":
        pass
    if faults.no_answer:
        raise WireError("The local peer was told to give no answer.")
