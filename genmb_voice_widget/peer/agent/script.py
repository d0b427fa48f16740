"""A script: what the local agent understands and what it answers, read from a TOML file.

Owns the file's form and its checks; every mistake is a ScriptError, a sentence with the file, the line and
the intent. Knows nothing of sound; whether the recogniser knows a word is its own business.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genmb_voice_widget.peer.speaking.espeak_voices import VOICES_SAID, is_voice

from .phrase import Phrase, parse_phrase, plain_words
from .template import placeholders

DEMO = Path(__file__).with_name("scripts") / "demo.toml"
UNSURE = "I am not sure that I heard you well. Please say it again, if it was: {guess}"


class ScriptError(ValueError):
    """A mistake in a script, as a sentence for whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a slot: how it is said, what a function gets for it, and the plain words that mean it."""

    said: str
    value: str | int | float | bool
    forms: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function to call. An argument that is one placeholder gets the slot's value with its type."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing that a user may want: ways to say it, answers in turn, perhaps a function to call first."""

    name: str
    phrases: tuple[Phrase, ...]
    replies: tuple[str, ...]
    call: FunctionCall | None


@dataclass(frozen=True, slots=True)
class Script:
    """A whole script. `pronunciations` gives ARPAbet phones for words that the recogniser does not know.

    `voice` speaks in sessions that name none.

    `lines` says on which line of the file a phrase or a slot's value stands.
    """

    name: str
    description: str
    greeting: tuple[str, ...]
    fallback: tuple[str, ...]
    unsure: tuple[str, ...]
    voice: str | None
    slots: Mapping[str, tuple[Value, ...]]
    pronunciations: Mapping[str, str]
    intents: tuple[Intent, ...]
    lines: Mapping[str, int]


def load_script(path: Path) -> Script:
    """Read and check a script file. Raises ScriptError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ScriptError(f"The script {path} cannot be read: {problem}.") from None
    return parse_script(text, path.name)


def parse_script(text: str, where: str = "the script") -> Script:
    """Check the TOML text of a script. Raises ScriptError; `where` is how its messages call the file."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ScriptError(f"{where} is not valid TOML: {problem}.") from None
    return _Reader(text, where).script(table)


