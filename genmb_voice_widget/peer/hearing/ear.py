"""The session's hearing: sound in, facts out. Turn detection decides, the recogniser writes down.

Owns the recogniser's stream of the turn in progress. Knows the stages and the facts; nothing of events,
transports or responses.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from genmb_voice_widget.peer.facts import (
    AudioReceived,
    Fact,
    IdleElapsed,
    SpeechStarted,
    SpeechStopped,
    Transcribed,
)
from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.stages import LISTEN_RATE, Pcm, Stages, SttStream, Transcript
from genmb_voice_widget.peer.wire_audio import WireReader

from .turns import Began, Finished, Idled, TurnDetector, Turning, WentOn, turn_rules

LONGEST_BUFFER_MS = 60_000
"""How much of a turn the recogniser hears: a room that is never quiet does not fill the memory. Without turn
detection the buffer starts anew at this length: an open microphone nobody commits."""

RECOGNISED_WITHIN = 20.0
"""Seconds after which a recogniser that does not answer has failed; a reply waits for it."""

SLICE_MS = 200
"""How much sound is looked at in one go: turn detection takes up to 40 ms for each second of it."""

_log = logging.getLogger(__name__)


class Ear:
    """Hears for one session. `tell` takes the facts, on the same event loop."""

    def __init__(
        self, stages: Stages, clock: Callable[[], float], tell: Callable[[Fact], None], session: Json
    ) -> None:
        self._stt = stages.stt
        self._tell = tell
        self._input = session["audio"]["input"]
        self._reader = WireReader(self._input["format"])
        self._detector = TurnDetector(stages.make_vad(), clock, turn_rules(self._input["turn_detection"]))
        self._stream: SttStream | None = None
        self._stream_ms = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    def configure(self, session: Json) -> None:
        """Go by the session's turn detection and input format from here on."""
        before, self._input = self._input, session["audio"]["input"]
        if self._input["format"] != before["format"]:
            self._reader = WireReader(self._input["format"])
        if self._input["turn_detection"] != before["turn_detection"]:
            self._detector.configure(turn_rules(self._input["turn_detection"]))

    async def hear_bytes(self, audio: bytes) -> None:
        """Take sound in the session's input format, in slices: the event loop goes on between them."""
        size = self._reader.size(SLICE_MS)
        for at in range(0, len(audio), size):
            if at:
                await asyncio.sleep(0)
            self._listen(*self._reader.read(audio[at : at + size]))

    def hear(self, pcm: Pcm) -> None:
        """Take sound (16 kHz, any length)."""
        self._listen(pcm, len(pcm) * 1000 / LISTEN_RATE)

    def _listen(self, pcm: Pcm, ms: float) -> None:
        self._tell(AudioReceived(ms))
        for turning in self._detector.feed(pcm):
            self._turn(turning)
        if self._input["turn_detection"] is None:
            if self._stream_ms > LONGEST_BUFFER_MS:
                self._drop_stream()
            self._recognise(pcm)

    def poll(self) -> None:
        """Look at the clock."""
        for turning in self._detector.poll():
            self._turn(turning)

    def await_user(self, after_ms: float) -> None:
        """Start to count how long the user says nothing."""
        self._detector.await_user(after_ms)

    def transcribe(self, item_id: str) -> None:
        """Have what is in the buffer recognised as this item; the buffer is empty then."""
        stream, self._stream = self._stream, None
        seconds, self._stream_ms = self._stream_ms / 1000, 0.0
        if self._detector.speaking:
            self._detector.reset()
        task = asyncio.create_task(self._finish(stream, item_id, seconds))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if stream is not None:
            # Not in the task: one that is cancelled before its first step does nothing at all.
            task.add_done_callback(lambda _: _let_go(stream))

    def drop(self) -> None:
        """Empty the buffer."""
        self._drop_stream()
        self._detector.reset()

    async def close(self) -> None:
        """Stop hearing."""
        self._drop_stream()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _turn(self, turning: Turning) -> None:
        match turning:
            case Began(start_ms, pcm):
                self._tell(SpeechStarted(start_ms))
                self._drop_stream()
                self._recognise(pcm)
            case WentOn(pcm):
                self._recognise(pcm)
            case Finished(end_ms):
                self._tell(SpeechStopped(end_ms))
            case Idled(start_ms, end_ms):
                self._tell(IdleElapsed(start_ms, end_ms))

    def _recognise(self, pcm: Pcm) -> None:
        self._stream_ms += len(pcm) * 1000 / LISTEN_RATE
        if self._stream_ms > LONGEST_BUFFER_MS:
            return
        try:
            if self._stream is None:
                self._stream = self._stt.open()
            self._stream.feed(pcm)
        except Exception as problem:
            _log.exception("the recogniser failed")
            self._stream = _Broken(problem)

    def _drop_stream(self) -> None:
        stream, self._stream, self._stream_ms = self._stream, None, 0.0
        if stream is not None:
            _let_go(stream)

    async def _finish(self, stream: SttStream | None, item_id: str, seconds: float) -> None:
        transcript: Transcript | None = Transcript("", 0.0, accepted=False)
        if stream is not None:
            try:
                async with asyncio.timeout(RECOGNISED_WITHIN):
                    transcript = await stream.finish()
            except Exception:
                _log.exception("the recogniser could not finish")
                transcript = None
        self._tell(Transcribed(item_id, transcript, seconds))


def _let_go(stream: SttStream) -> None:
    try:
        stream.close()
    except Exception:
        _log.exception("the recogniser could not let go of a turn")


class _Broken:
    """Takes the place of a stream that failed in the middle of a turn: hears on, and fails at its end."""

    def __init__(self, problem: Exception) -> None:
        self._problem = problem

    def feed(self, pcm: Pcm) -> None:
        pass

    async def finish(self) -> Transcript:
        raise self._problem

    def close(self) -> None:
        pass
