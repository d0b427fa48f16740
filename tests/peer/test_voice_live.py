"""The peer as Azure Voice Live: over its plain socket, and over calls with a control socket, with real clients."""

import asyncio
import json

import numpy as np
import pytest
import websockets
from azure.ai.voicelive import models
from azure.ai.voicelive.aio import connect
from azure.core.credentials import AzureKeyCredential
from harness import voice_live_types

from genmb_voice_widget.peer.stages import Call
from genmb_voice_widget.session import Session

PLAIN = "/voice-live/realtime?api-version=2026-06-01-preview&model=local"
CALLS = "/voice-live/realtime/calls?api-version=2026-01-01-preview&model=local"
TRANSCRIBED = {"input_audio_transcription": {"model": "azure-speech", "language": "en-US"}}
TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object"}}


def typed(text):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


ECHOED = {
    *("object", "expires_at", "truncation_strategy", "idle_timeout_ms", "appended_text_after_truncation"),
    *("speech_duration_ms", "prompt"),
}
"""Members that the service was recorded to send and that the models of azure-ai-voicelive lack."""


def wire_faults(events):
    """What azure-ai-voicelive's models have to say against events; they have no `conversation.item.done`."""
    return [
        fault
        for event in events
        if event["type"] != "conversation.item.done"
        for fault in voice_live_types.faults(modelled(event), models.ServerEvent, event["type"])
    ]


def modelled(value):
    if isinstance(value, dict):
        return {name: modelled(member) for name, member in value.items() if name not in ECHOED}
    return [modelled(member) for member in value] if isinstance(value, list) else value


async def ask(client, text, turn=1):
    await client.send("conversation.item.create", item=typed(text))
    await client.send("response.create")
    return await client.events.wait("response.done", turn)


async def refused(peer, path, headers=None):
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await peer.ws(path, headers)
    return refusal.value.response.status_code, json.loads(refusal.value.response.body)["error"]["code"]


