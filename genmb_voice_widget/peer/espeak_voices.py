"""Which espeak-ng voice speaks for which of OpenAI's voice names, and how a speed becomes a pace."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_VOICE = "en-us"

VOICES = {
    "alloy": "en-us",
    "ash": "en-us+m1",
    "ballad": "en-us+m5",
    "cedar": "en-us+adam",
    "coral": "en-us+f2",
    "echo": "en-us+Alex",
    "marin": "en-us+f5",
    "sage": "en-us+f4",
    "shimmer": "en-us+linda",
    "verse": "en-us+m4",
}
"""Each was chosen for being understood: the recogniser writes at least 39 of its 40 sentences exactly."""

_NORMAL_PACE = 175
_SLOWEST_PACE = 80
_GAP_UNIT_MS = 35


class Pace(NamedTuple):
    """Words a minute, and extra silence between words in espeak-ng's units."""

    words_per_minute: int
    word_gap: int


def espeak_voice(name: str, default: str) -> str:
    """Map OpenAI's name of a voice to espeak-ng's; keep espeak-ng's own (`en…`); else take `default`."""
    return name if name == "en" or name.startswith("en-") else VOICES.get(name, default)


def espeak_pace(speed: float) -> Pace:
    """Return the pace for a speed (1 is normal).

    espeak-ng goes no slower than 80 words a minute: below that, the words are set apart.
    """
    wanted = _NORMAL_PACE * speed
    if wanted >= _SLOWEST_PACE:
        return Pace(round(wanted), 0)
    return Pace(_SLOWEST_PACE, round((60_000 / wanted - 60_000 / _SLOWEST_PACE) / _GAP_UNIT_MS))
