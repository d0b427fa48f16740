"""When each word of a text begins in its speech.

Turns a synthesiser's word events (places in the text) into exactly the text's words at single spaces, in
order, so that captions and "what was heard" can count them. Pure.
"""

from __future__ import annotations

import re
from bisect import bisect_right


class WordTimes:
    """The words of one text, given out as their events arrive.

    A word without an event of its own (a dash, a number read as part of the next) begins with the following
    one.
    """

    def __init__(self, text: str) -> None:
        found = list(re.finditer(r"\S+", text))
        self._words = [match.group() for match in found]
        self._starts = [match.start() for match in found]
        self._given = 0
        self._last_ms = 0

    def at(self, character: int, ms: int) -> tuple[tuple[str, int], ...]:
        """Give the words that begin now that speech has come to `character` at `ms`."""
        reached = bisect_right(self._starts, character)
        self._last_ms = max(self._last_ms, ms)
        return self._give(reached)

    def rest(self) -> tuple[tuple[str, int], ...]:
        """Give the words that had no event by the end of the speech."""
        return self._give(len(self._words))

    def _give(self, upto: int) -> tuple[tuple[str, int], ...]:
        words = tuple((word, self._last_ms) for word in self._words[self._given : upto])
        self._given = max(self._given, upto)
        return words
