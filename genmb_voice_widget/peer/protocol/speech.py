"""How the words of a spoken item lie in its audio, so that "what was heard" is exact to the word. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Speech:
    """The audio made for one item so far: its length, and the words with their starts, in ms of the item."""

    ms: float = 0.0
    words: list[tuple[str, float]] = field(default_factory=list)
    _piece_from: float = 0.0

    def begin_piece(self) -> None:
        """Say that word times count from here."""
        self._piece_from = self.ms

    def extend(self, ms: float, words: tuple[tuple[str, int], ...]) -> None:
        """Add audio and the words that begin in it."""
        self.ms += ms
        self.words.extend((word, self._piece_from + start) for word, start in words)

    def heard(self, text: str, until_ms: float) -> str:
        """Return the words of `text` begun before `until_ms`; in proportion where times are unknown."""
        if self.words:
            return " ".join(word for word, start in self.words if start < until_ms)
        words = text.split()
        return " ".join(words[: int(len(words) * until_ms / self.ms)]) if self.ms else ""
