"""What the local peer does with a client event, and what it tells its clients when something happens.

A pure state machine: client events and facts in, effects out; no audio, no clock, no asyncio. Event names,
orders and errors are those of the OpenAI Realtime API reference (GA) as recorded from the hosted services.
Knows the session, the dialogue, the responses and the two buffers; of transports only who plays
the audio: the server (WebRTC) or the client (WebSocket).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Literal

from genmb_voice_widget.peer.facts import (
    AgentCalled,
    AgentFinished,
    AgentSaid,
    AudioMade,
    AudioReceived,
    AwaitUser,
    ClearOutput,
    Close,
    Configure,
    DropInput,
    Effect,
    Emit,
    Expired,
    Fact,
    Hear,
    IdleElapsed,
    PlaybackStarted,
    PlaybackStopped,
    Played,
    SpeechStarted,
    SpeechStopped,
    Transcribe,
    Transcribed,
)
from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.stages import Transcript, Transport
from genmb_voice_widget.peer.wire_error import WireError

from . import session_config
from .client_events import own_id, read_audio, read_event
from .dialogue import Dialogue
from .listening import Listening
from .playback import Playback
from .quirks import NONE, Quirks
from .responses import Progress, Responses


class Protocol:
    """One session. `client` and `fact` take what happened and return what to do about it, in order."""

    def __init__(
        self,
        session: Json,
        transport: Transport,
        new_id: Callable[[str], str],
        pad: Callable[[str], str],
        quirks: Quirks = NONE,
    ) -> None:
        self.session = session
        self._server_plays = transport == "webrtc"
        self._new_id = new_id
        self._without = quirks.without
        self._dialogue = Dialogue(new_id, pad)
        self._responses = Responses(self._dialogue, self._dialogue.new_id, pad, quirks)
        self._listening = Listening(self._dialogue.new_id)
        self._playback = Playback()
        self._reply_owed = False

    def open(self) -> list[Effect]:
        """Begin: the session as it is, then whatever the clients send."""
        event = {"type": "session.created", "session": copy.deepcopy(self.session)}
        return self._stamp([Configure(self.session), Emit(event)])

    def client(self, event: Any) -> list[Effect]:
        """Take a client event (any JSON); what cannot be met becomes an `error` event and changes nothing."""
        try:
            return self._stamp(self._obey(*read_event(event)))
        except WireError as refused:
            return self._stamp([Emit(refused.event(own_id(event)))])

    def fact(self, fact: Fact) -> list[Effect]:
        """Take something that happened inside the peer."""
        return self._stamp(self._learn(fact))

    def speaking_item(self, response_id: str) -> str | None:
        """Return the id of the item that audio made for a response belongs to, None when it is over."""
        return self._responses.open_message(response_id)

    def _obey(self, kind: str, body: Json) -> list[Effect]:
        match kind:
            case "session.update":
                return self._update(body["session"])
            case "input_audio_buffer.append":
                return [self._append(body["audio"])]
            case "input_audio_buffer.commit":
                self._listening.require_audio()
                return self._commit()
            case "input_audio_buffer.clear":
                self._listening.clear()
                return [DropInput(), Emit({"type": "input_audio_buffer.cleared"})]
            case "output_audio_buffer.clear":
                return self._clear_output()
            case "conversation.item.create":
                return _emit(self._dialogue.create(body["item"], body.get("previous_item_id")))
            case "conversation.item.retrieve":
                return _emit(self._dialogue.retrieve(body["item_id"]))
            case "conversation.item.truncate":
                return _emit(self._dialogue.truncate(body["item_id"], body["audio_end_ms"]))
            case "conversation.item.delete":
                return _emit(self._dialogue.delete(body["item_id"]))
            case "response.create":
                return self._responses.create(self.session, body.get("response") or {})
            case _:
                return self._over(self._responses.cancel(body.get("response_id"), "client_cancelled"))

    def _learn(self, fact: Fact) -> list[Effect]:
        match fact:
            case AudioReceived(ms):
                self._listening.buffered_ms += ms
                return []
            case SpeechStarted(audio_start_ms):
                started = Emit(self._listening.started(audio_start_ms))
                return [started, *self._interrupt()]
            case SpeechStopped(audio_end_ms):
                stopped = Emit(self._listening.stopped(audio_end_ms))
                return [stopped, *self._commit(), *self._reply()]
            case IdleElapsed(audio_start_ms, audio_end_ms):
                return self._idle(audio_start_ms, audio_end_ms)
            case Transcribed(item_id, transcript, seconds):
                config = self.session["audio"]["input"]["transcription"]
                events = self._dialogue.transcribed(item_id, transcript, seconds, config)
                return [*_emit(events), *self._responses.ask()]
            case AgentSaid() | AudioMade() | AgentCalled() | AgentFinished():
                return self._progress(fact)
            case PlaybackStarted(response_id):
                return [Emit(self._playback.started(response_id))]
            case Played(item_id, ms):
                self._playback.played(item_id, ms)
                return []
            case PlaybackStopped(response_id):
                return [Emit(self._playback.stopped(response_id)), AwaitUser(0)]
            case Expired():
                message = "Your session hit the maximum duration of 60 minutes."
                return [Emit(WireError(message, "session_expired").event(None)), Close()]

    def _progress(self, fact: Progress) -> list[Effect]:
        """Take a piece of a reply, and go on if it was the last."""
        response_id = fact.response_id
        speaking, ms = self._responses.open_message(response_id), self._responses.spoken_ms(response_id)
        effects = self._responses.progress(fact)
        if not self._responses.runs(response_id):
            return self._over(effects, response_id, ms)
        if self._server_plays and speaking is not None and isinstance(fact, AudioMade):
            self._playback.queued(response_id, speaking)
        return effects

    def _update(self, patch: Any) -> list[Effect]:
        spoke, without = self._responses.spoke, self._without
        self.session = session_config.update_session(self.session, patch, spoke, without)
        updated = Emit({"type": "session.updated", "session": copy.deepcopy(self.session)})
        return [Configure(self.session), updated]

    def _append(self, audio: str) -> Effect:
        if self._server_plays:
            message = (
                "Audio comes by the media track of this session; input_audio_buffer.append is not supported."
            )
            raise WireError(message, "invalid_event", "type")
        return Hear(read_audio(audio))

    def _commit(self) -> list[Effect]:
        item_id, ms = self._listening.take()
        return [*_emit(self._dialogue.commit_audio(item_id, ms)), Transcribe(item_id)]

    def _idle(self, audio_start_ms: int, audio_end_ms: int) -> list[Effect]:
        """Answer silence: an empty turn of the user's, and a response to it."""
        if self._responses.active is not None:
            return []
        item_id, ms = self._listening.take()
        span = {"audio_start_ms": audio_start_ms, "audio_end_ms": audio_end_ms, "item_id": item_id}
        events = [{"type": "input_audio_buffer.timeout_triggered", **span}]
        events += self._dialogue.commit_audio(item_id, ms)
        self._dialogue.transcribed(item_id, Transcript(""), ms / 1000, None)
        return [DropInput(), *_emit(events), *self._reply()]

    def _reply(self) -> list[Effect]:
        """Start the response that a turn of the user asks for, now or when the running one is over."""
        if not self._allows("create_response"):
            return []
        if self._responses.active is not None:
            self._reply_owed = True
            return []
        self._reply_owed = False
        return self._responses.create(self.session, {})

    def _interrupt(self) -> list[Effect]:
        """Let the user cut in: silence first, then the response's end, then what was heard of it."""
        if not self._allows("interrupt_response"):
            return []
        silence, silenced, cut = self._silence()
        return [*silence, *self._responses.interrupt(silenced), *_emit(self._dialogue.cut_at(cut))]

    def _clear_output(self) -> list[Effect]:
        if not self._server_plays:
            message = "output_audio_buffer.clear is for sessions whose audio the server plays (WebRTC)."
            raise WireError(message, "invalid_event", "type")
        silence, _, cut = self._silence()
        return [*silence, *_emit(self._dialogue.cut_at(cut))]

    def _silence(self) -> tuple[list[Effect], list[str], list[tuple[str, int]]]:
        """Clear the output: effects, the responses that fell silent, and the ms heard of each item."""
        events, cut = self._playback.cleared()
        silence = [ClearOutput(), *_emit(events)] if events else []
        return silence, [event["response_id"] for event in events], cut

    def _over(
        self, ended: list[Effect], response_id: str | None = None, spoken_ms: float = 0.0
    ) -> list[Effect]:
        """Go on after a response: the reply that is owed, or the user's turn."""
        if not ended or self._responses.active is not None:
            return ended
        if self._reply_owed:
            self._reply_owed = False
            return [*ended, *self._responses.create(self.session, {})]
        if response_id is not None and self._playback.holds(response_id):
            return ended
        return [*ended, AwaitUser(0 if self._server_plays else spoken_ms)]

    def _allows(self, rule: Literal["create_response", "interrupt_response"]) -> bool:
        return bool((self.session["audio"]["input"]["turn_detection"] or {}).get(rule))

    def _stamp(self, effects: list[Effect]) -> list[Effect]:
        """Give every event its id, right behind its type."""
        stamped: list[Effect] = []
        for effect in effects:
            if isinstance(effect, Emit):
                event = {"type": effect.event["type"], "event_id": self._new_id("event")}
                effect = Emit(event | effect.event)
            stamped.append(effect)
        return stamped


def _emit(events: list[Json]) -> list[Effect]:
    return [Emit(event) for event in events]
