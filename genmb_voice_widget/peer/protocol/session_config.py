"""The realtime session object: its defaults, and what `session.update` makes of it.

Pure. Owns what the members of a `session` become (OpenAI Realtime API reference, session); knows nothing of
events, audio or items.
"""

from __future__ import annotations

import copy

from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.wire_error import missing_parameter, unknown_parameter

from .offered import DEFAULT_VOICE, check_voice
from .session_shape import SESSION

DEFAULT_INSTRUCTIONS = "You are a local stand-in for a voice agent. Answer briefly and in a friendly tone."
"""What `instructions` falls back to when it is set to the empty string, as the hosted services do."""

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


def new_session(session_id: str, model: str, expires_at: int = 0, voice: str = DEFAULT_VOICE) -> Json:
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
            "output": {"format": dict(pcm), "voice": voice, "speed": 1.0},
        },
        "include": None,
    }


def update_session(
    session: Json, patch: object, audio_began: bool = False, without: frozenset[str] = frozenset()
) -> Json:
    """Return `session` with the members of `patch` applied, all of them or (raising) none.

    Members that are absent stay, null clears, `tools` and the like are replaced whole, `model` is fixed at
    creation and ignored, `instructions: ""` brings the default back. Members `without` which the service is
    are unknown. Raises `WireError` with the `param`.
    """
    checked: Json = SESSION(patch, "session")
    for name in sorted(checked.keys() & without):
        raise unknown_parameter(f"session.{name}")
    updated = copy.deepcopy(session)
    for name in checked.keys() - {"type", "model", "audio"}:
        updated[name] = checked[name]
    if not updated["instructions"]:
        updated["instructions"] = DEFAULT_INSTRUCTIONS
    audio = checked.get("audio", {})
    for name, value in audio.get("input", {}).items():
        updated["audio"]["input"][name] = _input_member(name, value, session["audio"]["input"][name])
    updated["audio"]["output"].update(audio.get("output", {}))
    if audio_began:
        now = session["audio"]["output"]["voice"]
        check_voice(updated["audio"]["output"]["voice"], now, "session.audio.output.voice")
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
