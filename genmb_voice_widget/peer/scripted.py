"""Deterministic stand-ins for the four stages: no models, no voice, no randomness.

Used by tests and where the speech packages are missing. Knows the seams and nothing of the wire.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Literal

import numpy as np

from .stages import SPEAK_RATE, AudioChunk, Call, Pcm, Say, Stages, SttStream, Transcript, UserTurn

MS_PER_WORD = 240
CHUNK_MS = 60


class EnergyVad:
    """Speech is what is louder than -40 dBFS. Right for synthetic signals and silence, not for rooms."""

    rate: Literal[16_000] = 16_000
    frame_samples = 512

    def __call__(self, frame: Pcm) -> float:
        """Return 0.0 at or below -46 dBFS, 1.0 at or above -34 dBFS, linear between."""
        rms = float(np.sqrt(np.mean(np.square(frame.astype(np.float32) / 32768.0))))
        level = 20.0 * float(np.log10(max(rms, 1e-6)))
        return min(1.0, max(0.0, (level + 46.0) / 12.0))

    def reset(self) -> None:
        """There is no past to forget."""


class ScriptedStt:
    """Gives the queued transcripts one by one, whatever is said; when they run out, an unintelligible one."""

    def __init__(self, transcripts: Iterable[str | Transcript] = ()) -> None:
        self._queue = deque(t if isinstance(t, Transcript) else Transcript(t) for t in transcripts)

    def push(self, transcript: str | Transcript) -> None:
        """Queue one more."""
        self._queue.append(transcript if isinstance(transcript, Transcript) else Transcript(transcript))

    def open(self) -> SttStream:
        """Open a stream that ignores its audio."""
        return _ScriptedStream(self._queue)


class _ScriptedStream:
    """Takes its transcript only when finished, so streams that are dropped use none up."""

    def __init__(self, queue: deque[Transcript]) -> None:
        self._queue = queue

    def feed(self, pcm: Pcm) -> None:
        pass

    async def finish(self) -> Transcript:
        return self._queue.popleft() if self._queue else Transcript("", 0.0, accepted=False)

    def close(self) -> None:
        pass


class ToneTts:
    """A sine whose length follows the text: 240 ms a word at speed 1, in chunks of 60 ms, with word times."""

    def __init__(self, hertz: float = 440.0) -> None:
        self._hertz = hertz

    async def synth(self, text: str, voice: str, speed: float) -> AsyncGenerator[AudioChunk, None]:
        """Yield the tone for `text`; the voice changes nothing."""
        words = text.split()
        word_ms = round(MS_PER_WORD / speed)
        starts = [(word, index * word_ms) for index, word in enumerate(words)]
        time = np.arange(len(words) * word_ms * SPEAK_RATE // 1000) / SPEAK_RATE
        tone = (np.sin(2 * np.pi * self._hertz * time) * 8000).astype(np.int16)
        step = CHUNK_MS * SPEAK_RATE // 1000
        for at in range(0, len(tone), step):
            first, last = at * 1000 // SPEAK_RATE, (at + step) * 1000 // SPEAK_RATE
            yield AudioChunk(tone[at : at + step], tuple(w for w in starts if first <= w[1] < last))


class DictAgent:
    """Answers by looking the user's words up; a `Call` asks for a tool and its output is read back."""

    def __init__(
        self, replies: Mapping[str, str | Call | tuple[str | Call, ...]], otherwise: str = "I do not know."
    ) -> None:
        self._replies = {key.casefold(): value for key, value in replies.items()}
        self._otherwise = otherwise

    async def reply(self, turn: UserTurn) -> AsyncGenerator[Say | Call, None]:
        """Yield the pieces for `turn.text`; after tools, what the tools said."""
        if turn.tool_outputs:
            for output in turn.tool_outputs:
                yield Say(output.output)
            return
        found = self._replies.get(turn.text.strip(" .!?").casefold(), self._otherwise)
        for piece in found if isinstance(found, tuple) else (found,):
            yield Say(piece) if isinstance(piece, str) else piece


def scripted_stages(
    transcripts: Iterable[str | Transcript] = (),
    replies: Mapping[str, str | Call | tuple[str | Call, ...]] | None = None,
) -> Stages:
    """Put all four stand-ins together."""
    return Stages(EnergyVad, ScriptedStt(transcripts), DictAgent(replies or {}), ToneTts())
