"""The names of voices: OpenAI's and espeak-ng's, which speaks for which, and how a speed becomes a pace."""

from __future__ import annotations

import re
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

ACCENTS = (
    "en",
    "en-us",
    "en-us-nyc",
    "en-gb",
    "en-gb-scotland",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-029",
)
_OWN = re.compile(rf"({'|'.join(ACCENTS)})(\+(m[1-8]|f[1-5]|croak|whisper))?")
VOICES_SAID = (
    f"{', '.join(map(repr, VOICES))}, and espeak-ng's English voices, such as 'en-us' and 'en-gb+f3'"
)
"""The names that there are, for sentences."""

_NORMAL_PACE = 175
_SLOWEST_PACE = 80
_GAP_UNIT_MS = 35


class Pace(NamedTuple):
    """Words a minute, and extra silence between words in espeak-ng's units."""

    words_per_minute: int
    word_gap: int


def is_voice(name: str) -> bool:
    """Tell whether a voice has this name: OpenAI's, or espeak-ng's for an accent of English and a variant."""
    return name in VOICES or _OWN.fullmatch(name) is not None


def espeak_voice(name: str, default: str) -> str:
    """Map OpenAI's name of a voice to espeak-ng's, and keep espeak-ng's own; take `default` for any other."""
    if not is_voice(name):
        return default
    accent, plus, variant = VOICES.get(name, name).partition("+")
    # The library has British English under `en` only, and would speak `en-gb` in whatever voice spoke last.
    return f"{'en' if accent == 'en-gb' else accent}{plus}{variant}"


def espeak_pace(speed: float) -> Pace:
    """Return the pace for a speed (1 is normal).

    espeak-ng goes no slower than 80 words a minute: below that, the words are set apart.
    """
    wanted = _NORMAL_PACE * speed
    if wanted >= _SLOWEST_PACE:
        return Pace(round(wanted), 0)
    return Pace(_SLOWEST_PACE, round((60_000 / wanted - 60_000 / _SLOWEST_PACE) / _GAP_UNIT_MS))
