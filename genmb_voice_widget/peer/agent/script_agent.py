"""The agent that follows a script. Pure: the same turn always gets the same answer.

It keeps nothing between turns: which of several replies is due follows from how often the same was asked
before.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

from genmb_voice_widget.peer.stages import Call, Message, Say, ToolOutput, UserTurn

from .match import Match, match
from .script import Script, Value
from .template import fill, output_error

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WHOLE_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class ScriptAgent:
    """Answers turn by turn from a script, in sentences; calls the functions that the script names."""

    def __init__(self, script: Script) -> None:
        self._script = script

    async def reply(self, turn: UserTurn) -> AsyncGenerator[Say | Call, None]:
        """Answer in sentences, or call a function, whose output is then answered in a turn of its own."""
        for piece in answer(self._script, turn):
            yield piece


def answer(script: Script, turn: UserTurn) -> list[Say | Call]:
    """Return what the script answers to a turn."""
    if turn.tool_outputs:
        return [say for output in turn.tool_outputs for say in _after_tool(script, turn, output)]
    if not turn.text:
        return _say(_opening(script, turn))
    if not turn.accepted:
        return _say(fill(_in_turn(script.unsure, _asked(turn)), {"guess": turn.text}))
    found = match(script, turn.text)
    if found is None:
        return _say(_in_turn(script.fallback, _unmatched(script, turn.history)))
    call = found.intent.call
    if call is None:
        return _say(_reply(script, turn, found, None))
    if call.name not in turn.tools:
        return _say(
            f"For that I need a function named {call.name}, and nobody has given me one. "
            "Add it to my tools, and ask me again."
        )
    return [Call(call.name, {name: _argument(value, found.values) for name, value in call.arguments.items()})]


def _opening(script: Script, turn: UserTurn) -> str:
    """Return what is said without a question: the greeting first, later a hint."""
    spoken = any(message.role == "assistant" for message in turn.history)
    if spoken or not turn.accepted:
        return _in_turn(script.fallback, _unmatched(script, turn.history))
    return script.greeting[0]


def _after_tool(script: Script, turn: UserTurn, output: ToolOutput) -> list[Say | Call]:
    """Return the answer that was waiting for a function's output."""
    complaint = output_error(output.output)
    if complaint is not None:
        return _say(f"The function {output.name} did not work: {complaint}")
    questions = [turn.text, *(message.text for message in reversed(turn.history) if message.role == "user")]
    for question in questions:
        found = match(script, question)
        if found and found.intent.call and found.intent.call.name == output.name:
            return _say(_reply(script, turn, found, output.output))
    return _say(fill("{output}", {}, output.output))


def _reply(script: Script, turn: UserTurn, found: Match, output: str | None) -> str:
    """Fill in the intent's reply that is due."""
    asked = sum(
        1
        for message in turn.history
        if message.role == "user"
        and (before := match(script, message.text))
        and before.intent is found.intent
    )
    if output is not None and not turn.text:
        asked -= 1
    last = next((message.text for message in reversed(turn.history) if message.role == "assistant"), None)
    values = {name: value.said for name, value in found.values.items()}
    return fill(_in_turn(found.intent.replies, asked), {**values, "last": last or script.greeting[0]}, output)


def _argument(argument: Any, values: Mapping[str, Value]) -> Any:
    """Fill in an argument: a lone placeholder becomes the slot's value as it is, others become text."""
    if not isinstance(argument, str):
        return argument
    whole = _WHOLE_PLACEHOLDER.fullmatch(argument)
    if whole:
        return values[whole[1]].value
    return fill(argument, {name: str(value.value) for name, value in values.items()})


def _asked(turn: UserTurn) -> int:
    """Count the user turns before this one."""
    return sum(1 for message in turn.history if message.role == "user")


def _unmatched(script: Script, history: Iterable[Message]) -> int:
    """Count the user turns that the script does not know."""
    return sum(1 for message in history if message.role == "user" and match(script, message.text) is None)


def _in_turn(lines: tuple[str, ...], count: int) -> str:
    return lines[count % len(lines)]


def _say(text: str) -> list[Say | Call]:
    return [Say(sentence) for sentence in _SENTENCE_END.split(text.strip()) if sentence]
