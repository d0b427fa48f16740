"""The GA realtime service over HTTP: an offer, a secret, a hang-up, each one request.

Shapes: OpenAI Realtime API reference, `POST /v1/realtime/calls`, `/v1/realtime/client_secrets` and
`/v1/realtime/calls/{call_id}/hangup`; Azure OpenAI has the same under `/openai/v1`.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, urlsplit

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.problems import Refusal

from . import Wire
from .credential import Header
from .exchange import Link, json_of, misunderstood, post, refused
from .ways import Reply

_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{1,4096}")
_JSON = {"Content-Type": "application/json"}
_SDP = re.compile(rb"v=0\r?\n")


class LifeRefused(Refusal):
    """The service does not let the maker of a secret say how long it lives."""


async def create_call(link: Link, auth: Header, session: Wire, sdp: str) -> tuple[str, str]:
    """Offer a call, its session included, in one multipart request.

    Returns:
        The call id and the answer's SDP.
    """
    kind, content = _form(
        ("sdp", sdp, "application/sdp"), ("session", json.dumps(session), "application/json")
    )
    headers = {"Accept": "application/sdp", "Content-Type": kind}
    return _call(await post(link, "/calls", auth, headers=headers, content=content))


async def relay_offer(link: Link, auth: Header, sdp: str, *, event_filter: bool = False) -> tuple[str, str]:
    """Offer a call whose session the ephemeral secret in `auth` brings.

    With `event_filter` the caller gets none of the events that tell prompt and tools, nor those that tell
    usage and errors (Azure OpenAI, `webrtcfilter=on`).

    Returns:
        The call id and the answer's SDP.
    """
    path = "/calls?webrtcfilter=on" if event_filter else "/calls"
    headers = {"Accept": "application/sdp", "Content-Type": "application/sdp"}
    return _call(await post(link, path, auth, headers=headers, content=sdp.encode()))


async def offer_as_json(link: Link, auth: Header, model: str, sdp: str) -> tuple[str, str]:
    """Offer a call as LocalAI takes it: `{sdp, model}`, answered with `{sdp, session_id}`.

    Returns:
        The session's id, which stands for the call, and the answer's SDP.
    """
    content = json.dumps({"sdp": sdp, "model": model}).encode()
    match json_of((await post(link, "/calls", auth, headers=_JSON, content=content)).body):
        case {"sdp": str(answer), "session_id": str(call_id)}:
            # Half of a character, which JSON can hold, could not be sent on.
            with suppress(UnicodeEncodeError):
                if is_call_id(call_id) and _SDP.match(answer.encode()):
                    return call_id, answer
    raise misunderstood()


async def create_secret(link: Link, auth: Header, session: Wire, seconds: int | None) -> tuple[Secret, float]:
    """Have an ephemeral secret made that opens sessions for so many seconds (the service allows 10 to 7200).

    Returns:
        The secret and when it expires, in unix seconds.

    Raises:
        LifeRefused: the service takes no `seconds`.
    """
    body: dict[str, Any] = {"session": session}
    if seconds is not None:
        body["expires_after"] = {"anchor": "created_at", "seconds": seconds}
    reply = await post(
        link, "/client_secrets", auth, headers=_JSON, content=json.dumps(body).encode(), wanted=(400,)
    )
    if reply.status == 400:
        if seconds is not None and b"expires_after" in reply.body:
            raise LifeRefused("provider_refused", "The voice service answered with HTTP status 400.")
        raise refused(link, 400, reply.body)
    match json_of(reply.body):
        case {"value": str(value), "expires_at": int() | float() as expires_at}:
            if _TOKEN.fullmatch(value) and _is_moment(expires_at):
                return Secret(value), float(expires_at)
    raise misunderstood()


async def hang_up(link: Link, auth: Header, call_id: str) -> None:
    """End a call; 404, a call that the service no longer knows, is what was wanted."""
    if not is_call_id(call_id):
        raise Refusal("provider_refused", "No call has such an id.")
    await post(link, f"/calls/{call_id}/hangup", auth, wanted=(404,))


def _form(*parts: tuple[str, str, str]) -> tuple[str, bytes]:
    """Write a form (RFC 7578): of each part the name, the text and its media type, all of our own choosing.

    Returns:
        The form's media type and the form. What divides the parts is random, so that no text can hold it.
    """
    line = secrets.token_hex(16)
    written = "".join(
        f'--{line}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: {kind}\r\n\r\n{text}\r\n'
        for name, text, kind in parts
    )
    return f"multipart/form-data; boundary={line}", f"{written}--{line}--\r\n".encode()


def is_call_id(text: str) -> bool:
    """Tell whether a text may stand in an address as a call's id: no way leads out of its place."""
    return _CALL_ID.fullmatch(text) is not None


def _call(reply: Reply) -> tuple[str, str]:
    call_id = _named(reply.headers.get_list("location"))
    if not is_call_id(call_id) or not _SDP.match(reply.body):
        raise misunderstood()
    try:
        return call_id, reply.body.decode()
    except UnicodeDecodeError:
        raise misunderstood() from None


def _named(locations: list[str]) -> str:
    """Read the call's id in a `Location`: its `call_id`, or the last part of its path; '' if there is none.

    Where it points to is not looked at: on Azure the path lacks its beginning (recorded), and no address is
    ever made of it.
    """
    try:
        [location] = locations
        parts = urlsplit(location)
        [call_id] = parse_qs(parts.query, keep_blank_values=True).get(
            "call_id", [parts.path.rpartition("/")[2]]
        )
    except ValueError:
        return ""
    return "" if call_id in ("calls", "realtime") else call_id


def _is_moment(seconds: float) -> bool:
    """Tell whether a number is a time, and JSON can carry it."""
    return not isinstance(seconds, bool) and 0 < seconds < 2**53 and math.isfinite(seconds)
