"""Voice Live's flat session, and the GA session that the machine goes by: one from the other, and back.

Pure. The flat one is what clients see and keep; members without a meaning here are echoed and change nothing.
Defaults and echoes are recorded: `session.created` has other silences than an update that names only a type.
"""

from __future__ import annotations

import copy

from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.wire_error import invalid_value

from .shape import SESSION

FORMATS: dict[str, Json] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
"""The GA formats of Voice Live's."""

_TURN_DETECTION: Json = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 400,
    "silence_duration_ms": 500,
    "create_response": True,
    "interrupt_response": True,
    "idle_timeout_ms": None,
    "speech_duration_ms": None,
    "end_of_utterance_detection": None,
    "auto_truncate": False,
    "appended_text_after_truncation": None,
}
_AT_FIRST = {"prefix_padding_ms": 300, "silence_duration_ms": 200}
_TRANSCRIPTION: Json = {"model": None, "language": None, "prompt": None}
_TRANSCRIPTION |= {"custom_speech": None, "phrase_list": None}


def new_flat(session: Json) -> Json:
    """Return the flat session that a GA session, fresh from its defaults, is."""
    return {
        "id": session["id"],
        "model": session["model"],
        "modalities": ["audio"],
        "instructions": session["instructions"],
        "voice": {"name": session["audio"]["output"]["voice"], "type": "openai"},
        "input_audio_format": "pcm16",
        "output_audio_format": None,
        "input_audio_transcription": None,
        "input_audio_noise_reduction": None,
        "turn_detection": _TURN_DETECTION | _AT_FIRST,
        "tools": [],
        "tool_choice": "auto",
        "max_response_output_tokens": "inf",
        "expires_at": session["expires_at"],
        "object": "realtime.session",
        "input_audio_sampling_rate": 24000,
        "animation": None,
        "input_audio_echo_cancellation": None,
        "avatar": None,
        "output_audio_timestamp_types": None,
        "truncation_strategy": None,
        "include": None,
    }


def update_flat(flat: Json, patch: object) -> Json:
    """Return `flat` with the members of `patch` in the place of its own, completed; `model` stays.

    Raises `WireError` with the `param`, and then nothing is applied.
    """
    checked: Json = SESSION(patch, "session")
    updated = copy.deepcopy(flat) | {name: value for name, value in checked.items() if name != "model"}
    if checked.get("turn_detection"):
        updated["turn_detection"] = _TURN_DETECTION | checked["turn_detection"]
    if checked.get("input_audio_transcription"):
        updated["input_audio_transcription"] = _TRANSCRIPTION | checked["input_audio_transcription"]
    if updated["input_audio_format"] == "pcm16" and updated["input_audio_sampling_rate"] != 24000:
        raise invalid_value("session.input_audio_sampling_rate", "the local peer takes pcm16 at 24000 only")
    return updated


def to_ga(flat: Json, own_voice: str) -> Json:
    """Return the GA `session.update` that makes a session what `flat` says.

    `own_voice` speaks where an Azure voice is asked for: the peer has none.
    """
    return {
        "type": "realtime",
        "instructions": flat["instructions"],
        "output_modalities": ga_modalities(flat["modalities"]),
        "tools": flat["tools"],
        "tool_choice": flat["tool_choice"],
        "max_output_tokens": flat["max_response_output_tokens"],
        "audio": {
            "input": {
                "format": FORMATS[flat["input_audio_format"]],
                "transcription": _ga_transcription(flat["input_audio_transcription"]),
                "turn_detection": _ga_turn_detection(flat["turn_detection"]),
            },
            "output": {
                "format": FORMATS[flat["output_audio_format"] or "pcm16"],
                "voice": ga_voice(flat["voice"], own_voice),
            },
        },
    }


def ga_modalities(modalities: list[str]) -> list[str]:
    """Return what is made: sound comes with its transcript, so "text" beside it says nothing."""
    return ["audio"] if "audio" in modalities else ["text"]


def ga_voice(voice: Json, own_voice: str) -> str:
    """Return the name of the voice that speaks."""
    return str(voice["name"]) if voice["type"] == "openai" else own_voice


def _ga_transcription(flat: Json | None) -> Json | None:
    if flat is None:
        return None
    return {"model": flat["model"], "language": "en" if flat["language"] else None, "prompt": flat["prompt"]}


def _ga_turn_detection(flat: Json | None) -> Json | None:
    """Return the detection that comes nearest: Azure's semantic ones have the knobs of `server_vad`."""
    if flat is None:
        return None
    if flat["type"] == "semantic_vad":
        chosen = {name: flat[name] for name in ("eagerness",) if name in flat}
        kind = "semantic_vad"
    else:
        knobs = ("threshold", "prefix_padding_ms", "silence_duration_ms")
        chosen = {name: _TURN_DETECTION[name] if flat[name] is None else flat[name] for name in knobs}
        kind = "server_vad"
    flags = {name: flat[name] for name in ("create_response", "interrupt_response")}
    return {"type": kind, **flags, **chosen}
