"""The seams between the peer's protocol and the speech stages: what a stage must look like, and nothing else.

Owns the Protocols and the values that cross them. Knows no implementation, no transport and no wire event.
All audio is mono int16: 16 kHz towards `Vad` and `Stt`, 24 kHz from `Tts`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
Transport = Literal["webrtc", "websocket"]

LISTEN_RATE = 16_000
SPEAK_RATE = 24_000

UNCLEAR = "(unclear)"
"""What stands for speech that the recogniser does not trust wherever the user's words are written down.

A guess is never written there: out of a closed set of phrases it is a whole sentence that was hardly said,
and whoever reads it, a person or a program, would take it for the user's. Only the agent is told the guess:
it may ask whether that was meant.
"""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was heard in one user turn.

    `confidence` is 0..1. `accepted` is false when the recogniser heard speech that it does not trust;
    `text` may then be empty (nothing usable) or a guess, of which clients are shown `UNCLEAR`.
    """

    text: str
    confidence: float = 1.0
    accepted: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """One finished turn of the conversation, oldest first in a history."""

    role: Literal["user", "assistant", "system"]
    text: str


@dataclass(frozen=True, slots=True)
class ToolOutput:
    """The result of a function call, as the client sent it."""

    call_id: str
    name: str
    output: str


@dataclass(frozen=True, slots=True)
class UserTurn:
    """What the agent answers.

    `text` is the newest user turn ("" when nothing new was said: a follow-up after a tool, or an idle
    timeout). `accepted` is the transcript's: where it is false, `text` is a guess. `history` are the turns
    before it, with `UNCLEAR` for what was not accepted. `tools` are the names of the functions declared for
    this response. `tool_outputs` are those that arrived since the assistant last spoke: not empty means that
    this is the follow-up response. `instructions` are those in force.
    """

    text: str
    history: tuple[Message, ...] = ()
    tools: tuple[str, ...] = ()
    tool_outputs: tuple[ToolOutput, ...] = ()
    instructions: str = ""
    accepted: bool = True


@dataclass(frozen=True, slots=True)
class Say:
    """A piece of the reply, a sentence or so; pieces are joined by a space."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """The agent wants a function called; the peer passes it to the client."""

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A piece of synthetic speech: int16 mono 24 kHz.

    `words` are the words that begin in this chunk, each with its start in ms from the beginning of the text
    that was given to `Tts.synth` (not of the chunk).
    """

    pcm: Pcm
    words: tuple[tuple[str, int], ...] = ()


class Vad(Protocol):
    """Says how likely a frame is speech. Stateful, one a session; called on the event loop, so it is fast."""

    rate: Literal[16_000]
    frame_samples: int

    def __call__(self, frame: Pcm) -> float:
        """Return the probability 0..1 that `frame` (exactly `frame_samples` long, 16 kHz) is speech."""
        ...

    def reset(self) -> None:
        """Forget the past of the stream."""
        ...


class SttStream(Protocol):
    """The recogniser at work on one user turn."""

    def feed(self, pcm: Pcm) -> None:
        """Take more audio (16 kHz, any length). Must return at once: called on the event loop."""
        ...

    async def finish(self) -> Transcript:
        """End the turn and return the final transcript. Called at most once."""
        ...

    def close(self) -> None:
        """Free what the stream holds, finished or not. Idempotent."""
        ...


class Stt(Protocol):
    """A recogniser: opens one stream for each user turn."""

    def open(self) -> SttStream:
        """Open a new stream; cheap, called on the event loop when speech begins."""
        ...


class Agent(Protocol):
    """Decides what to answer."""

    def reply(self, turn: UserTurn) -> AsyncGenerator[Say | Call, None]:
        """Yield the answer's pieces in order. The peer closes the generator (`aclose`) on interruption."""
        ...


class Tts(Protocol):
    """Turns text into sound."""

    def synth(self, text: str, voice: str, speed: float) -> AsyncGenerator[AudioChunk, None]:
        """Yield speech for `text` as it is made, faster than real time. `aclose` stops the synthesis.

        `voice` is the name of a voice (unknown ones get the default voice), `speed` is 0.25..1.5.
        """
        ...


def _nothing() -> None:
    """Stages without resources need no closing."""


@dataclass(frozen=True, slots=True)
class Stages:
    """The four stages that the peer runs. `make_vad` makes one for each session; `close` ends workers.

    `model` is the agent's name, which sessions may ask for; `voice` speaks where a session names none.
    """

    make_vad: Callable[[], Vad]
    stt: Stt
    agent: Agent
    tts: Tts
    close: Callable[[], None] = _nothing
    model: str = "scripted"
    voice: str = "alloy"
