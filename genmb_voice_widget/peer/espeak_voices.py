"""Which espeak-ng voice speaks for which of OpenAI's voice names, and how a speed becomes a pace. Data and arithmetic."""

from __future__ import annotations

from typing import NamedTuple

DEFAULT_VOICE = "en-us"

VOICES = {
    "alloy": "en-us",
    "ash": "en-us+m3",
}

_NORMAL_PACE = 175
_SLOWEST_PACE = 80
_GAP_UNIT_MS = 35


class Pace(NamedTuple):
    """Words a minute, and extra silence between words in espeak-ng's units (35 ms each at the slowest pace)."""

    words_per_minute: int
    word_gap: int


def espeak_voice(name: str, default: str) -> str:
    """espeak-ng's name for a voice: mapped if it is OpenAI's, kept if it is espeak-ng's (`en…`), else `default`."""
    return name if name == "en" or name.startswith("en-") else VOICES.get(name, default)


def espeak_pace(speed: float) -> Pace:
    """The pace for a speed (1 is normal). espeak-ng goes no slower than 80 words a minute: below, words stand apart."""
    wanted = _NORMAL_PACE * speed
    if wanted >= _SLOWEST_PACE:
        return Pace(round(wanted), 0)
    return Pace(_SLOWEST_PACE, round((60_000 / wanted - 60_000 / _SLOWEST_PACE) / _GAP_UNIT_MS))
