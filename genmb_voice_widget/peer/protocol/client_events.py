"""The events that a client may send: their names, their members, and how a bad one is refused. Pure."""

from __future__ import annotations

import base64
from typing import Any

from genmb_voice_widget.peer.shapes import Check, Json, anything, nullable, record, shallow, text
from genmb_voice_widget.peer.wire_error import WireError, invalid_value

from .items import TRUNCATE

MAX_APPEND = 15 * 1024 * 1024
_ITEM_ID = record({"item_id": text}, ["item_id"])
_MEMBERS: dict[str, Check] = {
    "session.update": record({"session": anything}, ["session"]),
    "input_audio_buffer.append": record({"audio": text}, ["audio"]),
    "input_audio_buffer.commit": record({}),
    "input_audio_buffer.clear": record({}),
    "output_audio_buffer.clear": record({}),
    "conversation.item.create": record({"item": anything, "previous_item_id": nullable(text)}, ["item"]),
    "conversation.item.retrieve": _ITEM_ID,
    "conversation.item.truncate": TRUNCATE,
    "conversation.item.delete": _ITEM_ID,
    "response.create": record({"response": nullable(anything)}),
    "response.cancel": record({"response_id": nullable(text)}),
}
CLIENT_EVENTS = frozenset(_MEMBERS)
"""All eleven of them (OpenAI Realtime API reference, client events)."""


def read_event(event: Any) -> tuple[str, Json]:
    """Return an event's type and its members without `type` and `event_id`. Raises `WireError`."""
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise WireError("Expected a JSON object with a 'type'.", "invalid_event", "type")
    if not shallow(event):
        raise WireError("The event is nested too deeply.", "invalid_event")
    kind = event["type"]
    if kind not in _MEMBERS:
        raise WireError(f"Unknown event type: '{kind}'.", "invalid_event", "type")
    members = {name: value for name, value in event.items() if name not in ("type", "event_id")}
    return kind, _MEMBERS[kind](members, "")


def own_id(event: Any) -> str | None:
    """Return the id that a client gave its event, which an `error` about it echoes."""
    event_id = event.get("event_id") if isinstance(event, dict) else None
    return event_id if isinstance(event_id, str) else None


def read_audio(audio: str) -> bytes:
    """Return the bytes of an `input_audio_buffer.append`. Raises `WireError`."""
    if len(audio) > MAX_APPEND:
        raise invalid_value("audio", "at most 15 MiB")
    try:
        return base64.b64decode(audio, validate=True)
    except ValueError:
        raise invalid_value("audio", "expected base64") from None
