"""Which calls of a session are made and answered: each once, those of one response together, none too late.

Reads the service's `response.done`, whoever tells it: the page, a headless session, the sideband. It must not
know how an answer reaches the service. Protocol facts: OpenAI Realtime API reference, `response.done`,
`function_call_output`; the outputs of one response are sent before the one `response.create` that follows.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from genmb_voice_widget.conversation import Conversation
from genmb_voice_widget.fold.replies import OUTCOMES
from genmb_voice_widget.loop import submit
from genmb_voice_widget.protocol import Event
from genmb_voice_widget.reading import elements, name, record, text
from genmb_voice_widget.state import State

from .outputs import failed
from .running import output_of
from .tool import Tool

Items = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Call:
    """A call that the model has made: of what, with what arguments, a JSON text."""

    call_id: str
    name: str
    arguments: str


class ToolCalls:
    """Makes the calls of the conversation's running session, from now on.

    Args:
        conversation: whose log tells of them.
        answer: takes the id of the log and the items that answer the calls of one response.
        recorded: tells whether the conversation is a recording, which calls nothing.

    Attributes:
        tools: those there are, by name.
    """

    def __init__(
        self, conversation: Conversation, answer: Callable[[str, Items], None], recorded: Callable[[], bool]
    ) -> None:
        self.tools: dict[str, Tool] = {}
        self._conversation = conversation
        self._answer = answer
        self._recorded = recorded
        self._read = (conversation.log_id, conversation.told)
        self._taken: set[str] = set()
        self._running: set[Future[None]] = set()
        conversation.listen(self._follow)

    def hear(self, log_id: str, event: Event) -> None:
        """Take an event of the service, told by whom ever, as often as it is; on any thread."""
        if self._runs(log_id) and not self._recorded():
            self._begin(log_id, calls_of(event))

    def _begin(self, log_id: str, asked: list[Call]) -> None:
        calls = [call for call in asked if call.call_id not in self._taken]
        if calls:
            self._taken.update(call.call_id for call in calls)
            running = submit(self._make(log_id, calls))
            self._running.add(running)
            running.add_done_callback(self._running.discard)

    def _follow(self) -> None:
        """Read the log to its end; called by the conversation, one change at a time."""
        log_id, seq = self._read
        if log_id != self._conversation.log_id:
            log_id, seq = self._conversation.log_id, 0
            self._taken.clear()
        self._read = log_id, self._conversation.told
        for envelope in self._conversation.after(seq):
            if envelope.dir == "in":
                self.hear(log_id, envelope.event)
            elif envelope.event["type"] == "genmb.snapshot" and self._runs(log_id) and not self._recorded():
                self._begin(log_id, unanswered(self._conversation.state))  # what asked for them was lost

    async def _make(self, log_id: str, calls: list[Call]) -> None:
        outputs = await asyncio.gather(*map(self._output, calls))
        if self._runs(log_id):
            self._answer(log_id, [_item(call, output) for call, output in zip(calls, outputs, strict=True)])

    def _runs(self, log_id: str) -> bool:
        return log_id == self._conversation.log_id and self._conversation.running

    async def _output(self, call: Call) -> str:
        tool = self.tools.get(call.name)
        if tool is None:
            there = ", ".join(self.tools) or "none"
            return failed(f"There is no tool named {call.name}. There are: {there}.")
        return await output_of(tool, call.arguments)


def calls_of(event: Event) -> list[Call]:
    """Give the calls of a response that went to its end; none of one that runs beside the conversation."""
    response = record(event.get("response"))
    outside = response.get("conversation_id", "") is None
    if event.get("type") != "response.done" or outside or text(response.get("status")) in OUTCOMES:
        return []
    calls: dict[str, Call] = {}
    for item in map(record, elements(response.get("output"))):
        call_id, function = name(item.get("call_id")), name(item.get("name"))
        if item.get("type") == "function_call" and call_id is not None and function is not None:
            calls.setdefault(call_id, Call(call_id, function, text(item.get("arguments")) or ""))
    return list(calls.values())


def unanswered(state: State) -> list[Call]:
    """Give the calls that a conversation waits for, where what told to make them is not known."""
    calls: list[Call] = []
    for turn in takewhile(lambda turn: turn.role in ("tool", "user"), reversed(state.turns)):
        if turn.call is None or turn.call.output is not None or turn.response_id in state.responses:
            continue
        call_id, function = turn.call.call_id, turn.call.name
        if call_id and function and turn.status == "completed":
            calls.insert(0, Call(call_id, function, turn.call.arguments))
    return calls if state.awaiting else []


def _item(call: Call, output: str) -> dict[str, Any]:
    """Make the item that answers a call; an id of ours has at most 32 characters."""
    return {
        "id": f"item_{os.urandom(12).hex()}",
        "type": "function_call_output",
        "call_id": call.call_id,
        "output": output,
    }
