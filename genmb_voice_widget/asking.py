"""What becomes of a message that wants a reply: the reply, or why there will be none.

Owns the reading of the log from the message on. It must not know who holds the call, nor how to wait.
Protocol facts: OpenAI Realtime API reference, response.create, response.created, response.done and error: a
refusal names the `event_id` of what it refuses, though not every service does; a request for a response is
looked at in its turn, so between it and a response an error that names nothing is the refusal.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .conversation import Conversation
from .errors import VoiceError
from .protocol import Envelope, load
from .reading import elements, name, record, text
from .sequencer import BUSY
from .state import Turn

_UNSAID = ("message_too_long", "not_live", "internal")
"""What can keep a message from the conversation that was given to whoever holds the call."""


@dataclass(frozen=True, slots=True)
class Given:
    """The message has been given to whoever holds the call."""


@dataclass(frozen=True, slots=True)
class Said:
    """It is in the conversation; a response is still to be asked for, perhaps again."""


@dataclass(frozen=True, slots=True)
class Requested:
    """A response was asked for."""

    event_id: str | None


@dataclass(frozen=True, slots=True)
class Answering:
    """A response came, to the request of `event_id` unless that is refused yet."""

    event_id: str | None
    response_id: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """There will be no reply, and why, unless the response has left words."""

    code: str
    detail: str | None
    response_id: str | None = None


Stage = Given | Said | Requested | Answering | Unanswered


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
        self._seq = conversation.state.seq
        self._errors = len(conversation.state.errors)
        self._stage: Stage = Given()

    def __call__(self) -> Turn | None:
        """Return the agent's first finished turn after the message, None while it is made or played.

        Raises:
            VoiceError: `response_failed`, also when a reply is cut before its first word or has none;
                `provider_error` or `session_expired`, in the service's words, when it refuses to reply; what
                kept the message from the conversation.
        """
        for envelope in self._conversation.after(self._seq):
            self._seq = envelope.seq
            self._stage = follow(self._stage, self.item_id, envelope)
        state = self._conversation.state
        for error in state.errors[self._errors :]:
            if error.code == "response_failed":
                raise VoiceError(error.code, error.detail)
        turns = iter(state.turns)
        said = any(turn.id == self.item_id for turn in turns)
        replies = [turn for turn in turns if turn.role == "assistant"] if said else []
        if isinstance(self._stage, Unanswered):
            replies = [turn for turn in replies if turn.response_id in (None, self._stage.response_id)]
            if not replies:
                raise VoiceError(self._stage.code, self._stage.detail)
        reply = next((turn for turn in replies if turn.status != "in_progress"), None)
        heard = reply is not None and (
            reply.status == "interrupted" or reply.response_id not in state.responses
        )
        return reply if heard else None


def follow(stage: Stage, item_id: str, envelope: Envelope) -> Stage:
    """Read one envelope of the log; one that says nothing about the message leaves the stage as it is."""
    event = envelope.event
    match stage, envelope.dir, event:
        case Given(), "out", {"type": "conversation.item.create", "item": {"id": item}} if item == item_id:
            return Said()
        case Given(), "own", {"type": "genmb.error", "code": code} if code in _UNSAID:
            return Unanswered(code, text(event.get("detail")))
        case Said(), "out", {"type": "response.create"}:
            return Requested(name(event.get("event_id")))
        case Requested() | Answering(), "in", {"type": "error", "error": {**error}}:
            return _refused(stage, error)
        case Requested(), "in", {"type": "response.created", "response": {"conversation_id": None}}:
            return stage  # it runs beside the conversation
        case Requested(event_id), "in", {"type": "response.created", "response": {"id": str(response_id)}}:
            return Answering(event_id, response_id)
        case Answering(_, id), "in", {"type": "response.done", "response": {**response}}:
            return _done(id, response) if response.get("id") == id else stage
        case _:
            return stage


def _refused(stage: Requested | Answering, error: Mapping[Any, Any]) -> Stage:
    """Tell what an error does to the request: one that lost a race will be made again."""
    code, about = text(error.get("code")), error.get("event_id")
    if about not in (None, stage.event_id):
        return stage
    if code == BUSY:
        return Said()
    if isinstance(stage, Answering) or (about is None and code in load().benign_errors):
        return stage
    detail = name(error.get("message")) or name(code)
    return Unanswered("session_expired" if code == "session_expired" else "provider_error", detail)


def _done(response_id: str, response: Mapping[Any, Any]) -> Stage:
    """Tell what a response that is over means for the message, if it has left no words."""
    if response.get("status") == "cancelled":
        return Unanswered("response_failed", "It was interrupted before its first word.", response_id)
    if any(record(item).get("type") != "message" for item in elements(response.get("output"))):
        return Said()  # it called functions: the next response has the words
    return Unanswered("response_failed", "It had no words.", response_id)