async def test_a_typed_turn_is_told_in_voice_lives_words(start_peer):
    peer = await start_peer(replies={"hello": "Hi there."})
    client = await peer.ws(PLAIN)
    await ask(client, "hello")
    assert client.events.kinds == [
        "session.created",
        "conversation.item.created",
        "response.created",
        "response.output_item.added",
        "conversation.item.created",
        "response.content_part.added",
        *["response.audio_transcript.delta"] * 2,
        *["response.audio.delta"] * len(client.events.of("response.audio.delta")),
        "response.audio.done",
        "response.audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ]
    done = client.events.of("response.done")[0]["response"]
    assert done["output"][0]["content"] == [{"type": "audio", "transcript": "Hi there."}]
    assert done["output"][0]["object"] == "realtime.item"
    assert done["usage"]["output_token_details"]["reasoning_tokens"] == 0
    assert done["voice"] == {"name": "alloy", "type": "openai"}
    assert not [event for event in client.events if "obfuscation" in event]
    assert wire_faults(client.events) == []


async def test_a_spoken_turn_has_its_words_in_one_piece_and_no_usage_of_them(start_peer):
    peer = await start_peer(["hello"], {"hello": "Hi there."})
    client = await peer.ws(PLAIN)
    await client.send("session.update", session=TRANSCRIBED)
    await client.speak(900)
    await client.events.wait("response.done")
    (delta,) = client.events.of("conversation.item.input_audio_transcription.delta")
    (completed,) = client.events.of("conversation.item.input_audio_transcription.completed")
    assert (delta["delta"], completed["transcript"]) == ("hello", "hello")
    assert "usage" not in completed
    (done,) = client.events.of("conversation.item.done")
    assert done["item"]["role"] == "user"
    assert wire_faults(client.events) == []


async def test_a_text_reply_is_in_text_events_and_its_part_is_done_without_text(start_peer):
    peer = await start_peer(replies={"hello": "Hi there."})
    client = await peer.ws(PLAIN)
    await client.send("session.update", session={"modalities": ["text"]})
    await ask(client, "hello")
    assert client.events.of("response.text.done")[0]["text"] == "Hi there."
    assert client.events.of("response.content_part.done")[0]["part"] == {"type": "text", "text": ""}
    done = client.events.of("response.done")[0]["response"]
    assert done["output"][0]["content"] == [{"type": "text", "text": "Hi there."}]
    assert done["modalities"] == ["text"]
    assert wire_faults(client.events) == []


async def test_a_tool_round_over_voice_live(start_peer):
    peer = await start_peer(replies={"weather": Call("get_weather", {"city": "London"})})
    client = await peer.ws(PLAIN)
    await client.send("session.update", session={"tools": [TOOL], "modalities": ["text"]})
    await ask(client, "weather")
    (called,) = client.events.of("response.function_call_arguments.done")
    output = {"type": "function_call_output", "call_id": called["call_id"], "output": "Foggy."}
    await client.send("conversation.item.create", item=output)
    await client.send("response.create")
    await client.events.wait("response.done", 2)
    assert client.events.of("response.text.done")[0]["text"] == "Foggy."
    assert wire_faults(client.events) == []


async def test_a_call_is_signalled_by_the_control_socket_and_its_events_go_two_ways(start_peer, hex_id):
    peer = await start_peer(["hello"], {"hello": ("One moment.", Call("get_weather", {}))})
    control, client = await peer.voice_live(session={**TRANSCRIBED, "tools": [TOOL]})
    assert control.socket.subprotocol == "realtime"
    assert control.events.kinds == ["session.created", "session.updated", "rtc.call.sdp.created"]
    assert hex_id("rtc", client.call_id)
    client.speak(900)
    await client.events.wait("output_audio_buffer.stopped")
    on_control, on_channel = set(control.events.kinds), set(client.events.kinds)
    assert on_control & on_channel == {
        "conversation.item.created",
        "response.output_item.added",
        "response.output_item.done",
    }
    shared = {event["event_id"] for event in client.events if event["type"] == "response.output_item.added"}
    assert shared <= {event["event_id"] for event in control.events}
    assert {"response.function_call_arguments.done", "input_audio_buffer.committed"} <= on_control
    assert {
        "input_audio_buffer.speech_started",
        "conversation.item.input_audio_transcription.completed",
        "response.created",
        "response.audio_transcript.done",
        "output_audio_buffer.started",
        "response.done",
    } <= on_channel
    assert not {"response.audio.delta"} & (on_control | on_channel)
    assert np.abs(np.concatenate(client.heard)).max() > 1000
    assert wire_faults([*control.events, *client.events]) == []


async def test_client_events_on_the_data_channel_of_a_call_are_ignored(start_peer):
    control, client = await (await start_peer(replies={"hello": "Hi."})).voice_live()
    client.send("session.update", session={"instructions": "Be rude."})
    client.send("nonsense")
    await control.send("conversation.item.create", item=typed("hello"))
    await control.send("response.create")
    await client.events.wait("output_audio_buffer.stopped")
    assert control.events.of("error") == client.events.of("error") == []
    assert control.events.of("session.updated") == []


async def test_closing_the_control_socket_ends_the_call(start_peer):
    control, client = await (await start_peer()).voice_live()
    await control.close()
    async with asyncio.timeout(20):
        while client.channel.readyState != "closed":
            await asyncio.sleep(0.02)


async def test_the_end_of_the_connection_ends_the_control_socket(start_peer):
    control, client = await (await start_peer()).voice_live()
    client.channel.close()
    async with asyncio.timeout(20):
        await control.socket.wait_closed()


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, "missing_sdp"),
        ({"sdp_offer": " "}, "missing_sdp"),
        ({"sdp_offer": "v=0", "session": {"voice": "marrin"}}, "invalid_voice_type"),
        ({"sdp_offer": "v=0", "session": {"voice": {"type": "openai", "name": "x"}}}, "invalid_voice_type"),
        ({"sdp_offer": "v=0", "session": {"type": "realtime"}}, "unknown_parameter"),
        ({"sdp_offer": "v=0", "sdp": "v=0"}, "unknown_parameter"),
        ({"sdp_offer": "v=0 nonsense"}, "invalid_offer"),
    ],
)
async def test_an_offer_that_cannot_be_taken_is_a_call_error_and_the_next_one_is_taken(
    start_peer, members, code
):
    peer = await start_peer()
    control = await peer.ws(CALLS)
    await control.send("rtc.call.sdp.create", **members)
    told = await control.events.wait("rtc.call.error")
    assert (told["operation"], told["error"]["code"]) == ("rtc.call.sdp.create", code)
    assert wire_faults([told]) == []
    client = await peer.rtc_by(control)
    await control.send("rtc.call.sdp.create", sdp_offer=client.pc.localDescription.sdp)
    assert (await control.events.wait("rtc.call.error", 2))["error"]["code"] == "call_exists"


