"""pydantic-ai's realtime client, as the registry has it, converses with the local peer: as OpenAI's and as Azure's."""

import asyncio
import json
import wave
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer
from harness.tls import behind_tls
from pydantic_ai import Agent
from pydantic_ai.messages import SpeechPart, ToolCallPart
from pydantic_ai.providers.azure import AzureProvider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime import (
    RealtimeInputTranscriptionErrorEvent,
    RealtimeModel,
    RealtimeSession,
    RealtimeSessionErrorEvent,
    RealtimeTurnCompleteEvent,
)
from pydantic_ai.realtime.azure import AzureRealtimeModel
from pydantic_ai.realtime.openai import OpenAIRealtimeModel

from genmb_voice_widget import spoken
from genmb_voice_widget.peer.launch import PeerAddress, PeerProcess

MODEL = "gpt-realtime"
QUESTIONS = ["Who are you?", "What is the weather in Paris?"]
WHO = (
    "I am the demo agent of the local voice peer. I live on your own computer, I need no key and no network, "
    "and I follow a script that you can read."
)
WEATHER = "sunny and 21 degrees"
SPOKEN = [
    ("user", QUESTIONS[0]),
    ("assistant", WHO),
    ("user", QUESTIONS[1]),
    ("tool-call", {"city": "Paris"}),
    ("tool-return", WEATHER),
    ("assistant", f"In Paris it is {WEATHER}."),
]
PIECE = 2400  # frames: a tenth of a second


@pytest.fixture(scope="module")
def peer() -> Iterator[PeerAddress]:
    process = PeerProcess()
    try:
        yield process.start_now()
    finally:
        process.stop_now()


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two questions for a microphone, with time between them for the first answer."""
    return spoken(QUESTIONS, tmp_path_factory.mktemp("speech") / "two.wav", lead_in=1.5, pause=13.0)


@pytest.fixture(params=["openai", "azure"])
async def model(request, peer, tmp_path, monkeypatch) -> AsyncIterator[RealtimeModel]:
    """The client for one of the two forms; Azure's insists on `https` and `wss`."""
    if request.param == "openai":
        provider = OpenAIProvider(base_url=f"{peer.url}/v1", api_key=peer.secret.reveal())
        yield OpenAIRealtimeModel(MODEL, provider=provider)
        await provider.client.close()
        return
    async with behind_tls(peer.url, tmp_path) as (url, certificate):
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        provider = AzureProvider.for_realtime(azure_endpoint=url, api_key=peer.secret.reveal())
        yield AzureRealtimeModel(MODEL, provider=provider)
        await provider.client.close()


@pytest.fixture
def agent() -> Agent:
    agent = Agent(instructions="You are the demo agent.")

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """Tell the weather in a city."""
        return WEATHER

    return agent


async def say(session: RealtimeSession, text: str, folder: Path) -> None:
    """Send the sound of `text`, in pieces; the silence behind it ends the turn."""
    with wave.open(str(spoken(text, folder / "said.wav", rate=24_000))) as file:
        while chunk := file.readframes(PIECE):
            await session.send_audio(chunk)


async def replies(session: RealtimeSession, wanted: int) -> list[tuple[str, object]]:
    """Wait for so many replies, no error among them; return who said what, and what was called, in order."""
    async for event in session:
        assert not isinstance(event, RealtimeSessionErrorEvent | RealtimeInputTranscriptionErrorEvent), event
        if isinstance(event, RealtimeTurnCompleteEvent):
            wanted -= 1
            if not wanted:
                break
    return [told(part) for message in session.all_messages() for part in message.parts]


def told(part: object) -> tuple[str, object]:
    if isinstance(part, SpeechPart):
        return part.speaker, part.transcript
    if isinstance(part, ToolCallPart):
        return part.part_kind, json.loads(part.args)
    return part.part_kind, part.content


async def test_written_questions_get_their_answers(model, agent):
    async with asyncio.timeout(30), agent.realtime(model).session() as session:
        await session.send(QUESTIONS[0])
        assert await replies(session, 1) == [("user-prompt", QUESTIONS[0]), *SPOKEN[1:2]]
        await session.send(QUESTIONS[1])
        assert (await replies(session, 1))[2:] == [("user-prompt", QUESTIONS[1]), *SPOKEN[3:]]


async def test_spoken_questions_are_heard_word_for_word(model, agent, tmp_path):
    async with asyncio.timeout(60), agent.realtime(model).session() as session:
        for question, so_far in zip(QUESTIONS, (SPOKEN[:2], SPOKEN), strict=True):
            await say(session, question, tmp_path)
            assert await replies(session, 1) == so_far


async def test_a_session_beside_a_call_calls_the_tool_and_hangs_up(model, agent, speech):
    realtime = agent.realtime(model)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.createDataChannel("oai-events")
    pc.addTrack(MediaPlayer(str(speech)).audio)
    await pc.setLocalDescription(await pc.createOffer())
    try:
        async with asyncio.timeout(60):
            answer = await realtime.answer_webrtc_offer(pc.localDescription.sdp)
            async with realtime.session(provider_session=answer.session) as session:
                await pc.setRemoteDescription(RTCSessionDescription(answer.sdp, "answer"))
                assert await replies(session, 2) == SPOKEN
                await session.hang_up()
    finally:
        await pc.close()
