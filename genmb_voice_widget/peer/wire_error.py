"""A request that the peer refuses, in the wire's words.

Owns the error value and its two JSON forms (event and HTTP body); knows nothing of what was refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(eq=False)
class WireError(Exception):
    """An `error` object of the realtime wire: `{type, code, message, param}`.

    `param` is the path of the member at fault, such as `session.audio.input.turn_detection.threshold`.
    """

    message: str
    code: str | None = None
    param: str | None = None
    type: str = "invalid_request_error"

    def body(self) -> dict[str, Any]:
        """Return the HTTP error body (OpenAI API reference, error object)."""
        error = {"message": self.message, "type": self.type, "code": self.code, "param": self.param}
        return {"error": error}

    def event(self, event_id: str | None) -> dict[str, Any]:
        """Return the `error` server event; `event_id` is that of the client event at fault."""
        return {
            "type": "error",
            "error": {
                "type": self.type,
                "code": self.code,
                "message": self.message,
                "param": self.param,
                "event_id": event_id,
            },
        }


def unknown_parameter(path: str) -> WireError:
    """Refuse a member that the wire does not have."""
    return WireError(f"Unknown parameter: '{path}'.", "unknown_parameter", path)


def missing_parameter(path: str) -> WireError:
    """Refuse an object that lacks a member."""
    return WireError(f"Missing required parameter: '{path}'.", "missing_required_parameter", path)


def invalid_value(path: str, why: str) -> WireError:
    """Refuse a value; `why` says what is wanted."""
    return WireError(f"Invalid value for '{path}': {why}.", "invalid_value", path)