async def test_the_key_may_stand_in_a_header_or_in_the_query(start_peer):
    peer = await start_peer()
    key = peer.headers["Authorization"].removeprefix("Bearer ")
    for headers, query in (
        ({"api-key": key}, ""),
        ({"Authorization": f"Bearer {key}"}, ""),
        ({}, f"&api-key={key}"),
        ({}, f"&Authorization=Bearer%20{key}"),
        ({}, f"&authorization=Bearer%20{key}"),
    ):
        for path in (PLAIN, CALLS):
            client = await peer.ws(path + query, headers)
            assert (await client.events.wait("session.created"))["session"]["object"] == "realtime.session"
    minted = (await peer.post("/openai/v1/realtime/client_secrets", json={})).json()["value"]
    for headers in ({}, {"api-key": "wrong"}, {"Authorization": f"Bearer {minted}"}):
        assert await refused(peer, PLAIN, headers) == (401, "401")
    assert (await peer.post("/voice-live/realtime/calls", content="v=0")).status_code == 404


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("model=local", "missing_required_parameter"),
        ("api-version=2026-01-01-preview", "missing_required_parameter"),
        ("api-version=2026-06-01-preview&model=local", "invalid_value"),
        ("api-version=2026-01-01-preview&model=gpt-realtme", "invalid_value"),
        ("api-version=2026-01-01-preview&model=local&agent-name=a", "invalid_value"),
    ],
)
async def test_a_call_says_its_model_and_the_one_version_that_calls_take(start_peer, query, code):
    assert await refused(await start_peer(), f"/voice-live/realtime/calls?{query}") == (400, code)


async def test_the_session_of_our_own_options_is_taken_whole(start_peer):
    options = Session(instructions="Cook.", voice="en-US-AvaNeural", transcription="auto", language="en")
    client = await (await start_peer()).ws(PLAIN)
    await client.send("session.update", session=options.to_wire("beta"))
    session = (await client.events.wait("session.updated"))["session"]
    assert session["voice"]["name"] == "en-US-AvaNeural"
    assert (session["instructions"], session["modalities"]) == ("Cook.", ["text", "audio"])
    assert client.events.of("error") == []


async def test_azures_own_client_holds_a_typed_and_a_spoken_turn(start_peer, speech):
    peer = await start_peer(["good morning"], {"hello": "Hi there.", "good morning": "Good morning!"})
    key = AzureKeyCredential(peer.headers["Authorization"].removeprefix("Bearer "))
    seen = []

    async def until(connection, kind):
        async for event in connection:
            seen.append(event)
            if event.type == kind:
                return event

    async with (
        asyncio.timeout(20),
        connect(credential=key, endpoint=peer.url, model="gpt-realtime") as connection,
    ):
        await until(connection, "session.created")
        wanted = models.RequestSession(
            modalities=["text", "audio"],
            turn_detection=models.ServerVad(silence_duration_ms=300),
            input_audio_transcription=models.AudioInputTranscriptionOptions(model="azure-speech"),
        )
        await connection.session.update(session=wanted)
        await until(connection, "session.updated")
        item = models.UserMessageItem(content=[models.InputTextContentPart(text="hello")])
        await connection.conversation.item.create(item=item)
        await connection.response.create()
        done = await until(connection, "response.done")
        assert done.response.output[0].content[0].transcript == "Hi there."
        sound = np.concatenate((speech.quiet(200), speech.loud(900), speech.quiet(800)))
        await connection.input_audio_buffer.append(audio=sound.tobytes())
        heard = await until(connection, "conversation.item.input_audio_transcription.completed")
        assert heard.transcript == "good morning"
        done = await until(connection, "response.done")
        assert done.response.output[0].content[0].transcript == "Good morning!"
    assert not [event for event in seen if event.type == "error"]
