"""Secrets that are known again wherever they turn up, and everything that was looked through for them."""

import json
import re
import secrets
from collections import Counter, defaultdict
from dataclasses import dataclass, field

LONG = 32
"""Characters from which on a part of a canary counts as the canary: logs like to cut what they show."""
PART = 12


@dataclass
class Net:
    """Canaries by name, and what was caught: texts, each with the place where it stood."""

    canaries: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    caught: list[tuple[str, str]] = field(default_factory=list)

    def make(self, name: str) -> str:
        """Make a secret."""
        return self.know(name, secrets.token_hex(LONG // 2))

    def know(self, name: str, value: str) -> str:
        """Take note of a secret that somebody else has made; its end is what is random in it."""
        end = value[-LONG:].lower()
        parts = [end[at : at + PART] for at in (0, (LONG - PART) // 2, LONG - PART)]
        self.canaries[name].update(parts if len(value) >= LONG else [value.lower()])
        return value

    def catch(self, place: str, *things: object) -> None:
        """Take what stood in a place, as it shows itself."""
        self.caught += [(place, thing if isinstance(thing, str) else repr(thing)) for thing in things]

    def catch_lines(self, text: str) -> None:
        """Take what a program wrote down: on each line a JSON array, the place first."""
        for line in text.splitlines():
            self.catch(*json.loads(line))

    def found(self) -> dict[str, dict[str, str]]:
        """Tell which canary stands in which places, each with an example."""
        found: dict[str, dict[str, str]] = defaultdict(dict)
        # What both JSON and Python write for a line's end or a quote must not part a canary.
        plain = [(place, re.sub(r"\\[nrt\"'\\]", " ", text).lower()) for place, text in self.caught]
        for name, parts in self.canaries.items():
            for place, text in plain:
                at = -1 if place in found[name] else max(map(text.find, parts))
                if at >= 0:
                    found[name][place] = text[max(0, at - 300) : at + 100]
        return {name: places for name, places in found.items() if places}

    def amounts(self) -> dict[str, tuple[int, int]]:
        """Tell how much was caught: texts and characters, by the first word of the place."""
        texts, characters = Counter[str](), Counter[str]()
        for place, text in self.caught:
            texts[place.split()[0]] += 1
            characters[place.split()[0]] += len(text)
        return {kind: (texts[kind], characters[kind]) for kind in texts}
