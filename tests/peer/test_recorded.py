"""The peer beside recordings of the real services: the same events with the same members. Without them, nothing is tested."""

import json
from pathlib import Path

import pytest

from genmb_voice_widget.peer.stages import Call

RECORDINGS = Path(__file__).parents[3] / "shared" / "recordings"
LONDON = "What is the weather in London?"
VOICE_LIVE = "/voice-live/realtime?api-version=2026-06-01-preview&model=local"
AZURE, OPENAI = "/openai/v1/realtime?model=local", "/v1/realtime?model=local"
REPLIES = {
    "Say a short greeting": "Hola, que tal?",
    LONDON.strip("?"): Call("get_weather", {"city": "London"}),
    "hello": "Hi Marcelo.",
}


def recording(name):
    path = RECORDINGS / f"{name}.jsonl"
    if not path.exists():
        pytest.skip("no recordings here")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return lines, [line["event"] for line in lines if line["dir"] == "in"]


def milestones(events):
    """The types in order, without the deltas, which are as many as there are words."""
    return [event["type"] for event in events if not event["type"].endswith(".delta")]


def members(events):
    """The names of all members that the events of each type have."""
    named = {}
    for event in events:
        named.setdefault(event["type"], set()).update(names(event))
    return {kind: sorted(found) for kind, found in sorted(named.items())}


def names(value, path=""):
    if isinstance(value, dict):
        for name, member in value.items():
            yield f"{path}{name}"
            yield from names(member, f"{path}{name}.")
    elif isinstance(value, list):
        for member in value:
            yield from names(member, f"{path}[].")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("azure_voice_live_ws.text_in_audio_out_turn", VOICE_LIVE),
        ("azure_voice_live_ws.tool_call_round", VOICE_LIVE),
        ("azure_ws.tool_call_round", AZURE),
    ],
)
async def test_a_recorded_conversation_replayed_has_the_recorded_events_and_members(start_peer, name, path):
    lines, recorded = recording(name)
    client = await (await start_peer(replies=REPLIES)).ws(path)
    for sent in (line["event"] for line in lines if line["dir"] == "out"):
        if sent["type"] == "response.create" and client.events.of("response.created"):
            await client.events.wait("response.done")
        if sent.get("item", {}).get("type") == "function_call_output":
            called = await client.events.wait("response.function_call_arguments.done")
            sent = {**sent, "item": {**sent["item"], "call_id": called["call_id"]}}
        await client.send(**{"kind" if name == "type" else name: value for name, value in sent.items()})
    await client.events.wait("response.done", milestones(recorded).count("response.done"))
    assert milestones(client.events) == milestones(recorded)
    assert members(client.events) == members(recorded)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("azure_ws.audio_in_server_vad_transcribes", AZURE),
        ("openai_ws.audio_in_server_vad_turn", OPENAI),
    ],
)
async def test_a_spoken_turn_has_the_recorded_events_and_members(start_peer, name, path):
    lines, recorded = recording(name)
    client = await (await start_peer(["hello"], REPLIES)).ws(path)
    update = next(line["event"] for line in lines if line["dir"] == "out")
    await client.send("session.update", session=update["session"])
    await client.speak()
    await client.events.wait("response.done")
    told = [event for event in client.events if event["type"] != "rate_limits.updated"]
    assert members(told) == members(recorded)
    # When the user's words come is left to chance by the services.
    words = "conversation.item.input_audio_transcription.completed"
    in_order = [kind for kind in milestones(told) if kind != words]
    assert in_order == [kind for kind in milestones(recorded) if kind != words]


async def test_a_sideband_has_the_recorded_events_and_members(start_peer):
    lines, recorded = recording("azure_ws_sideband.webrtc_sideband_text_turn")
    peer = await start_peer(replies={"Say hello": "Hello there!"})
    session = {"type": "realtime", "output_modalities": ["text"]}
    body = {"session": {**session, "audio": {"input": {"transcription": {"model": "m"}}}}}
    minted = (await peer.post("/openai/v1/realtime/client_secrets", json=body)).json()["value"]
    call = await peer.rtc("/openai/v1/realtime/calls", {"Authorization": f"Bearer {minted}"})
    client = await peer.ws(f"/openai/v1/realtime?call_id={call.call_id}")
    for sent in (line["event"] for line in lines if line["dir"] == "out"):
        await client.send(**{"kind" if name == "type" else name: value for name, value in sent.items()})
    await client.events.wait("response.done")
    assert milestones(client.events) == milestones(recorded)
    assert members(client.events) == members(recorded)
