"""The shapes of Voice Live's flat session and of a response's overrides: the members, and what each may be.

Pure (Azure Voice Live API reference, 2026-06-01-preview, and the models of azure-ai-voicelive 1.3.0b1). What
the peer cannot do, such as an avatar, may only be null: a client would wait for it.
"""

from __future__ import annotations

from typing import Any

from genmb_voice_widget.peer.protocol.session_shape import MAX_TOKENS, METADATA, TOOL, TOOL_CHOICE
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
from genmb_voice_widget.peer.speaking.espeak_voices import VOICES_SAID, is_voice
from genmb_voice_widget.peer.wire_error import invalid_value

AZURE_VOICES = ("azure-standard", "azure-custom", "azure-personal", "azure-realtime-native")
_AZURE_VOICE = (
    dict.fromkeys(
        ("type", "name", "endpoint_id", "model", "locale", "style", "pitch", "rate", "volume"), text
    )
    | dict.fromkeys(("custom_lexicon_url", "custom_text_normalization_url"), text)
    | {"temperature": number(0, 1), "prefer_locales": list_of(text)}
)


def _openai_name(value: Any, path: str) -> str:
    if not isinstance(value, str) or not is_voice(value):
        raise invalid_value(path, f"supported values are {VOICES_SAID}")
    return value


def _voice(value: Any, path: str) -> Json:
    """Accept a name of OpenAI's, or an object; return the object, as the service echoes it (recorded)."""
    if isinstance(value, str):
        return {"name": _openai_name(value, path), "type": "openai"}
    checked: Json = _VOICE_OBJECT(value, path)
    return checked


_VOICE_OBJECT = tagged(
    {"openai": record({"type": text, "name": _openai_name}, ["name"])}
    | {
        kind: record({name: nullable(check) for name, check in _AZURE_VOICE.items()}, ["name"])
        for kind in AZURE_VOICES
    }
)


def _modalities(value: Any, path: str) -> list[str]:
    if value not in (["text"], ["audio"], ["text", "audio"], ["audio", "text"]):
        raise invalid_value(path, "supported values are ['text'], ['audio'] and ['text', 'audio']")
    return list(value)


def _languages(value: Any, path: str) -> str:
    """Accept English, in any region: the recogniser understands nothing else."""
    wanted = text(value, path).split(",")
    if not all(language.strip().partition("-")[0] == "en" for language in wanted):
        raise invalid_value(path, "the local peer understands 'en' only")
    return ",".join(wanted)


def _missing(what: str) -> Check:
    def check(value: Any, path: str) -> None:
        if value is not None:
            raise invalid_value(path, f"the local peer has no {what}")

    return check


_FLAGS = {"type": text, "create_response": boolean, "interrupt_response": boolean, "auto_truncate": boolean}
_KNOBS = _FLAGS | {
    "threshold": nullable(number(0, 1)),
    "prefix_padding_ms": nullable(number(0, 10_000, whole=True)),
    "silence_duration_ms": nullable(number(0, 60_000, whole=True)),
    "end_of_utterance_detection": anything,
}
_SEMANTIC = _KNOBS | {
    "speech_duration_ms": nullable(number(0, 60_000, whole=True)),
    "remove_filler_words": nullable(boolean),
}
TURN_DETECTION = tagged(
    {
        "server_vad": record(_KNOBS),
        "semantic_vad": record(_FLAGS | {"eagerness": one_of("low", "medium", "high", "auto")}),
        "azure_semantic_vad": record(_SEMANTIC | {"languages": nullable(list_of(text))}),
        "azure_semantic_vad_en": record(_SEMANTIC),
        "azure_semantic_vad_multilingual": record(_SEMANTIC | {"languages": nullable(list_of(text))}),
    }
)
_TRANSCRIPTION = record(
    {
        "model": text,
        "language": nullable(_languages),
        "prompt": nullable(text),
        "phrase_list": nullable(list_of(text)),
        "custom_speech": anything,
    },
    ["model"],
)
_OUTPUT_FORMAT = nullable(one_of("pcm16", "g711_ulaw", "g711_alaw"))
_SAMPLING_RATE = either(
    *(number(rate, rate, whole=True) for rate in (8000, 16_000, 24_000)), why="expected 8000, 16000 or 24000"
)
_BOTH = {
    "modalities": _modalities,
    "instructions": text,
    "voice": _voice,
    "output_audio_format": _OUTPUT_FORMAT,
    "tools": list_of(TOOL),
    "tool_choice": TOOL_CHOICE,
    "temperature": nullable(number(0, 2)),
    "reasoning_effort": nullable(one_of("none", "minimal", "low", "medium", "high", "xhigh")),
    "metadata": nullable(METADATA),
    "interim_response": _missing("interim responses"),
}
SESSION = record(
    _BOTH
    | {
        "model": text,
        "input_audio_format": one_of("pcm16", "g711_ulaw", "g711_alaw"),
        "input_audio_sampling_rate": _SAMPLING_RATE,
        "input_audio_transcription": nullable(_TRANSCRIPTION),
        "input_audio_noise_reduction": nullable(
            record({"type": one_of("azure_deep_noise_suppression", "near_field", "far_field")}, ["type"])
        ),
        "input_audio_echo_cancellation": nullable(
            record(
                {"type": one_of("server_echo_cancellation"), "reference_source": text, "channels": anything},
                ["type"],
            )
        ),
        "turn_detection": nullable(TURN_DETECTION),
        "max_response_output_tokens": MAX_TOKENS,
        "parallel_tool_calls": boolean,
        "include": nullable(list_of(text)),
        "animation": _missing("animation"),
        "avatar": _missing("avatar"),
        "output_audio_timestamp_types": _missing("audio timestamps"),
    }
)
"""The members of `session` in `session.update` and in `rtc.call.sdp.create`."""

RESPONSE = record(_BOTH | {"max_output_tokens": MAX_TOKENS, "input_items": list_of(anything)})
"""The members of `response` in `response.create`."""
