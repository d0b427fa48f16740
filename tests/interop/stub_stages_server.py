"""huggingface/speech-to-speech with stages of ours for its models: `python stub_stages_server.py PORT`, in an environment of its own.

Its server, protocol and WebRTC are its own. What it hears, answers and speaks is what the local peer would.
"""

import asyncio
import itertools
import sys
from queue import Queue
from threading import Event, Thread
from time import monotonic

import numpy as np
from scipy.signal import resample_poly
from speech_to_speech.api.openai_realtime.pipeline_unit import PipelineUnit
from speech_to_speech.api.openai_realtime.server import RealtimeServer
from speech_to_speech.api.openai_realtime.service import RealtimeService
from speech_to_speech.pipeline.cancel_scope import CancelScope
from speech_to_speech.pipeline.control import PipelineControlMessage
from speech_to_speech.pipeline.events import (
    AssistantOutputEvent,
    AssistantResponseDoneEvent,
    SpeechStartedEvent,
    SpeechStoppedEvent,
    TranscriptionCompletedEvent,
)
from speech_to_speech.pipeline.messages import AUDIO_RESPONSE_DONE, AssistantTextPart, AudioOutput

from genmb_voice_widget.peer.build import build_stages
from genmb_voice_widget.peer.hearing.turns import Began, Finished, TurnDetector, TurnRules, WentOn
from genmb_voice_widget.peer.stages import LISTEN_RATE, SPEAK_RATE, Say, Stages, UserTurn

HOST = "127.0.0.1"
TURNS = itertools.count(1)


def unit_of(cancel: CancelScope) -> PipelineUnit:
    prompts: Queue = Queue()
    listens = Event()
    listens.set()
    return PipelineUnit(
        index=0,
        service=RealtimeService(text_prompt_queue=prompts, should_listen=listens),
        cancel_scope=cancel,
        should_listen=listens,
        response_playing=Event(),
        input_queue=Queue(),
        output_queue=Queue(),
        text_output_queue=Queue(),
        text_prompt_queue=prompts,
        handlers=[],
    )


async def hear(unit: PipelineUnit, stages: Stages) -> None:
    """Find the turns in the sound, and write them down."""
    detector = stream = None
    while True:
        item = await asyncio.to_thread(unit.input_queue.get)
        if isinstance(item, PipelineControlMessage):
            detector = None
            unit.output_queue.put(item)
            continue
        detector = detector or TurnDetector(stages.make_vad(), monotonic, TurnRules(silence_duration_ms=500))
        for found in detector.feed(np.frombuffer(item[0], np.int16)):
            match found:
                case Began(start_ms, pcm):
                    turn = {"turn_id": f"turn_{next(TURNS)}", "turn_revision": 1}
                    unit.text_output_queue.put(SpeechStartedEvent(audio_start_ms=start_ms, **turn))
                    stream = stages.stt.open()
                    stream.feed(pcm)
                case WentOn(pcm):
                    stream.feed(pcm)
                case Finished(end_ms):
                    unit.text_output_queue.put(SpeechStoppedEvent(audio_end_ms=end_ms, **turn))
                    heard = await stream.finish()
                    unit.text_output_queue.put(TranscriptionCompletedEvent(transcript=heard.text, **turn))


async def answer(unit: PipelineUnit, stages: Stages) -> None:
    """Answer each request, in words and in sound."""
    while True:
        request = await asyncio.to_thread(unit.text_prompt_queue.get)
        of = {"response_key": request.response_key, "cancel_generation": unit.cancel_scope.generation}
        asked = request.runtime_config.chat.buffer[-1].content[0].text
        async for piece in stages.agent.reply(UserTurn(asked)):
            assert isinstance(piece, Say), "no functions are declared"
            unit.output_queue.put(AssistantOutputEvent(parts=[AssistantTextPart(text=piece.text)], **of))
            async for chunk in stages.tts.synth(piece.text, "alloy", 1.0):
                pcm = resample_poly(chunk.pcm, LISTEN_RATE, SPEAK_RATE).astype(np.int16)
                unit.output_queue.put(AudioOutput(audio=pcm, **of))
        unit.output_queue.put(AssistantResponseDoneEvent(**of))
        unit.output_queue.put(AudioOutput(audio=AUDIO_RESPONSE_DONE, **of))


async def main(port: int) -> None:
    stages = build_stages(None)
    unit = unit_of(CancelScope())
    Thread(target=RealtimeServer(Event(), [unit], HOST, port).run, daemon=True).start()
    await asyncio.gather(hear(unit, stages), answer(unit, stages))


asyncio.run(main(int(sys.argv[1])))
