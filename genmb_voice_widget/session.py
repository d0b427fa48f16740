"""What an agent is like, in the words of whoever sets it up, and the same as the wire's session object.

Owns the options, their defaults and their checks. It must not know who mints, connects or listens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from .errors import VoiceError
from .spelling import corrected

_PCM = {"type": "audio/pcm", "rate": 24_000}
_LANGUAGE = re.compile("[a-z]{2,3}")
"""ISO 639-1; the few transcribed languages that it has no code for have three letters, as `yue`."""


@dataclass(frozen=True)
class Session:
    """The options of a session; None leaves the choice to the provider.

    Attributes:
        instructions: who the agent is and how it answers.
        voice: the name of a voice, such as `marin`; cannot change during a session.
        model: the model's or, on Azure, the deployment's name.
        language: the language that is spoken to the agent, as an ISO 639-1 code such as `de`.
        transcription: the model that writes down what the user says; on Azure its deployment's name.
        silence_ms: how long a pause ends the user's turn, in milliseconds.
        interruptible: whether the agent falls silent when the user begins to speak.
    """

    instructions: str = "You are a friendly voice assistant. Answer in one or two short sentences."
    voice: str | None = None
    model: str | None = None
    language: str | None = None
    transcription: str = "gpt-realtime-whisper"
    silence_ms: int = 500
    interruptible: bool = True

    def __post_init__(self) -> None:
        for name in ("instructions", "transcription"):
            _check(name, _is_text(getattr(self, name)), "a text that is not empty")
        for name in ("voice", "model"):
            value = getattr(self, name)
            _check(name, value is None or _is_text(value), "a text that is not empty, or None")
        known = self.language is None or (
            isinstance(self.language, str) and bool(_LANGUAGE.fullmatch(self.language))
        )
        _check("language", known, "an ISO 639-1 code such as de, or None")
        silence = self.silence_ms
        _check(
            "silence_ms", type(silence) is int and 0 < silence <= 10_000, "whole milliseconds from 1 to 10000"
        )
        _check("interruptible", type(self.interruptible) is bool, "True or False")

    def to_wire(self) -> dict[str, Any]:
        """Render the session object (OpenAI Realtime API reference, client secrets).

        Every number of the turn detection is written out: what a service takes for an absent one differs from
        its own documentation and between services.
        """
        transcription: dict[str, Any] = {"model": self.transcription}
        if self.language is not None:
            transcription["language"] = self.language
        output: dict[str, Any] = {"format": _PCM}
        if self.voice is not None:
            output["voice"] = self.voice
        wire: dict[str, Any] = {"type": "realtime"}
        if self.model is not None:
            wire["model"] = self.model
        return wire | {
            "instructions": self.instructions,
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": _PCM,
                    "transcription": transcription,
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": 0.5,
                        "prefix_padding_ms": 300,
                        "silence_duration_ms": self.silence_ms,
                        "create_response": True,
                        "interrupt_response": self.interruptible,
                    },
                },
                "output": output,
            },
        }


OPTIONS = tuple(field.name for field in fields(Session))


def nameless(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of an option that does not exist only its name: its value may be anything, also a secret."""
    return {name: value if name in OPTIONS else None for name, value in options.items()}


def make_session(options: Mapping[str, Any], others: tuple[str, ...] = ()) -> Session:
    """Make a session of keyword options.

    Args:
        options: by name.
        others: names that the caller takes itself, to be listed among the supported ones.

    Raises:
        VoiceError: `bad_option`, naming the option, what was probably meant, and what is supported.
    """
    supported = others + OPTIONS
    unknown = [corrected(name, supported) for name in options if name not in OPTIONS]
    if unknown:
        raise VoiceError("bad_option", f"Unknown: {', '.join(unknown)}. Supported: {', '.join(supported)}.")
    return Session(**options)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _check(name: str, good: bool, wanted: str) -> None:
    if not good:
        raise VoiceError("bad_option", f"{name} must be {wanted}.")
