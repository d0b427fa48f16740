"""Which intent a sentence is, by its words; the same for speech and for typing.

Owns the comparison and the writing of the sentence as the script spells it. Pure; knows no sound and no
reply.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .phrase import Optional, Phrase, Slot, Word, plain_words
from .script import Intent, Script, Value


@dataclass(frozen=True, slots=True)
class Match:
    """A sentence understood: its intent, its slots' values, and the sentence in the script's own spelling."""

    intent: Intent
    values: Mapping[str, Value]
    text: str


@dataclass(frozen=True, slots=True)
class _Filled:
    """A slot and what was said for it."""

    slot: Slot
    value: Value


_Said = tuple[Word | _Filled, ...]


def match(script: Script, text: str) -> Match | None:
    """Find the first intent, in the script's order, one of whose phrases is exactly `text`.

    What is written short in typing (`what's`) is also tried in full (`what is`).
    """
    words = plain_words(text)
    in_full = tuple(
        part for word in words for part in ((word[:-2], "is") if word.endswith("'s") else (word,))
    )
    return _match(script, words) or (_match(script, in_full) if in_full != words else None)


def _match(script: Script, words: tuple[str, ...]) -> Match | None:
    for intent in script.intents:
        for phrase in intent.phrases:
            for said in _ways(phrase.parts, words, script.slots):
                values = {part.slot.name: part.value for part in said if isinstance(part, _Filled)}
                return Match(intent, values, _write(phrase, said))
    return None


def _ways(
    parts: tuple[Word | Slot | Optional, ...], words: tuple[str, ...], slots: Mapping[str, tuple[Value, ...]]
) -> Iterator[_Said]:
    """Find every way in which `parts` can be said as exactly `words`."""
    if not parts:
        if not words:
            yield ()
        return
    part, rest = parts[0], parts[1:]
    if isinstance(part, Optional):
        yield from _ways((*part.parts, *rest), words, slots)
        yield from _ways(rest, words, slots)
    elif isinstance(part, Word):
        if words[: len(part.spoken)] == part.spoken:
            for tail in _ways(rest, words[len(part.spoken) :], slots):
                yield (part, *tail)
    else:
        for value in slots[part.values]:
            for form in value.forms:
                if words[: len(form)] == form:
                    for tail in _ways(rest, words[len(form) :], slots):
                        yield (_Filled(part, value), *tail)


def _write(phrase: Phrase, said: _Said) -> str:
    """Write the sentence that was said, in the spelling and with the punctuation of the script."""
    text = ""
    for part in said:
        glued, written = (
            (part.glued, part.written) if isinstance(part, Word) else (part.slot.glued, part.value.said)
        )
        text += written if glued or not text else f" {written}"
    return text[:1].upper() + text[1:]
