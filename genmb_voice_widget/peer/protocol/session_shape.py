"""The shapes of a session and of a response's overrides: which members there are, and what each may be.

Pure (OpenAI Realtime API reference, session and response.create). Says nothing of what a member does.
"""

from __future__ import annotations

from typing import Any

from genmb_voice_widget.peer.shapes import (
    Check,
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
from genmb_voice_widget.peer.wire_error import invalid_value

from .offered import LANGUAGES, voice

_FORMAT = tagged(
    {
        "audio/pcm": record({"type": text, "rate": number(24000, 24000, whole=True)}),
        "audio/pcmu": record({"type": text}),
        "audio/pcma": record({"type": text}),
    }
)
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
        "language": nullable(one_of(*LANGUAGES)),
        "languages": list_of(one_of(*LANGUAGES)),
        "keywords": list_of(text),
        "prompt": nullable(text),
        "delay": one_of("minimal", "low", "medium", "high", "xhigh"),
    }
)
TOOL = tagged(
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
TOOL_CHOICE = either(
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
    for key, member in value.items():
        if len(key) > 64 or len(text(member, f"{path}.{key}")) > 512:
            raise invalid_value(f"{path}.{key}", "expected at most 64 characters, and 512 in its value")
    return value


METADATA: Check = _metadata
MAX_TOKENS = either(number(1, 4096, whole=True), one_of("inf"), why="expected 1 to 4096 or 'inf'")
_BOTH = {
    "instructions": text,
    "output_modalities": _modalities,
    "tools": list_of(TOOL),
    "tool_choice": TOOL_CHOICE,
    "max_output_tokens": MAX_TOKENS,
    "prompt": nullable(
        record({"id": text, "version": nullable(text), "variables": nullable(anything)}, ["id"])
    ),
    "parallel_tool_calls": boolean,
    "reasoning": nullable(record({"effort": one_of("minimal", "low", "medium", "high", "xhigh")})),
}
_TRUNCATION = either(
    one_of("auto", "disabled"),
    record(
        {
            "type": one_of("retention_ratio"),
            "retention_ratio": number(0, 1),
            "token_limits": nullable(record({"post_instructions": number(0, 1_000_000, whole=True)})),
        },
        ["type", "retention_ratio"],
    ),
    why="expected 'auto', 'disabled' or a retention_ratio from 0 to 1",
)
_TRACING = either(
    one_of("auto"),
    record({"workflow_name": text, "group_id": text, "metadata": anything}),
    why="expected 'auto' or {workflow_name, group_id, metadata}",
)
SESSION = record(
    _BOTH
    | {
        "type": one_of("realtime"),
        "model": text,
        "truncation": _TRUNCATION,
        "tracing": nullable(_TRACING),
        "include": nullable(list_of(one_of("item.input_audio_transcription.logprobs"))),
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
                "output": record({"format": _FORMAT, "voice": voice, "speed": number(0.25, 1.5)}),
            }
        ),
    },
    ["type"],
)
"""The members of `session`, in `session.update` and where a session is created."""

RESPONSE = record(
    _BOTH
    | {
        "audio": record({"output": record({"format": _FORMAT, "voice": voice})}),
        "metadata": nullable(_metadata),
        "conversation": one_of("auto", "none"),
        "input": list_of(anything),
    }
)
"""The members of `response` in `response.create`."""
