"""What the endpoint says when it refuses: RFC 9457 problems made of the catalogue in `protocol.json`.

The words come from the catalogue and from this package, never from a caller's values or a provider's body.
"""

from __future__ import annotations

import math
from typing import Any

from genmb_voice_widget.protocol import load

MEDIA_TYPE = "application/problem+json"
_CHALLENGE = 'Bearer realm="genmb-voice"'
_UPSTREAM = 502
"""For codes without a status: the catalogue gives one to the endpoint's own, the others are a provider's."""


class Refusal(Exception):
    """Why a request is not granted.

    Args:
        code: a key of the catalogue; another one is a `KeyError`.
        detail: a sentence about this very case, beside the catalogue's general one.
        status: the HTTP status, where the code alone does not settle it.
        retry_after: seconds until the same request may succeed.
    """

    def __init__(
        self, code: str, detail: str, *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(code, detail)
        entry = load().errors[code]
        self.code = code
        self.detail = detail
        self.status = status or entry.status or _UPSTREAM
        self.retry_after = None if retry_after is None else max(1, math.ceil(retry_after))

    def to_json(self) -> dict[str, Any]:
        """Give the members: RFC 9457 §3.1, and `code`, `fix`, `retryable`, `retry_after` of our own."""
        entry = load().errors[self.code]
        body: dict[str, Any] = {
            "type": f"urn:genmb-voice:problem:{self.code}",
            "title": entry.say,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "fix": entry.fix,
            "retryable": entry.retryable,
        }
        return body if self.retry_after is None else {**body, "retry_after": self.retry_after}

    def headers(self) -> dict[str, str]:
        """Give the header fields that go with it (RFC 9110 §10.2.3 and §11.6.1)."""
        fields = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return {**fields, "WWW-Authenticate": _CHALLENGE} if self.status == 401 else fields


def named(error: BaseException) -> str:
    """Name an error for the log: a refusal by its code, others by their class; words may hold a secret."""
    return error.code if isinstance(error, Refusal) else type(error).__name__
