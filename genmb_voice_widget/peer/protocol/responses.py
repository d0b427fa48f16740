"""Which responses run, and what each event of theirs does to the conversation.

Pure. Owns the one active response, those beside the conversation, and when the agent may be asked (once all
user audio is transcribed). Knows nothing of turns, playback or transports. Refuses by `WireError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from genmb_voice_widget.peer.facts import (
    Abort,
    AgentCalled,
    AgentFinished,
    AgentSaid,
    Answer,
    AudioMade,
    Effect,
    Emit,
)
from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.wire_error import WireError

from .dialogue import Dialogue
from .items import chosen_items
from .offered import check_voice
from .quirks import Quirks
from .response import Plan, Response, Status
from .session_shape import RESPONSE
from .usage import rate_limits

Progress = AgentSaid | AudioMade | AgentCalled | AgentFinished


class Responses:
    """The responses of one session. `spoke` says whether any audio has been made: then the voice stays."""

    def __init__(
        self,
        dialogue: Dialogue,
        new_id: Callable[[str], str],
        pad: Callable[[str], str],
        quirks: Quirks,
    ) -> None:
        self.active: Response | None = None
        self.spoke = False
        self._dialogue = dialogue
        self._new_id = new_id
        self._pad = pad
        self._quirks = quirks
        self._created = self._used = 0
        self._running: dict[str, Response] = {}
        self._asked: set[str] = set()

    def create(self, session: Json, overrides: object) -> list[Effect]:
        """Start a response under the session's settings and those of `response.create`."""
        wanted: Json = RESPONSE(overrides, "response")
        beside = wanted.get("conversation") == "none"
        if self.active is not None and not beside:
            raise active_already(self.active.plan.response_id)
        plan, twice = self._plan(session, wanted, beside), self._quirks.part_twice
        response = Response(plan, self._new_id, self._pad, twice)
        self._created += 1
        self._running[response.plan.response_id] = response
        if not beside:
            self.active = response
        return [*map(Emit, response.created()), *self.ask()]

    def ask(self) -> list[Effect]:
        """Put the question to the agent for each response whose user audio is all transcribed."""
        effects: list[Effect] = []
        for response_id, response in self._running.items():
            plan = response.plan
            if response_id not in self._asked and self._dialogue.is_known(plan.input):
                self._asked.add(response_id)
                characters, ms = self._dialogue.size(plan.input)
                response.asked = len(plan.instructions) + characters, ms
                turn = self._dialogue.turn(plan.input, plan.instructions, plan.tools)
                spoken = plan.modality == "audio"
                effects.append(Answer(response_id, turn, spoken, plan.output["voice"], plan.output["speed"]))
        return effects

    def progress(self, fact: Progress) -> list[Effect]:
        """Take a piece of a reply, the last one if it reaches `max_output_tokens`.

        One for a response that is over changes nothing.
        """
        response = self._running.get(fact.response_id)
        if response is None:
            return []
        match fact:
            case AgentSaid():
                events = response.said(fact.text)
            case AudioMade() if response.message is None:
                return []
            case AudioMade():
                events = response.audio_made(fact.ms, fact.words, fact.delta)
                self.spoke = self.spoke or not response.cut_off
            case AgentCalled():
                events = response.called(fact.name, fact.arguments)
            case AgentFinished():
                return self._finish(fact)
        woven = self._weave(response, events)
        if not response.cut_off:
            return woven
        details = {"type": "incomplete", "reason": "max_output_tokens"}
        return [*woven, Abort(fact.response_id), *self._end(fact.response_id, "incomplete", details)]

    def cancel(self, response_id: str | None, reason: str) -> list[Effect]:
        """Break a response off, by default the active one."""
        if response_id is None and self.active is not None:
            response_id = self.active.plan.response_id
        if response_id is None or response_id not in self._running:
            raise WireError("Cancellation failed: no active response found", "response_cancel_not_active")
        details = {"type": "cancelled", "reason": reason}
        return [Abort(response_id), *self._end(response_id, "cancelled", details)]

    def interrupt(self, silenced: Iterable[str]) -> list[Effect]:
        """Let the user cut in: break off the active response, and those beside it that were `silenced`."""
        active = [self.active.plan.response_id] if self.active else []
        over = [one for one in dict.fromkeys([*silenced, *active]) if one in self._running]
        return [effect for one in over for effect in self.cancel(one, "turn_detected")]

    def runs(self, response_id: str) -> bool:
        """Tell whether a response is not over."""
        return response_id in self._running

    def open_message(self, response_id: str) -> str | None:
        """Return the id of the message that the response is saying, if it is."""
        response = self._running.get(response_id)
        return response.message["id"] if response and response.message else None

    def spoken_ms(self, response_id: str) -> float:
        """Return how much audio a running response has made."""
        response = self._running.get(response_id)
        return response.spoken_ms if response else 0.0

    def _finish(self, fact: AgentFinished) -> list[Effect]:
        """End a response whose agent is done."""
        if fact.failure is None:
            return self._end(fact.response_id, "completed", None)
        error = {"type": "server_error", "code": "agent_failed", "message": fact.failure}
        return self._end(fact.response_id, "failed", {"type": "failed", "error": error})

    def _end(self, response_id: str, status: Status, details: Json | None) -> list[Effect]:
        response = self._running.pop(response_id, None)
        if response is None:
            return []
        self._asked.discard(response_id)
        if response is self.active:
            self.active = None
        woven = self._weave(response, response.done(status, details))
        return [*woven, self._limits(response)] if self._quirks.tells_limits else woven

    def _limits(self, response: Response) -> Emit:
        """Tell what is left."""
        self._used += response.tokens
        return Emit(rate_limits(self._created, self._used))

    def _weave(self, response: Response, events: list[Json]) -> list[Effect]:
        """Add the conversation's own events to a response's: after an item is added, before it is done."""
        woven: list[Json] = []
        for event in events:
            kind = event["type"]
            if response.plan.conversation_id is None or not kind.startswith("response.output_item."):
                woven.append(event)
            elif kind == "response.output_item.added":
                item = response.items[event["output_index"]]
                self._dialogue.append(item, response.speech.get(item["id"]))
                woven += [event, self._dialogue.added(event["item"])]
            else:
                woven += [self._dialogue.replied(event["item"]), event]
        return [Emit(event) for event in woven]

    def _plan(self, session: Json, wanted: Json, beside: bool) -> Plan:
        settings: Any = {**session, **wanted}
        output = session["audio"]["output"] | wanted.get("audio", {}).get("output", {})
        if self.spoke:
            now = session["audio"]["output"]["voice"]
            check_voice(output["voice"], now, "response.audio.output.voice")
        chosen = wanted.get("input")
        return Plan(
            response_id=self._new_id("resp"),
            conversation_id=None if beside else self._dialogue.id,
            instructions=settings["instructions"],
            modality=settings["output_modalities"][0],
            tools=_offered(settings["tools"], settings["tool_choice"]),
            output=output,
            max_output_tokens=settings["max_output_tokens"],
            metadata=wanted.get("metadata"),
            input=None if chosen is None else tuple(chosen_items(self._dialogue.items, chosen, self._new_id)),
        )


def active_already(response_id: str) -> WireError:
    """Refuse a second response beside the one that runs."""
    message = (
        f"Conversation already has an active response in progress: {response_id}. Wait until it is done."
    )
    return WireError(message, "conversation_already_has_active_response")


def _offered(tools: list[Json], choice: str | Json) -> tuple[str, ...]:
    """Return the names of the functions that the agent may call; MCP tools need a hosted service."""
    names = tuple(tool["name"] for tool in tools if tool["type"] == "function")
    if isinstance(choice, dict):
        return tuple(name for name in names if name == choice.get("name"))
    return () if choice == "none" else names
