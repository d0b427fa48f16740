"""One request to a realtime service and what its answer comes to: bounded, and refused in words of ours.

An answer is read up to a limit. Whatever is no success becomes a `Refusal` that quotes nothing of it, because
an error body may repeat the credential it complains about. It knows no request in particular.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from genmb_voice_widget.service.problems import Refusal

from .callers_fault import callers_fault
from .credential import Header
from .ways import MAX_ANSWER, Reply, Way

log = logging.getLogger(__name__)

BY_STATUS: Mapping[int, str] = {
    401: "provider_key_refused",
    403: "provider_region",
    404: "deployment_missing",
}
"""What a cloud service means by a refusal, as codes of the catalogue."""

WITH_A_SECRET: Mapping[int, str] = {**BY_STATUS, 401: "secret_expired"}
"""The same where a short-lived secret was shown, which says nothing of the key that it was made with."""

_LONGEST_WAIT = 3600.0
_FIELDS = {"Accept-Encoding": "identity", "User-Agent": "genmb-voice-widget"}
# Nothing else a service might put into this field, such as what it was sent, gets into the log.
_REQUEST_ID = re.compile(r"(?:req_)?[0-9a-f-]{32,36}")


@dataclass(frozen=True)
class Link:
    """One realtime service, as it is reached.

    Attributes:
        base: its address up to, and without, `/realtime`.
        by_status: the codes of the HTTP statuses that say more than that it refused.
        request_id: the header field in which it names a request, for its support; `None`: it has none.
        headers: fields that go with every request.
        offers: what there is to choose, for refusals: `{"voice": "'alloy' and 'ash'"}`.
    """

    way: Way = field(repr=False)
    base: str = field(repr=False)
    by_status: Mapping[int, str] = field(default_factory=dict)
    request_id: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    offers: Mapping[str, str] = field(default_factory=dict)


async def post(
    link: Link,
    path: str,
    auth: Header,
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes = b"",
    wanted: Collection[int] = (),
) -> Reply:
    """Send a request and read its answer.

    `path` is what follows `/realtime`, `wanted` the statuses that the caller deals with besides those of
    success.

    Raises:
        Refusal: for any other status, and for an answer that does not come or is too long.
    """

    def welcome(status: int) -> bool:
        return 200 <= status < 300 or status in wanted

    try:
        # No variable holds where it goes: a traceback may show variables.
        reply = await link.way.post(
            f"{link.base}/realtime{path}",
            auth,
            {**_FIELDS, **link.headers, **(headers or {})},
            content,
            lambda status: welcome(status) or status == 400,
        )
    except Exception as error:  # what the ways let through differs, and none of it is a bug of ours
        failure = type(error).__name__
    else:
        _note(link, path, reply)
        if not welcome(reply.status):
            raise refused(link, reply.status, reply.body, _retry_after(reply))
        if len(reply.body) > MAX_ANSWER:
            raise misunderstood()
        return reply
    raise Refusal("provider_unreachable", f"The request ended with {failure}.")


def misunderstood() -> Refusal:
    """Answer for a success that is none."""
    return Refusal("provider_unreachable", "The voice service's answer was not understood.")


def refused(link: Link, status: int, body: bytes = b"", retry_after: float | None = None) -> Refusal:
    """Say what a status comes to; of a body only what of the caller's is at fault is looked at."""
    if status == 400 and (fault := callers_fault(json_of(body), link.offers)):
        return fault
    detail = f"The voice service answered with HTTP status {status}."
    if status in (429, 503):
        code = "provider_busy" if status == 429 else "service_unavailable"
        return Refusal(code, detail, retry_after=retry_after)
    if status >= 500:
        return Refusal("provider_unreachable", detail)
    return Refusal(link.by_status.get(status, "provider_refused"), detail)


def json_of(body: bytes) -> Any:
    """Read a body as JSON; `None` when it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _retry_after(reply: Reply) -> float | None:
    text = reply.headers.get("retry-after", "")
    return min(float(text), _LONGEST_WAIT) if text.isascii() and text.isdigit() else None


def _note(link: Link, path: str, reply: Reply) -> None:
    """Log how the service names a request: its support asks for that."""
    if link.request_id is not None:
        name = reply.headers.get(link.request_id, "")
        step = path.rpartition("/")[2].partition("?")[0]
        level = logging.INFO if 200 <= reply.status < 300 else logging.WARNING
        known = name if _REQUEST_ID.fullmatch(name) else "none"
        log.log(level, "%s: HTTP %d, %s %s", step, reply.status, link.request_id, known)
