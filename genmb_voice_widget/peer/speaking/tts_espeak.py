"""Speech by espeak-ng inside the peer's process: the library on one thread of its own.

Owns that thread, the way from the library's 22.05 kHz to the seam's 24 kHz, and the cancelling. espeak-ng
is GPL-3 and optional; only the peer, a program of its own, ever loads it.
"""

from __future__ import annotations

import asyncio
import textwrap
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass, field
from queue import SimpleQueue

from genmb_voice_widget.peer.resample import Resampler
from genmb_voice_widget.peer.stages import SPEAK_RATE, AudioChunk, Pcm

from .espeak_library import EspeakLibrary
from .espeak_voices import Pace, espeak_pace, espeak_voice
from .word_times import WordTimes

LONGEST_PIECE = 400
"""Characters that the library is given in one go. It speaks far faster than anybody listens, and what it has
made waits in memory: half a minute of it at the most, however long a text is."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One text to be spoken. `give` takes the chunks, then None or the error that ended it."""

    text: str
    voice: str
    pace: Pace
    give: Callable[[AudioChunk | Exception | None], None]
    cancelled: threading.Event = field(default_factory=threading.Event)


class EspeakTts:
    """The library as a `Tts`: the first chunk after about a millisecond, all far ahead of its playing.

    Raises ImportError without the package `espeakng-loader`, OSError when the library does not load. Texts
    of several sessions are spoken one after the other, each at some 200 times real time. `default` is
    espeak-ng's name of the voice for names that nobody knows.
    """

    def __init__(self, default: str) -> None:
        self._default = default
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closing = threading.Event()
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="espeak", daemon=True)
        self._thread.start()
        ready.result()

    async def synth(self, text: str, voice: str, speed: float) -> AsyncGenerator[AudioChunk, None]:
        """Speak `text`; `aclose` stops the library at its next piece (60 ms of sound, made in 0.1 ms).

        `voice` is an OpenAI voice name or one of espeak-ng's own; `speed` is 0.25..1.5.
        """
        made = 0
        pace, name = espeak_pace(speed), espeak_voice(voice, self._default)
        for piece in textwrap.wrap(text, LONGEST_PIECE, break_long_words=False, break_on_hyphens=False):
            before = made * 1000 // SPEAK_RATE
            async with aclosing(self._piece(piece, name, pace)) as chunks:
                async for chunk in chunks:
                    made += len(chunk.pcm)
                    yield AudioChunk(chunk.pcm, tuple((word, before + ms) for word, ms in chunk.words))

    async def _piece(self, text: str, voice: str, pace: Pace) -> AsyncGenerator[AudioChunk, None]:
        """Have the library speak one piece."""
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[AudioChunk | Exception | None] = asyncio.Queue()

        def give(chunk: AudioChunk | Exception | None) -> None:
            try:
                loop.call_soon_threadsafe(chunks.put_nowait, chunk)
            except RuntimeError:  # the loop is closed: nobody listens any more
                job.cancelled.set()

        job = _Job(text, voice, pace, give)
        self._jobs.put(job)
        try:
            while (chunk := await chunks.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            job.cancelled.set()

    def close(self) -> None:
        """End the thread; what it is speaking is cut off."""
        self._closing.set()
        self._jobs.put(None)
        self._thread.join()

    def _run(self, ready: Future[None]) -> None:
        try:
            from espeakng_loader import get_data_path, get_library_path

            library = EspeakLibrary(get_library_path(), get_data_path(), self._default)
            library.speak("a", self._default, *espeak_pace(1.0), lambda pcm, words: False)
        except Exception as problem:
            ready.set_exception(problem)
            return
        ready.set_result(None)
        while (job := self._jobs.get()) is not None:
            if job.cancelled.is_set():
                continue
            try:
                self._speak(library, job)
                job.give(None)
            except Exception as problem:
                job.give(problem)

    def _speak(self, library: EspeakLibrary, job: _Job) -> None:
        resampler = Resampler(library.rate, SPEAK_RATE)
        times = WordTimes(job.text)

        def on_sound(pcm: Pcm, events: list[tuple[int, int]]) -> bool:
            if job.cancelled.is_set() or self._closing.is_set():
                return False
            words = tuple(word for event in events for word in times.at(*event))
            sound = resampler.push(pcm)
            if len(sound) or words:
                job.give(AudioChunk(sound, words))
            return True

        library.speak(job.text, job.voice, *job.pace, on_sound)
        if not job.cancelled.is_set():
            job.give(AudioChunk(resampler.finish(), times.rest()))
