"""The recogniser's grammar of a script: JSGF, and the words that it needs. Pure.

The grammar accepts exactly what the script's phrases say (JSpeech Grammar Format, W3C note of 5 June 2000).
"""

from __future__ import annotations

from genmb_voice_widget.peer.agent.phrase import Optional, Slot, Word
from genmb_voice_widget.peer.agent.script import Script


def jsgf(script: Script) -> str:
    """Write the script's phrases as one JSGF grammar whose public rule is `<utterance>`."""
    rules = [
        f"<{_rule(name)}> = {' | '.join(' '.join(value.forms[0]) for value in values)};"
        for name, values in script.slots.items()
    ]
    phrases = [
        " ".join(filter(None, map(_expansion, phrase.parts)))
        for intent in script.intents
        for phrase in intent.phrases
    ]
    return "\n".join(
        ["#JSGF V1.0;", "grammar script;", *rules, f"public <utterance> = {' | '.join(phrases)};", ""]
    )


def vocabulary(script: Script) -> dict[str, int]:
    """List every word that must be recognised, and the line of the script where it first stands."""
    words: dict[str, int] = {}
    for intent in script.intents:
        for phrase in intent.phrases:
            for part in phrase.flat():
                if isinstance(part, Word):
                    for word in part.spoken:
                        words.setdefault(word, script.lines[phrase.text])
                else:
                    for value in script.slots[part.values]:
                        for word in value.forms[0]:
                            words.setdefault(word, script.lines[value.said])
    return words


def _expansion(part: Word | Slot | Optional) -> str:
    if isinstance(part, Optional):
        return f"[ {' '.join(filter(None, map(_expansion, part.parts)))} ]"
    if isinstance(part, Slot):
        return f"<{_rule(part.values)}>"
    return " ".join(part.spoken)


def _rule(slot: str) -> str:
    return f"slot_{slot}"
