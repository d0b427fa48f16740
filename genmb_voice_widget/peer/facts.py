"""What the protocol is told and what it asks for: the vocabulary between the pure machine and its driver.

Facts go in (speech was heard, a word was played), effects come out (send this, start that). Values only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .stages import Transcript, UserTurn


@dataclass(frozen=True, slots=True)
class AudioReceived:
    """`ms` of user audio were added to the input buffer."""

    ms: float


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The detector heard the user begin, `audio_start_ms` into the session's input audio."""

    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The detector is sure that the user has finished; the audio up to `audio_end_ms` is the turn."""

    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class IdleElapsed:
    """The user said nothing for `idle_timeout_ms` after the last reply had been played."""

    audio_start_ms: int
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The recogniser's answer for a user item; None: it failed. `seconds` is the length of its audio."""

    item_id: str
    transcript: Transcript | None
    seconds: float


@dataclass(frozen=True, slots=True)
class AgentSaid:
    """The agent gave a piece of its reply."""

    response_id: str
    text: str


@dataclass(frozen=True, slots=True)
class AudioMade:
    """`ms` of speech were made for the text said last. `delta` is its base64 where the transport wants it."""

    response_id: str
    ms: float
    words: tuple[tuple[str, int], ...] = ()
    delta: str | None = None


@dataclass(frozen=True, slots=True)
class AgentCalled:
    """The agent wants a function called."""

    response_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AgentFinished:
    """The agent's reply is complete and all its speech is made; with `failure`, it broke off instead."""

    response_id: str
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The first audio of a response leaves the server (WebRTC)."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Played:
    """Of the item's audio, `ms` have left the server so far (WebRTC)."""

    item_id: str
    ms: float


@dataclass(frozen=True, slots=True)
class PlaybackStopped:
    """The last audio of a response has left the server (WebRTC)."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Expired:
    """The session has reached its longest allowed time."""


Fact = (
    AudioReceived
    | SpeechStarted
    | SpeechStopped
    | IdleElapsed
    | Transcribed
    | AgentSaid
    | AudioMade
    | AgentCalled
    | AgentFinished
    | PlaybackStarted
    | Played
    | PlaybackStopped
    | Expired
)


@dataclass(frozen=True, slots=True)
class Emit:
    """Send this server event; it is complete."""

    event: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Hear:
    """Put these bytes, in the session's input format, into the input buffer (WebSocket)."""

    audio: bytes


@dataclass(frozen=True, slots=True)
class Transcribe:
    """The input buffer became this user item: have it recognised and report `Transcribed`."""

    item_id: str


@dataclass(frozen=True, slots=True)
class DropInput:
    """Forget the input buffer."""


@dataclass(frozen=True, slots=True)
class Configure:
    """The session changed: take turn detection and formats from it."""

    session: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """Ask the agent; with `audio`, speak what it says in `voice` at `speed`."""

    response_id: str
    turn: UserTurn
    audio: bool
    voice: str
    speed: float


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop the agent and the synthesis for this response."""

    response_id: str


@dataclass(frozen=True, slots=True)
class ClearOutput:
    """Throw away all audio that has not been played (WebRTC)."""


@dataclass(frozen=True, slots=True)
class AwaitUser:
    """The reply will have been played in `after_ms`: from then on the user is idle."""

    after_ms: float


@dataclass(frozen=True, slots=True)
class Offered:
    """A client offers a call on its socket, by this SDP: answer it (Voice Live)."""

    sdp: str


@dataclass(frozen=True, slots=True)
class Close:
    """End the session."""


Effect = (
    Emit
    | Hear
    | Transcribe
    | DropInput
    | Configure
    | Answer
    | Abort
    | ClearOutput
    | AwaitUser
    | Offered
    | Close
)
