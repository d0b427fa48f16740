"""The real stages, and a voice to speak to them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import numpy as np
import pytest

from genmb_voice_widget.peer.build import build_stages
from genmb_voice_widget.peer.hearing.turns import Began, Finished, TurnDetector, TurnRules, WentOn, turn_rules
from genmb_voice_widget.peer.resample import Resampler
from genmb_voice_widget.peer.stages import LISTEN_RATE, SPEAK_RATE, Pcm, Stages, Transcript

SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "create_response": True,
    "interrupt_response": True,
    "idle_timeout_ms": None,
}


@pytest.fixture(scope="session")
def stages() -> Iterator[Stages]:
    stages = build_stages(None)
    yield stages
    stages.close()


@pytest.fixture
def speech(stages: Stages) -> Callable[..., Awaitable[Pcm]]:
    """A sentence as a microphone gives it: 16 kHz, half a second of silence before it and a second after."""

    async def say(text: str, voice: str = "en-us") -> Pcm:
        pieces = [chunk.pcm async for chunk in stages.tts.synth(text, voice, 1.0)]
        resampler = Resampler(SPEAK_RATE, LISTEN_RATE)
        spoken = [resampler.push(np.concatenate(pieces)), resampler.finish()]
        return np.concatenate([np.zeros(8_000, np.int16), *spoken, np.zeros(16_000, np.int16)])

    return say


@pytest.fixture
def hear(stages: Stages) -> Callable[[Pcm], Awaitable[list[Transcript]]]:
    """What is understood, one transcript for each utterance that the voice detection finds."""

    async def understand(pcm: Pcm) -> list[Transcript]:
        return [transcript async for transcript in _transcripts(stages, pcm)]

    return understand


async def _transcripts(stages: Stages, pcm: Pcm) -> AsyncIterator[Transcript]:
    rules = turn_rules(SERVER_VAD)
    assert isinstance(rules, TurnRules)
    detector = TurnDetector(stages.make_vad(), lambda: 0.0, rules)
    stream = None
    for at in range(0, len(pcm), 320):
        for turning in detector.feed(pcm[at : at + 320]):
            match turning:
                case Began():
                    assert stream is None
                    stream = stages.stt.open()
                    stream.feed(turning.pcm)
                case WentOn():
                    assert stream is not None
                    stream.feed(turning.pcm)
                case Finished():
                    assert stream is not None
                    yield await asyncio.wait_for(stream.finish(), 10)
                    stream.close()
                    stream = None
    assert stream is None, "the last utterance was not found to end"
