"""What a session may ask for by name: the models, voices and languages that there are here.

Pure. Owns the names that the session object refers to, and whether a voice may still change; knows no sound.
"""

from __future__ import annotations

from typing import Any

from genmb_voice_widget.peer.shapes import one_of
from genmb_voice_widget.peer.speaking.espeak_voices import VOICES_SAID, is_voice
from genmb_voice_widget.peer.wire_error import WireError, invalid_value

DEFAULT_MODEL = "local"
HOSTED_MODELS = (
    "gpt-realtime",
    "gpt-realtime-mini",
    "gpt-realtime-1.5",
    "gpt-realtime-2",
    "gpt-realtime-2.1",
    "gpt-realtime-2.1-mini",
)
"""The peer stands in for these as well, so that what is written for a hosted service runs here unchanged."""

DEFAULT_VOICE = "alloy"
LANGUAGES = ("en",)
"""What the recogniser understands, as ISO 639-1 codes."""


def check_model(name: str, path: str, own: str, hosted: tuple[str, ...] = HOSTED_MODELS) -> str:
    """Accept a model that there is: the default's name, the agent's `own`, or a `hosted` one's."""
    accepted: str = one_of(*dict.fromkeys((DEFAULT_MODEL, own, *hosted)))(name, path)
    return accepted


def check_voice(voice: str, now: str, path: str) -> None:
    """Refuse a change of voice in a conversation that has audio in the voice `now`."""
    if voice != now:
        why = "Cannot update a conversation's voice if assistant audio is present."
        raise WireError(why, "cannot_update_voice", path)


def voice(value: Any, path: str) -> str:
    """Accept the name of a voice; a custom one (`{id}`) belongs to an account of a hosted service."""
    if not isinstance(value, str) or not is_voice(value):
        raise invalid_value(path, f"supported values are {VOICES_SAID}")
    return value
