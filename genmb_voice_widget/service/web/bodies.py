"""The request bodies, and how to say what is wrong with one without repeating any of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from genmb_voice_widget.service.access.app_tokens import LONGEST

Word = Annotated[str, Field(max_length=64)]
Reason = Annotated[str, Field(max_length=256)]
CallId = Annotated[str, Field(max_length=128)]
Whole = Annotated[int, BeforeValidator(lambda value: int(value) if _is_whole(value) else value)]
"""An integer as JSON Schema has it, where 60.0 is one too (JSON Schema Core 2020-12, §6.3)."""

DEEPEST = 64
"""Levels of a session object: a tool's parameters seldom have ten. Much deeper ones can be read, but not be
written again by everyone whom they pass."""

_OFFERED: list[Any] = [
    {
        "session": {
            "type": "realtime",
            "model": "local",
            "instructions": "You take bookings for a table.",
            "audio": {"output": {"voice": "marin"}},
        },
        "sdp": "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
    }
]
# What the validators below check, in the words of JSON Schema, so that the description is the whole truth.
Session = Annotated[
    dict[str, Any],
    Field(
        json_schema_extra={
            "anyOf": [
                {"required": ["type"], "properties": {"type": {"const": "realtime"}}},
                {"required": ["modalities"], "not": {"required": ["type"]}},
            ]
        }
    ),
]
Sdp = Annotated[str | None, Field(json_schema_extra={"pattern": "^v=0"})]
_EITHER: dict[str, Any] = {
    "oneOf": [
        {"required": ["sdp"], "properties": {"sdp": {"type": "string"}, "transport": {"type": "null"}}},
        {"required": ["transport"], "properties": {"transport": {"type": "string"}, "sdp": {"type": "null"}}},
    ]
}


def _is_whole(value: object) -> bool:
    return isinstance(value, float) and value.is_integer()


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, strict=True)


def _check(session: dict[str, Any], sdp: str | None) -> None:
    if session.get("type") != "realtime" and ("type" in session or "modalities" not in session):
        raise PydanticCustomError("session_type", 'session.type must be "realtime"')
    if sdp is not None and not sdp.startswith("v=0"):
        raise PydanticCustomError("not_sdp", "sdp is not a session description")
    if _is_deeper(session, DEEPEST):
        raise PydanticCustomError("too_deep", f"session is nested deeper than {DEEPEST} levels")
    try:
        json.dumps([session, sdp], ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        raise PydanticCustomError("not_json", "the body holds what JSON cannot carry") from None


def _is_deeper(value: Any, levels: int) -> bool:
    """Tell whether JSON is nested deeper; without recursion, which is what must not be left to it."""
    level = [value]
    for _ in range(levels):
        parts = (each.values() if isinstance(each, dict) else each for each in level)
        level = [part for held in parts for part in held if isinstance(part, dict | list)]
        if not level:
            return False
    return True


class Start(_Body):
    """`POST /v1/sessions`: an offer to relay, or the wish for a WebSocket: its secret, or a relay of it.

    `session` is a GA session object (OpenAI Realtime API reference) or, where the provider's `dialect` is
    `beta`, a flat one (Azure Voice Live API reference); its members are the provider's to judge.
    Without `provider` it is the endpoint's first.
    """

    model_config = ConfigDict(json_schema_extra={**_EITHER, "examples": _OFFERED})

    provider: Word | None = None
    session: Session
    sdp: Sdp = None
    transport: Literal["websocket", "relay"] | None = None

    @model_validator(mode="after")
    def one_way(self) -> Self:
        """Want a realtime session, and either `transport` or an `sdp` that is one (RFC 8866 §5.1)."""
        if (self.sdp is None) == (self.transport is None):
            raise PydanticCustomError("one_way", "either sdp or transport is needed, and not both")
        _check(self.session, self.sdp)
        return self


class Offer(_Body):
    """`POST /v1/sessions/{id}/offer`: like `Start`, for a session whose connection was lost."""

    model_config = ConfigDict(json_schema_extra={"examples": _OFFERED})

    session: Session
    sdp: Sdp = None

    @model_validator(mode="after")
    def sound(self) -> Self:
        """Want a realtime session and, if there is an `sdp`, one that is."""
        _check(self.session, self.sdp)
        return self


class Connected(_Body):
    """`POST /v1/sessions/{id}/connected`: the proof, with the call it is about where the caller knows it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"call_id": "rtc_u1_9c3f"}]})

    call_id: CallId | None = None


class Ended(_Body):
    """`POST /v1/sessions/{id}/ended`: a word of the caller's on why, for the account."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "user"}]})

    reason: Reason | None = None


class TokenWish(_Body):
    """`POST /v1/app-tokens`: for how many seconds, and for which pages, a token is wanted.

    Attributes:
        seconds: how long it is good for.
        origin: one of the app's origins, whose pages alone may use it.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"seconds": 300, "origin": "https://app.example"}]}
    )

    seconds: Whole = Field(ge=1, le=LONGEST)
    origin: Annotated[str | None, Field(max_length=300)] = None


_BODIES = (Start, Offer, Connected, Ended, TokenWish)
_MEMBERS = frozenset(name for body in _BODIES for name in body.model_fields)
_OURS = ("one_way", "session_type", "not_sdp", "not_json", "too_deep")


def why_invalid(errors: Sequence[Mapping[str, Any]]) -> str:
    """Put pydantic's findings into one sentence that holds no value and no member name of the caller's."""
    return f"Not understood: {'; '.join(dict.fromkeys(_sentences(errors)))}."


def _sentences(errors: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for error in errors:
        place = next((part for part in error["loc"] if part in _MEMBERS), _where(error["loc"]))
        match error["type"]:
            case kind if kind in _OURS:
                yield error["msg"]
            case "extra_forbidden":
                yield "the body has an unknown member"
            case "json_invalid":
                yield "the body is not JSON"
            case "missing":
                yield f"{place} is missing"
            case _:
                yield f"{place} is not of the right kind or length"


def _where(place: Sequence[str | int]) -> str:
    """Name the part of the request; a header's name is the route's word, not the caller's."""
    match place:
        case ("header", str(name), *_):
            return f"the header {name}"
        case _:
            return "the body"
