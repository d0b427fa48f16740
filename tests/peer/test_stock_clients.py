"""The `openai` package as it is, holding a conversation with the peer."""

import asyncio
import base64
import json

import numpy as np
import pytest
from openai import AsyncOpenAI

from genmb_voice_widget.peer.stages import Call

TOOL = {
    "type": "function",
    "name": "set_light",
    "description": "Switch a light.",
    "parameters": {"type": "object", "properties": {"room": {"type": "string"}}},
}
SESSION = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "tools": [TOOL],
    "audio": {
        "input": {
            "transcription": {"model": "m"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 500},
        }
    },
}


async def say(connection, pcm):
    """Send sound as an application would: in pieces, with a second of silence behind."""
    pcm = np.concatenate((np.zeros(4800, np.int16), pcm, np.zeros(24_000, np.int16)))
    for at in range(0, len(pcm), 2400):
        await connection.input_audio_buffer.append(
            audio=base64.b64encode(pcm[at : at + 2400].tobytes()).decode()
        )


async def until_done(connection, seen):
    async for event in connection:
        seen.append(event)
        if event.type == "response.done":
            return event


def heard(seen):
    kind = "conversation.item.input_audio_transcription.completed"
    return [event.transcript for event in seen if event.type == kind]


def spoken(seen):
    return [event.transcript for event in seen if event.type == "response.output_audio_transcript.done"]


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
async def test_the_openai_package_holds_two_spoken_turns_and_a_tool_call(start_peer, speech, prefix):
    replies = {"good morning": "Hello!", "kitchen light": Call("set_light", {"room": "kitchen"})}
    peer = await start_peer(["good morning", "kitchen light"], replies)
    secret = peer.headers["Authorization"].removeprefix("Bearer ")
    seen = []
    async with (
        asyncio.timeout(20),
        AsyncOpenAI(api_key=secret, base_url=peer.url + prefix) as client,
        client.realtime.connect(model="local") as connection,
    ):
        await connection.session.update(session=SESSION)
        await say(connection, speech.loud(600))
        await until_done(connection, seen)
        await say(connection, speech.loud(600))
        done = await until_done(connection, seen)
        (call,) = done.response.output
        assert (call.type, call.name, json.loads(call.arguments)) == (
            "function_call",
            "set_light",
            {"room": "kitchen"},
        )
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "The light is on."}
        await connection.conversation.item.create(item=output)
        await connection.response.create()
        await until_done(connection, seen)
    assert heard(seen) == ["good morning", "kitchen light"]
    assert spoken(seen) == ["Hello!", "The light is on."]
    assert not [event for event in seen if event.type == "error"]


async def test_the_openai_package_mints_calls_and_hangs_up(start_peer):
    peer = await start_peer()
    rtc = await peer.rtc()
    secret = peer.headers["Authorization"].removeprefix("Bearer ")
    async with AsyncOpenAI(api_key=secret, base_url=peer.url + "/v1") as client:
        minted = await client.realtime.client_secrets.create(
            session={"type": "realtime", "model": "local"},
            expires_after={"anchor": "created_at", "seconds": 60},
        )
        assert minted.value.startswith("ek_")
        answer = await client.realtime.calls.create(
            sdp=rtc.pc.localDescription.sdp, session={"type": "realtime"}
        )
        assert (await answer.aread() if hasattr(answer, "aread") else answer.content).startswith(b"v=0")
        await client.realtime.calls.hangup(rtc.call_id)
    async with asyncio.timeout(20):
        while rtc.channel.readyState != "closed":
            await asyncio.sleep(0.02)


@pytest.mark.speech
async def test_the_openai_package_holds_the_same_conversation_with_real_speech(start_peer):
    from genmb_voice_widget.peer.build import build_stages

    stages = await asyncio.to_thread(build_stages, None)
    peer = await start_peer(stages=stages)
    secret = peer.headers["Authorization"].removeprefix("Bearer ")
    seen = []

    async def ask(connection, text):
        pieces = [chunk.pcm async for chunk in stages.tts.synth(text, "en-us", 1.0)]
        await say(connection, np.concatenate(pieces))
        return await until_done(connection, seen)

    tool = {**TOOL, "name": "get_weather"}
    async with (
        asyncio.timeout(40),
        AsyncOpenAI(api_key=secret, base_url=peer.url + "/v1") as client,
        client.realtime.connect(model="demo") as connection,
    ):
        await connection.session.update(session={**SESSION, "tools": [tool]})
        await ask(connection, "Who are you?")
        done = await ask(connection, "What is the weather in London?")
        (call,) = done.response.output
        assert json.loads(call.arguments) == {"city": "London"}
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "foggy"}
        await connection.conversation.item.create(item=output)
        await connection.response.create()
        await until_done(connection, seen)
    assert heard(seen) == ["Who are you?", "What is the weather in London?"]
    assert spoken(seen)[0].startswith("I am the demo agent")
    assert spoken(seen)[1] == "In London it is foggy."
    assert not [event for event in seen if event.type == "error"]
