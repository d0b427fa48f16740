"""What a user may say, as a script writes it, such as `Tell me about <city> [please]`.

Owns the notation (words, `<slot>` or `<name:slot>`, `[optional words]`) and the plain form of words in
which speech and typing are compared. Knows no script file, no grammar format and no sound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"\[|\]|<[^<>]*>|[^\s\[\]<>]+|<|>")
_SLOT = re.compile(r"<(?:([a-z][a-z_]*):)?([a-z][a-z_]*)>")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


@dataclass(frozen=True, slots=True)
class Word:
    """A word as written, with its punctuation, and the plain words spoken for it (none for a bare `?`)."""

    written: str
    spoken: tuple[str, ...]
    glued: bool


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one of the values of `values`; `name` is what replies call it."""

    name: str
    values: str
    glued: bool


@dataclass(frozen=True, slots=True)
class Optional:
    """Words that may be left out."""

    parts: tuple[Word | Slot, ...]


@dataclass(frozen=True, slots=True)
class Phrase:
    """One way to say something. `text` is the notation it was read from."""

    text: str
    parts: tuple[Word | Slot | Optional, ...]

    def required_slots(self) -> frozenset[str]:
        """Return the names of the slots that every way of saying it fills."""
        return frozenset(part.name for part in self.parts if isinstance(part, Slot))

    def slots(self) -> tuple[Slot, ...]:
        """Return all slots, the optional ones too."""
        return tuple(part for part in self.flat() if isinstance(part, Slot))

    def flat(self) -> tuple[Word | Slot, ...]:
        """Return the words and slots without the brackets."""
        return tuple(
            inner for part in self.parts for inner in (part.parts if isinstance(part, Optional) else (part,))
        )


def plain_words(text: str) -> tuple[str, ...]:
    """Bring text to the form that is compared: lower case, no punctuation, hyphens split, `what's` whole."""
    return tuple(_WORD.findall(text.casefold().replace("’", "'")))


def parse_phrase(text: str) -> Phrase:
    """Read the notation. A mistake in it raises ValueError with a sentence about it."""
    parts: list[Word | Slot | Optional] = []
    group: list[Word | Slot] | None = None
    for token in _TOKEN.finditer(text):
        piece = token.group()
        if piece == "[":
            if group is not None:
                raise ValueError("brackets cannot stand inside brackets")
            group = []
        elif piece == "]":
            if group is None:
                raise ValueError("a ] has no [ before it")
            if not any(isinstance(part, Slot) or part.spoken for part in group):
                raise ValueError("the brackets [ ] hold no words")
            parts.append(Optional(tuple(group)))
            group = None
        else:
            (parts if group is None else group).append(_part(piece, glued=_is_glued(text, token.start())))
    if group is not None:
        raise ValueError("a [ is never closed by a ]")
    phrase = Phrase(text, tuple(parts))
    if not any(isinstance(part, Slot) or (isinstance(part, Word) and part.spoken) for part in parts):
        raise ValueError("there is no word that must be said")
    names = [slot.name for slot in phrase.slots()]
    if len(names) != len(set(names)):
        raise ValueError(
            "a slot occurs twice; give each its own name, such as <first:number> and <second:number>"
        )
    return phrase


def _part(piece: str, *, glued: bool) -> Word | Slot:
    if not piece.startswith(("<", ">")):
        return Word(piece, plain_words(piece), glued)
    slot = _SLOT.fullmatch(piece)
    if slot is None:
        raise ValueError(f"{piece} is not a slot; write <city> or <name:city>, in small letters")
    return Slot(slot[1] or slot[2], slot[2], glued)


def _is_glued(text: str, at: int) -> bool:
    """Whether the piece at `at` stands right behind another one (brackets aside)."""
    before = text[:at].rstrip("[]")
    return bool(before) and not before[-1].isspace()
