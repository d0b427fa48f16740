"""The GA realtime service over HTTP: an offer, a secret, a hang-up, each one request.

Shapes: OpenAI Realtime API reference, `POST /v1/realtime/calls`, `/v1/realtime/client_secrets` and
`/v1/realtime/calls/{call_id}/hangup`. Answers are read up to a limit and checked; whatever else comes back
becomes a refusal with words of ours, because an error body may repeat the credential it complains about.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.problems import Refusal

from . import Wire
from .choices import refused_choice

MAX_ANSWER = 256 * 1024
"""Bytes of an answer; a session object with every tool and a long prompt stays far below."""

_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_LONGEST_WAIT = 3600.0


@dataclass(frozen=True)
class Service:
    """Where a realtime service is and what opens it: `base` ends before `/realtime`.

    `offers` says what there is to choose, for refusals: `{"voice": "'alloy' and 'ash'"}`.
    """

    base: str
    key: Secret
    offers: Mapping[str, str] = field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        """Give the header fields that carry the credential."""
        return {"Authorization": f"Bearer {self.key.reveal()}"}


async def create_call(
    client: httpx.AsyncClient, service: Service, session: Wire, sdp: str
) -> tuple[str, str]:
    """Offer a call, its session included, in one multipart request.

    Returns:
        The call id and the answer's SDP.
    """
    parts = [
        ("sdp", (None, sdp, "application/sdp")),
        ("session", (None, json.dumps(session), "application/json")),
    ]
    request = client.build_request(
        "POST",
        f"{service.base}/realtime/calls",
        headers={**service.headers(), "Accept": "application/sdp"},
        files=parts,
    )
    headers, body = await _send(client, service, request)
    call_id = headers.get("location", "").partition("?")[0].rpartition("/")[2]
    if not _CALL_ID.fullmatch(call_id) or not body.startswith(b"v=0"):
        raise _misunderstood()
    try:
        return call_id, body.decode()
    except UnicodeDecodeError:
        raise _misunderstood() from None


async def create_secret(
    client: httpx.AsyncClient, service: Service, session: Wire, seconds: int
) -> tuple[Secret, float]:
    """Have an ephemeral secret made that opens sessions for so many seconds (the service allows 10 to 7200).

    Returns:
        The secret and when it expires, in unix seconds.
    """
    request = client.build_request(
        "POST",
        f"{service.base}/realtime/client_secrets",
        headers=service.headers(),
        json={"session": session, "expires_after": {"anchor": "created_at", "seconds": seconds}},
    )
    _, body = await _send(client, service, request)
    match _object(body):
        case {"value": str(value), "expires_at": int() | float() as expires_at} if value:
            return Secret(value), float(expires_at)
        case _:
            raise _misunderstood()


async def hang_up(client: httpx.AsyncClient, service: Service, call_id: str) -> None:
    """End a call; 404, a call that the service no longer knows, is what was wanted."""
    request = client.build_request(
        "POST", f"{service.base}/realtime/calls/{call_id}/hangup", headers=service.headers()
    )
    await _send(client, service, request, gone_is_fine=True)


async def _send(
    client: httpx.AsyncClient, service: Service, request: httpx.Request, *, gone_is_fine: bool = False
) -> tuple[httpx.Headers, bytes]:
    """Send, and return the headers and body of a 2xx answer; anything else is a `Refusal`."""
    # What arrives is counted as it comes, so it may not be something that swells afterwards.
    request.headers["Accept-Encoding"] = "identity"
    try:
        response = await client.send(request, stream=True, follow_redirects=False)
        try:
            if response.is_success or (gone_is_fine and response.status_code == 404):
                return response.headers, await _read(response)
            if response.status_code == 400 and (
                refusal := refused_choice(_object(await _read(response)), service.offers)
            ):
                raise refusal
            raise _refused(response)
        finally:
            await response.aclose()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        detail = f"The request ended with {type(error).__name__}."
        raise Refusal("provider_unreachable", detail) from None


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise _misunderstood()
    return bytes(body)


def _refused(response: httpx.Response) -> Refusal:
    status = response.status_code
    detail = f"The voice service answered with HTTP status {status}."
    if status in (429, 503):
        return Refusal("service_unavailable", detail, retry_after=_retry_after(response))
    if status >= 500:
        return Refusal("provider_unreachable", detail)
    return Refusal("provider_refused", detail)


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() else None


def _misunderstood() -> Refusal:
    return Refusal("provider_unreachable", "The voice service's answer was not understood.")


def _object(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