class _Reader:
    """Checks the parsed table, with the text at hand to name lines."""

    _TOP = (
        "name",
        "description",
        "greeting",
        "fallback",
        "unsure",
        "voice",
        "slots",
        "pronunciations",
        "intent",
    )
    _INTENT = ("name", "say", "reply", "call")

    def __init__(self, text: str, where: str) -> None:
        self._lines = text.splitlines()
        self._where = where
        self._numbers: dict[str, int] = {}

    def script(self, table: Mapping[str, Any]) -> Script:
        self._known(table, self._TOP, "the script")
        slots = {name: self._values(name, values) for name, values in self._table(table, "slots").items()}
        found = table.get("intent")
        if not isinstance(found, list) or not found or not all(isinstance(intent, dict) for intent in found):
            raise self._error("there is no [[intent]]; a script needs at least one")
        intents = tuple(self._intent(index, intent, slots) for index, intent in enumerate(found, 1))
        fallback = self._lines_of(table, "fallback", "the script")
        phones = self._table(table, "pronunciations")
        for word, phone in phones.items():
            if not isinstance(phone, str):
                raise self._error(f'the pronunciation of {word!r} must be text, such as "B L AA1 G"', word)
        return Script(
            name=self._text(table, "name"),
            description=self._text(table, "description"),
            greeting=self._lines_of(table, "greeting", "the script") if "greeting" in table else fallback,
            fallback=fallback,
            unsure=self._lines_of(table, "unsure", "the script", ("guess",))
            if "unsure" in table
            else (UNSURE,),
            voice=self._voice(table) if "voice" in table else None,
            slots=slots,
            pronunciations={word.casefold(): phone for word, phone in phones.items()},
            intents=intents,
            lines=self._numbers,
        )

    def _intent(self, index: int, table: Mapping[str, Any], slots: Mapping[str, Any]) -> Intent:
        name = str(table.get("name") or index)
        what = f"intent {name!r}"
        self._known(table, self._INTENT, what)
        say = table.get("say")
        texts = [say] if isinstance(say, str) else say
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
            raise self._error(f'{what} needs say = ["what the user may say", …]')
        phrases = tuple(self._phrase(what, text, slots) for text in texts)
        filled = frozenset.intersection(*(phrase.required_slots() for phrase in phrases))
        call = self._call(what, table["call"], filled) if "call" in table else None
        names = (*sorted(filled), "last", *(("output",) if call else ()))
        return Intent(name, phrases, self._lines_of(table, "reply", what, names), call)

    def _phrase(self, what: str, text: str, slots: Mapping[str, Any]) -> Phrase:
        try:
            phrase = parse_phrase(text)
        except ValueError as problem:
            raise self._error(f"{what} cannot use the phrase {text!r}: {problem}", text) from None
        for slot in phrase.slots():
            if slot.values not in slots:
                raise self._error(
                    f"{what} uses <{slot.values}>, but [slots] has no list {slot.values!r}", text
                )
        self._numbers[text] = self._line(text)
        return phrase

    def _call(self, what: str, table: Any, filled: frozenset[str]) -> FunctionCall:
        if not isinstance(table, dict) or not isinstance(table.get("name"), str) or not table["name"]:
            raise self._error(f'{what} needs call = {{ name = "a_function", arguments = {{ … }} }}')
        self._known(table, ("name", "arguments"), f"the call of {what}")
        arguments = self._table(table, "arguments")
        for value in arguments.values():
            self._fillable(f"the call of {what}", value, filled) if isinstance(value, str) else None
        return FunctionCall(table["name"], arguments)

    def _values(self, name: str, values: Any) -> tuple[Value, ...]:
        if not isinstance(values, (dict, list)) or not values:
            raise self._error(f"slot {name!r} needs a list of words, or a table of words and values", name)
        pairs = values.items() if isinstance(values, dict) else ((v, v) for v in values)
        made = []
        for said, value in pairs:
            if not isinstance(said, str) or not plain_words(said):
                raise self._error(f"slot {name!r} has the value {said!r}, which is not a word", name)
            if not isinstance(value, (str, int, float, bool)):
                raise self._error(f"slot {name!r} must give text or a number for {said!r}", said)
            forms = dict.fromkeys((plain_words(said), plain_words(str(value))))
            made.append(Value(said, value, tuple(form for form in forms if form)))
            self._numbers[said] = self._line(said)
        return tuple(made)

    def _lines_of(
        self, table: Mapping[str, Any], key: str, what: str, names: tuple[str, ...] = ()
    ) -> tuple[str, ...]:
        found = table.get(key)
        lines = [found] if isinstance(found, str) else found
        if (
            not isinstance(lines, list)
            or not lines
            or not all(isinstance(line, str) and line for line in lines)
        ):
            raise self._error(f'{what} needs {key} = "a sentence", or a list of sentences')
        for line in lines:
            self._fillable(what, line, names)
        return tuple(lines)

    def _fillable(self, what: str, template: str, names: Any) -> None:
        for name in placeholders(template):
            if name.partition(".")[0] not in names:
                known = ", ".join(f"{{{known}}}" for known in sorted(names)) or "none"
                raise self._error(
                    f"{what} uses {{{name}}}, which is not always known there (known: {known})", template
                )

    def _table(self, table: Mapping[str, Any], key: str) -> dict[str, Any]:
        found = table.get(key, {})
        if not isinstance(found, dict):
            raise self._error(f"{key!r} must be a table", key)
        return found

    def _text(self, table: Mapping[str, Any], key: str) -> str:
        if not isinstance(table.get(key), str) or not table[key]:
            raise self._error(f'the script needs {key} = "some text"')
        return str(table[key])

    def _voice(self, table: Mapping[str, Any]) -> str:
        voice = self._text(table, "voice")
        if not is_voice(voice):
            raise self._error(f"there is no voice {voice!r}; known are {VOICES_SAID}", voice)
        return voice

    def _known(self, table: Mapping[str, Any], names: tuple[str, ...], what: str) -> None:
        for key in table:
            if key not in names:
                raise self._error(
                    f"{what} has {key!r}, which means nothing; known are {', '.join(names)}", key
                )

    def _line(self, needle: str) -> int:
        return next((number for number, line in enumerate(self._lines, 1) if needle in line), 0)

    def _error(self, sentence: str, needle: str = "") -> ScriptError:
        line = self._line(needle) if needle else 0
        return ScriptError(f"{self._where}{f', line {line}' if line else ''}: {sentence}.")
