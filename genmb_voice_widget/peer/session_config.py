"""The realtime session object: its members, its defaults, and what `session.update` makes of it.

Pure. Owns the shapes of `session` and of the overrides in `response.create` (OpenAI Realtime API reference,
session and response.create); knows nothing of events, audio or items.
"""

from __future__ import annotations

import copy
from typing import Any

from .shapes import (
    Json,
    anything,
    boolean,
    either,
    list_of,
    nullable,
    number,
    one_of,
    record,
    tagged,
    text,
)
from .wire_error import WireError, invalid_value, missing_parameter

DEFAULT_INSTRUCTIONS = "You are a local stand-in for a voice agent. Answer briefly and in a friendly tone."
"""What `instructions` falls back to when it is set to the empty string, as the hosted services do."""

_FORMAT = tagged(
    {
        "audio/pcm": record({"type": text, "rate": number(24000, 24000, whole=True)}),
        "audio/pcmu": record({"type": text}),
        "audio/pcma": record({"type": text}),
    }
)
_VOICE = either(text, record({"id": text}, ["id"]), why="expected a voice name or {id}")
_TURN_FLAGS = {"type": text, "create_response": boolean, "interrupt_response": boolean}
_TURN_DETECTION = tagged(
    {
        "server_vad": record(
            _TURN_FLAGS
            | {
                "threshold": number(0, 1),
                "prefix_padding_ms": number(0, 10_000, whole=True),
                "silence_duration_ms": number(0, 60_000, whole=True),
                "idle_timeout_ms": nullable(number(5000, 30_000, whole=True)),
            }
        ),
        "semantic_vad": record(_TURN_FLAGS | {"eagerness": one_of("low", "medium", "high", "auto")}),
    }
)
_TRANSCRIPTION = record(
    {
        "model": text,
        "language": nullable(text),
        "languages": list_of(text),
        "keywords": list_of(text),
        "prompt": nullable(text),
        "delay": one_of("minimal", "low", "medium", "high", "xhigh"),
    }
)
_TOOL = tagged(
    {
        "function": record(
            {"type": text, "name": text, "description": text, "parameters": anything}, ["name"]
        ),
        "mcp": record(
            {"type": text, "server_label": text}
            | dict.fromkeys(("server_url", "connector_id", "tunnel_id", "authorization"), text)
            | dict.fromkeys(("headers", "allowed_tools", "require_approval", "allowed_callers"), anything)
            | {"server_description": text, "defer_loading": boolean},
            ["server_label"],
        ),
    }
)
_TOOL_CHOICE = either(
    one_of("auto", "none", "required"),
    record({"type": one_of("function"), "name": text}, ["type", "name"]),
    record({"type": one_of("mcp"), "server_label": text, "name": text}, ["type", "server_label"]),
    why="expected 'auto', 'none', 'required' or the choice of one tool",
)


def _modalities(value: Any, path: str) -> list[str]:
    if value not in (["audio"], ["text"]):
        raise invalid_value(path, "supported values are ['audio'] and ['text']")
    return list(value)


def _metadata(value: Any, path: str) -> Json:
    if not isinstance(value, dict) or len(value) > 16:
        raise invalid_value(path, "expected an object of at most 16 members")
    return {key: text(member, f"{path}.{key}") for key, member in value.items()}


_MAX_TOKENS = either(number(1, 4096, whole=True), one_of("inf"), why="expected 1 to 4096 or 'inf'")
_BOTH = {
    "instructions": text,
    "output_modalities": _modalities,
    "tools": list_of(_TOOL),
    "tool_choice": _TOOL_CHOICE,
    "max_output_tokens": _MAX_TOKENS,
    "prompt": nullable(anything),
    "parallel_tool_calls": boolean,
    "reasoning": nullable(anything),
}
_SESSION = record(
    _BOTH
    | {
        "type": one_of("realtime"),
        "model": text,
        "truncation": anything,
        "tracing": nullable(anything),
        "include": nullable(list_of(text)),
        "audio": record(
            {
                "input": record(
                    {
                        "format": _FORMAT,
                        "noise_reduction": nullable(record({"type": one_of("near_field", "far_field")})),
                        "transcription": nullable(_TRANSCRIPTION),
                        "turn_detection": nullable(_TURN_DETECTION),
                    }
                ),
                "output": record({"format": _FORMAT, "voice": _VOICE, "speed": number(0.25, 1.5)}),
            }
        ),
    },
    ["type"],
)


RESPONSE = record(
    _BOTH
    | {
        "audio": record({"output": record({"format": _FORMAT, "voice": _VOICE})}),
        "metadata": nullable(_metadata),
        "conversation": one_of("auto", "none"),
        "input": list_of(anything),
    }
)
"""The members of `response` in `response.create`."""

_SERVER_VAD: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: Json = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}


def new_session(session_id: str, model: str, expires_at: int = 0) -> Json:
    """Return a session with every member at its default; `expires_at` is 0 until a call begins."""
    pcm: Json = {"type": "audio/pcm", "rate": 24000}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": DEFAULT_INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": pcm,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_SERVER_VAD),
            },
            "output": {"format": dict(pcm), "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


def update_session(session: Json, patch: object, audio_began: bool = False) -> Json:
    """Return `session` with the members of `patch` applied, all of them or (raising) none.

    Members that are absent stay, null clears, `tools` and the like are replaced whole, `model` is fixed at
    creation and ignored, `instructions: ""` brings the default back. Raises `WireError` with the `param`.
    """
    checked: Json = _SESSION(patch, "session")
    updated = copy.deepcopy(session)
    for name in checked.keys() - {"type", "model", "audio"}:
        updated[name] = checked[name]
    if not updated["instructions"]:
        updated["instructions"] = DEFAULT_INSTRUCTIONS
    audio = checked.get("audio", {})
    for name, value in audio.get("input", {}).items():
        updated["audio"]["input"][name] = _input_member(name, value, session["audio"]["input"][name])
    updated["audio"]["output"].update(audio.get("output", {}))
    if audio_began and updated["audio"]["output"]["voice"] != session["audio"]["output"]["voice"]:
        why = "Cannot update a conversation's voice if assistant audio is present."
        raise WireError(why, "cannot_update_voice")
    return updated


def _input_member(name: str, value: Json | None, old: Json | None) -> Json | None:
    """Complete one member of `audio.input` with what is already in force, or with the defaults."""
    if value is None or name in ("format", "noise_reduction"):
        return {"rate": 24000, **value} if value and value.get("type") == "audio/pcm" else value
    if name == "transcription":
        merged: Json = {"model": None, "language": None, "prompt": None, **(old or {}), **value}
        if merged["model"] is None:
            raise missing_parameter("session.audio.input.transcription.model")
        return merged
    defaults = _SERVER_VAD if value["type"] == "server_vad" else _SEMANTIC_VAD
    same = old if old and old["type"] == value["type"] else {}
    return {**defaults, **same, **value}
