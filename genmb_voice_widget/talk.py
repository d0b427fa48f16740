"""Both sides of a headless conversation as events: what is said, what is heard, when a reply is cut.

Owns the microphone's queue, the playback clock's consequences and the log of what is sent. Pure but for
`send`: `tick` brings the time. It must not know sockets or tasks. Protocol facts: OpenAI Realtime API
reference, WebSocket; audio is PCM of 16 bits, mono, 24 kHz, both ways; the client, who plays the sound,
truncates what was not heard.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from typing import Any

from .asking import Said, Unanswered, concluded
from .clock import Clock
from .conversation import Conversation
from .errors import VoiceError
from .playback import Playback
from .protocol import canonical, strip_audio
from .sequencer import Sequencer
from .session import Session
from .wav import BYTES_PER_MS

CHUNK_MS = 20
CHUNK = CHUNK_MS * BYTES_PER_MS
REMEMBERED = 1000
"""So many events back a repeated one is known; more than come in a reply of half a minute."""


class Talk:
    """One conversation over a socket that somebody else holds.

    Args:
        conversation: gets the log.
        clock: the session's time.
        send: sends a client event, in order.
        session: tells the session's options as they are now.
    """

    def __init__(
        self,
        conversation: Conversation,
        clock: Clock,
        send: Callable[[dict[str, Any]], None],
        session: Callable[[], Session],
    ) -> None:
        self._conversation = conversation
        self._clock = clock
        self._transmit = send
        self._session = session
        self._playback = Playback()
        self._sequencer = Sequencer(self._send)
        self._speech = bytearray()
        self._last: Said | Unanswered = Said()
        self._muted = False
        self._heard: dict[str, None] = {}

    @property
    def quiet(self) -> bool:
        """Whether nobody speaks and no reply is wanted, being made or being played."""
        activity = self._conversation.state.activity
        # Where nobody answers by himself, a turn may stay without an answer.
        still = activity == "listening" or (activity == "thinking" and not self._session().auto_respond)
        return still and not self._sequencer.busy and not self._playback.playing

    @property
    def said(self) -> bool:
        """Whether all that was to be spoken has been."""
        return not self._speech

    def speak(self, sound: bytes) -> None:
        """Queue a sound, 16-bit mono samples at 24 kHz, for the microphone."""
        self._speech += sound
        self._last = Said()

    def say(self, text: str, item_id: str) -> None:
        """Put a message of the user into the conversation and have it answered; it cuts a reply short.

        Args:
            text: the words.
            item_id: the id of the new item, of at most 32 characters.
        """
        self.interrupt()
        content = [{"type": "input_text", "text": text}]
        item = {"id": item_id, "type": "message", "role": "user", "content": content}
        self._send({"type": "conversation.item.create", "event_id": item_id, "item": item})
        self._sequencer.request()

    def answer(self, items: Iterable[Mapping[str, Any]], response: Mapping[str, Any]) -> None:
        """Put what tools gave back into the conversation, and have it answered, once.

        Args:
            items: the outputs of one response's tools.
            response: in what the answer differs from what the session says.
        """
        for item in items:
            self._send({"type": "conversation.item.create", "event_id": item["id"], "item": dict(item)})
        self._sequencer.request(response)

    def interrupt(self) -> None:
        """Stop the reply that is being made or played."""
        self._sequencer.cancel()
        self._cut()

    def respond(self) -> None:
        """Have an answer made to what has been said so far, after a reply that is under way."""
        self._sequencer.request()

    def update(self, event_id: str, session: Mapping[str, Any]) -> None:
        """Tell the service what has changed of the session (`session.update`); its refusal names the id."""
        self._send({"type": "session.update", "event_id": event_id, "session": dict(session)})

    def mute(self, muted: bool) -> None:
        """Have the microphone hear nothing, or again what is spoken."""
        self._muted = muted

    def answered(self, turns: int, errors: int) -> bool:
        """Tell whether the turn of the user that was spoken last has been answered and the reply played.

        Where turns are not answered by themselves, it is enough that it stands in the conversation.

        Args:
            turns: how many turns there were before it.
            errors: how many errors.

        Raises:
            VoiceError: `response_failed`, also when the reply is cut before its first word or has none.
        """
        state = self._conversation.state
        for error in state.errors[errors:]:
            if error.code == "response_failed":
                raise VoiceError(error.code, error.detail)
        new = state.turns[turns:]
        if not self.quiet or not any(turn.role == "user" for turn in new):
            return False
        if not self._session().auto_respond:
            return all(turn.status != "in_progress" for turn in new)
        since = takewhile(lambda turn: turn.role != "user", reversed(new))
        reply = next((turn for turn in since if turn.role == "assistant"), None)
        if reply is None and isinstance(self._last, Unanswered):
            raise VoiceError(self._last.code, self._last.detail)
        return reply is not None and reply.status != "in_progress"

    def tick(self) -> None:
        """Let 20 ms pass: give the service that much sound, and note what has been played."""
        chunk = bytes(self._speech[:CHUNK])
        del self._speech[:CHUNK]
        heard = bytes(CHUNK) if self._muted else chunk.ljust(CHUNK, b"\0")
        event = {"type": "input_audio_buffer.append", "audio": base64.b64encode(heard).decode()}
        if chunk:
            self._send(event)
            if not self._speech and self._session().turn_detection is None:
                self._commit()
        elif self._session().turn_detection is not None:
            # The service needs silence to find the end of a turn; the log does not.
            self._transmit(event)
        now = self._clock.now()
        for response_id in self._playback.finished(now):
            self._played("stopped", response_id, now)

    def hear(self, raw: dict[str, Any]) -> None:
        """Take an event of the service, once, however often it comes."""
        if self._repeats(raw.get("event_id")):
            return
        event, now = strip_audio(canonical(raw)), self._clock.now()
        match event:
            case {"type": "response.output_audio.delta", "delta_bytes": int(size)}:
                first = self._playback.add(now, event, size)
                if first is not None:
                    self._played("started", first, now)
        self._conversation.append(event, "in", now)
        self._sequencer.observe(event)
        match event:
            case {"type": "response.done", "response": {"id": str(response_id), **response}}:
                self._playback.complete(response_id)
                if response.get("conversation_id", "") is not None:  # else it runs beside the conversation
                    self._last = concluded(response)
            case {"type": "input_audio_buffer.speech_started"} if self._session().interruptible:
                self._cut()
        self._conversation.feed()  # whoever waits for `quiet` looks again

    def _repeats(self, event_id: object) -> bool:
        """Tell whether an event of this id has been heard lately; its sound would be played twice."""
        if not isinstance(event_id, str) or not event_id:
            return False
        if event_id in self._heard:
            return True
        self._heard[event_id] = None
        if len(self._heard) > REMEMBERED:
            del self._heard[next(iter(self._heard))]
        return False

    def _commit(self) -> None:
        """End the user's turn: with no turn detection nobody else does."""
        self._send({"type": "input_audio_buffer.commit", "event_id": "commit"})
        if self._session().auto_respond:
            self._sequencer.request()

    def _cut(self) -> None:
        """Fall silent, and tell the service how much of the reply was heard; it knows only what it sent."""
        cut = self._playback.cut(self._clock.now())
        if cut is None:
            return
        if cut.audio_end_ms:
            self._send(
                {
                    "type": "conversation.item.truncate",
                    "event_id": f"cut_{cut.item_id}",  # else its refusal could be taken for a response's
                    "item_id": cut.item_id,
                    "content_index": cut.content_index,
                    "audio_end_ms": cut.audio_end_ms,
                }
            )
        for response_id in cut.response_ids:
            self._played("cleared", response_id, self._clock.now())

    def _played(self, what: str, response_id: str, t: int) -> None:
        """Write what a service that plays the sound itself, as over WebRTC, would have told us."""
        event = {"type": f"output_audio_buffer.{what}", "response_id": response_id}
        self._conversation.append(event, "in", t)

    def _send(self, event: dict[str, Any]) -> None:
        self._transmit(event)
        self._conversation.append(strip_audio(event), "out", self._clock.now())
