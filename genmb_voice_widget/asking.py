"""What becomes of a message that wants a reply: the reply, or why there will be none.

Owns the reading of the log from the message on. It must not know who holds the call, nor how to wait.
Protocol facts: OpenAI Realtime API reference, response.create, response.created, response.done and error: a
refusal names the `event_id` of what it refuses, which for an item is the item's id, though not every service
does; a request for a response is looked at in its turn, so between it and a response an error that names
nothing is the refusal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .conversation import Conversation
from .errors import VoiceError
from .fold.replies import reason_of
from .protocol import Envelope, load
from .reading import elements, name, record, text
from .sequencer import BUSY
from .state import Turn

_NO_WORDS = "It had no words."
_CUT = "It was interrupted before its first word."


@dataclass(frozen=True, slots=True)
class Given:
    """The message has been given to whoever holds the call."""


@dataclass(frozen=True, slots=True)
class Said:
    """It is in the conversation; a response is still to be asked for, perhaps again.

    Attributes:
        ours: the responses to it so far, which called tools.
    """

    ours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Requested:
    """A response was asked for."""

    event_id: str | None
    ours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answering:
    """A response came, to the request of `event_id` unless that is refused yet."""

    event_id: str | None
    response_id: str
    before: tuple[str, ...] = ()

    @property
    def ours(self) -> tuple[str, ...]:
        """The responses to the message so far."""
        return (*self.before, self.response_id)


@dataclass(frozen=True, slots=True)
class Lost:
    """The request lost a race; unless it was cancelled, it is made again as soon as the winner is `over`."""

    ours: tuple[str, ...]
    over: bool = False


@dataclass(frozen=True, slots=True)
class Adrift:
    """It is in the conversation, but part of the log is missing: any reply after it can be the one."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """There will be no reply, and why, unless the responses have left words."""

    code: str
    detail: str | None
    ours: tuple[str, ...] = ()


Stage = Given | Said | Requested | Answering | Lost | Adrift | Unanswered


class Question:
    """A message of ours that is about to be said; call it to look what has become of it.

    Args:
        conversation: where it is said.

    Attributes:
        item_id: its item's id, of at most 32 characters (OpenAI Realtime API reference,
            conversation.item.create).
    """

    def __init__(self, conversation: Conversation) -> None:
        self.item_id = f"item_{os.urandom(12).hex()}"
        self._conversation = conversation
        self._log_id = conversation.log_id
        self._errors = len(conversation.state.errors)
        self._read: tuple[int, Stage] = (conversation.told, Given())

    def __call__(self) -> Turn | None:
        """Return the agent's first finished turn in answer to it, None while it is made or played.

        Raises:
            VoiceError: `response_failed`, also when a reply is cut before its first word or has none;
                `provider_error` or `session_expired`, in the service's words, when it refuses the message or
                a reply; what else kept the message from the conversation.
        """
        stage, state = self._follow(), self._conversation.state
        for error in state.errors:
            if error.item_id == self.item_id:
                raise VoiceError(error.code, error.detail)
        match stage:
            case Given():
                return None
            case Adrift():
                replies = self._after()
                self._look_for_failure(bool(replies))
            case _:
                turns = (turn for turn in state.turns if turn.role == "assistant")
                replies = [turn for turn in turns if turn.response_id in stage.ours]
        if isinstance(stage, Unanswered) and not replies:
            raise VoiceError(stage.code, stage.detail)
        reply = next((turn for turn in replies if turn.status != "in_progress"), None)
        heard = reply is not None and (
            reply.status == "interrupted" or reply.response_id not in state.responses
        )
        return reply if heard else None

    def _follow(self) -> Stage:
        """Read the log to its end; two threads that do it at once read the same."""
        seq, stage = self._read
        if self._conversation.log_id == self._log_id:
            for envelope in self._conversation.after(seq):
                seq, stage = envelope.seq, follow(stage, self.item_id, envelope)
            self._read = seq, stage
        return stage

    def _after(self) -> list[Turn]:
        turns = iter(self._conversation.state.turns)
        said = any(turn.id == self.item_id for turn in turns)
        return [turn for turn in turns if turn.role == "assistant"] if said else []

    def _look_for_failure(self, replied: bool) -> None:
        """Raise what has gone wrong since, when the log does not tell of what."""
        state = self._conversation.state
        for error in state.errors[self._errors :]:
            refused = error.code == "provider_error" and error.item_id is None and not replied
            if error.code == "response_failed" or (refused and state.activity == "listening"):
                raise VoiceError(error.code, error.detail)


def follow(stage: Stage, item_id: str, envelope: Envelope) -> Stage:
    """Read one envelope of the log; one that says nothing about the message leaves the stage as it is."""
    event = envelope.event
    match stage, envelope.dir, event:
        case Given(), "out", {"type": "conversation.item.create", "item": {"id": item}} if item == item_id:
            return Said()
        case Given(), "in", {"item": {"id": item}} if item == item_id:
            return Adrift()  # that it was said is in a gap
        case Unanswered(), _, _:
            return stage
        case _, "own", {"type": "genmb.snapshot"}:
            return stage if isinstance(stage, Given) and not _holds(event, item_id) else Adrift()
        case Said(ours) | Lost(ours), "out", {"type": "response.create"}:
            return Requested(name(event.get("event_id")), ours)
        case Lost(ours, True), "in", _:
            return Unanswered("response_failed", _CUT, ours)
        case Requested() | Answering(), "in", {"type": "error", "error": {**error}}:
            return _refused(stage, error)
        case _, "in", {"type": str(), "response": {"conversation_id": None}}:
            return stage  # it runs beside the conversation
        case Lost(ours), "in", {"type": "response.done"}:
            return Lost(ours, over=True)
        case Requested(event_id, ours), "in", {"type": "response.created", "response": {"id": str(id)}}:
            return Answering(event_id, id, ours)
        case Answering(_, id), "in", {"type": "response.done", "response": {**response}}:
            return concluded(response, stage.ours) if response.get("id") == id else stage
        case _:
            return stage


def _holds(snapshot: Mapping[str, Any], item_id: str) -> bool:
    items = elements(record(snapshot.get("state")).get("items"))
    return any(record(item).get("id") == item_id for item in items)


def _refused(stage: Requested | Answering, error: Mapping[Any, Any]) -> Stage:
    """Tell what an error does to the request: one that lost a race will be made again."""
    code, about = text(error.get("code")), error.get("event_id")
    if about not in (None, stage.event_id):
        return stage
    if code == BUSY:
        return Lost(stage.before if isinstance(stage, Answering) else stage.ours)
    if isinstance(stage, Answering) or (about is None and code in load().benign_errors):
        return stage
    detail = name(error.get("message")) or name(code)
    return Unanswered("session_expired" if code == "session_expired" else "provider_error", detail)


def concluded(response: Mapping[Any, Any], ours: tuple[str, ...] = ()) -> Said | Unanswered:
    """Tell what a response that is over means for what it was to answer, if it has left no words.

    Args:
        response: as `response.done` shows it.
        ours: the responses to the same message so far.
    """
    match response.get("status"):
        case "cancelled":
            return Unanswered("response_failed", _CUT, ours)
        case "failed" | "incomplete":
            return Unanswered("response_failed", reason_of(response))
    if any(record(item).get("type") == "function_call" for item in elements(response.get("output"))):
        return Said(ours)  # the next response has the words; after a call of the service's own none need come
    return Unanswered("response_failed", _NO_WORDS, ours)
