"""What a request carries: a JSON object, or an offer, bare or as a form. Owns how long it may be."""

from __future__ import annotations

import json
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from .shapes import Json, shallow
from .wire_error import WireError, missing_parameter

LARGEST_BODY = 1024 * 1024


async def read_object(request: Request) -> Json:
    """Read a JSON object; no body at all is an empty one. Raises `WireError`."""
    return _object(await _body(request))


async def read_offer(request: Request, *, forms: bool) -> tuple[str, Json | None]:
    """Read an SDP offer, bare or, where `forms` are taken, as the part `sdp` beside `session`.

    Raises `WireError`.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data" and forms:
        if "content-length" not in request.headers:
            raise WireError("Say with Content-Length how long the form is.", "length_required")
        _check_length(request)
        async with request.form(max_files=2, max_fields=2) as form:
            parts = {name: await _part(value) for name, value in form.items()}
        if "sdp" not in parts:
            raise missing_parameter("sdp")
        return parts["sdp"], _object(parts["session"]) if "session" in parts else None
    if kind != "application/sdp":
        wanted = "application/sdp or multipart/form-data" if forms else "application/sdp"
        raise WireError(f"Expected {wanted}.", "unsupported_media_type")
    return await _body(request), None


async def _part(value: UploadFile | str) -> str:
    return value if isinstance(value, str) else (await value.read()).decode(errors="replace")


async def _body(request: Request) -> str:
    _check_length(request)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise _too_large()
    return body.decode(errors="replace")


def _check_length(request: Request) -> None:
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > LARGEST_BODY:
        raise _too_large()


def _too_large() -> WireError:
    return WireError(f"At most {LARGEST_BODY} bytes.", "request_too_large")


def _object(text: str) -> Json:
    try:
        value: Any = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not shallow(value):
        raise WireError("The body is not a JSON object.", "invalid_json")
    return value
