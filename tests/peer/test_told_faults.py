"""A peer that is told to do wrong does it, over real connections, and nothing else goes wrong."""

import asyncio
import itertools
import json
import re
import time
from pathlib import Path

import httpx
import pytest
import websockets
from hypothesis import given
from hypothesis import strategies as st

from genmb_voice_widget.peer.faults import NAMES, NO_FAULTS, Faults, read_faults
from genmb_voice_widget.peer.faults.stream import NO_EVENTS, Stream

DOCS = Path(__file__).parents[2] / "docs" / "peer.md"
WS = "/v1/realtime?model=local"
TRANSCRIBED = {"type": "realtime", "audio": {"input": {"transcription": {"model": "m"}}}}
TRANSCRIPTION = "conversation.item.input_audio_transcription"


def test_faults_are_read_from_a_text():
    read = read_faults(" drop_media=3s, slow_answer=500ms,cap=2 ,status=429,duplicate,,hangup")
    assert read == Faults(drop_media=3.0, slow_answer=0.5, cap=2.0, status=429, duplicate=True, hangup=0.0)
    assert read_faults("") == NO_FAULTS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("drop_medai", "did you mean 'drop_media'?"),
        ("zzz", f"there are {', '.join(NAMES)}."),
        ("cap", "takes a time, such as 3s or 500ms, not ''"),
        ("cap=0", "takes a time"),
        ("hangup=soon", "takes a time"),
        ("duplicate=3", "takes no value, not '3'"),
        ("status=200", "takes a status from 400 to 599, not '200'"),
    ],
)
def test_what_is_no_fault_is_said_with_what_was_meant(text, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        read_faults(text)


@given(st.text(max_size=40))
def test_any_text_is_faults_or_one_sentence(text):
    try:
        read_faults(text)
    except ValueError as wrong:
        assert str(wrong).endswith((".", "?"))


def test_every_fault_and_persona_is_in_the_manual():
    manual = DOCS.read_text(encoding="utf-8")
    assert re.findall(r"(?m)^\| `([a-z_]+)", manual.partition("## Faults")[2]) == list(NAMES)
    assert all(f"`{name}`" in manual for name in ("openai", "azure", "voice-live"))


def test_events_that_change_places_are_all_sent_in_the_end():
    stream = Stream(read_faults("reorder"))
    sent = [told for n in range(5) for told in stream.take({"type": f"t{n}"})]
    assert [kind for kind, _ in sent] == ["t1", "t0", "t3", "t2"]
    assert stream.take({"type": "session.created"})[0][0] == "session.created"
    assert [kind for kind, _ in stream.rest()] == ["t4"]
    assert stream.rest() == []


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
async def test_a_status_is_the_answer_to_everything(start_peer, prefix):
    peer = await start_peer(faults="status=429")
    for path in ("/realtime/client_secrets", "/realtime/calls", "/realtime/calls/rtc_1/hangup"):
        response = await peer.post(prefix + path, json={})
        assert (response.status_code, response.json()["error"]["code"]) == (429, "insufficient_quota")
    for path in (f"{prefix}/realtime?model=local", "/voice-live/realtime?model=local"):
        with pytest.raises(websockets.InvalidStatus) as refusal:
            await peer.ws(path)
        assert refusal.value.response.status_code == 429


async def test_a_request_may_ask_for_faults_of_its_own_in_a_header_or_in_the_query(start_peer):
    peer = await start_peer(faults="status=503")
    path = "/v1/realtime/client_secrets"
    assert (await peer.post(path, json={})).status_code == 503
    assert (await peer.post(f"{path}?fault=status=500", json={})).status_code == 500
    for text, status in (("status=401", 401), ("", 200), ("nonsense", 400)):
        response = await peer.post(path, {**peer.headers, "X-Peer-Fault": text}, json={})
        assert response.status_code == status
    assert response.json()["error"]["param"] == "fault"


@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
async def test_an_ephemeral_secret_is_refused_as_expired(start_peer, prefix):
    peer = await start_peer(faults="expire")
    value = (await peer.post(prefix + "/realtime/client_secrets", json={})).json()["value"]
    headers = {"Authorization": f"Bearer {value}", "Content-Type": "application/sdp"}
    assert (await peer.post(prefix + "/realtime/calls", headers, content="v=0")).status_code == 401
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await peer.ws(prefix + "/realtime?model=local", headers)
    assert refusal.value.response.status_code == 401


async def test_an_answer_may_take_its_time(start_peer):
    peer = await start_peer()
    begun = time.perf_counter()
    client = await peer.rtc("/v1/realtime/calls?fault=slow_answer=400ms")
    assert client.connected_ms > 400
    assert time.perf_counter() - begun > 0.4
    await client.events.wait("session.created")


async def test_an_answer_may_never_come(start_peer):
    peer = await start_peer(faults="no_answer")
    offer = {**peer.headers, "Content-Type": "application/sdp"}
    async with httpx.AsyncClient(timeout=0.4) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(f"{peer.url}/v1/realtime/calls", headers=offer, content="v=0")
        assert (await client.get(f"{peer.url}/healthz")).status_code == 200


async def test_an_offer_on_a_control_socket_may_never_be_answered(start_peer):
    peer = await start_peer(faults="no_answer")
    control = await peer.ws("/voice-live/realtime/calls?api-version=2026-01-01-preview&model=local")
    await control.send("rtc.call.sdp.create", sdp_offer="v=0")
    await control.send("session.update", session={"instructions": "Cook."})
    await control.events.wait("session.updated")
    assert control.events.kinds == ["session.created", "session.updated"]


async def still(client):
    """Wait until no more sound comes."""
    async with asyncio.timeout(20):
        while True:
            before = len(client.heard)
            await asyncio.sleep(0.2)
            if before == len(client.heard) > 0:
                return


async def test_media_stop_both_ways_and_the_connection_stays(start_peer):
    peer = await start_peer(["hello"], {"": "one two"})
    client = await peer.rtc("/v1/realtime/calls?fault=drop_media=300ms")
    await client.hear(100)
    await still(client)
    client.speak()
    await client.said()
    client.send("response.create")
    await client.events.wait("output_audio_buffer.stopped")
    assert "input_audio_buffer.speech_started" not in client.events.kinds
    await still(client)
    assert client.pc.connectionState == "connected"


async def test_the_data_channel_closes_and_the_sound_goes_on(start_peer):
    peer = await start_peer()
    client = await peer.rtc("/v1/realtime/calls?fault=drop_channel=200ms")
    await client.events.wait("session.created")
    async with asyncio.timeout(20):
        while client.channel.readyState != "closed":
            await asyncio.sleep(0.02)
    await client.hear(400)
    assert client.pc.connectionState == "connected"
    assert (await peer.post(f"/v1/realtime/calls/{client.call_id}/hangup")).status_code == 200


async def test_a_session_may_end_without_a_word(start_peer):
    peer = await start_peer(faults="hangup=200ms")
    socket, call = await peer.ws(), await peer.rtc()
    async with asyncio.timeout(20):
        await socket.socket.wait_closed()
        while call.channel.readyState != "closed":
            await asyncio.sleep(0.02)
    assert socket.events.kinds == call.events.kinds == ["session.created"]


@pytest.mark.parametrize("path", [WS, "/voice-live/realtime?api-version=2026-04-10&model=local"])
async def test_a_cap_is_the_end_of_a_session_with_its_reason(start_peer, path):
    ahead = [0.0]
    peer = await start_peer(clock=lambda: time.time() + ahead[0], faults="cap=100s")
    client = await peer.ws(path)
    await client.events.wait("session.created")
    ahead[0] = 101
    assert (await client.events.wait("error"))["error"]["code"] == "session_expired"
    async with asyncio.timeout(20):
        await client.socket.wait_closed()


async def test_a_cap_closes_the_channel_of_a_call(start_peer):
    client = await (await start_peer(faults="cap=300ms")).rtc()
    assert (await client.events.wait("error"))["error"]["code"] == "session_expired"
    async with asyncio.timeout(20):
        while client.channel.readyState != "closed":
            await asyncio.sleep(0.02)


async def test_the_first_response_that_is_asked_for_finds_one_running(start_peer):
    client = await (await start_peer(replies={"": "Hi."}, faults="busy_response")).ws()
    await client.send("response.create", event_id="mine")
    error = (await client.events.wait("error"))["error"]
    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "mine")
    await client.events.wait("response.done")
    await client.send("response.create")
    await client.events.wait("response.done", 2)
    assert len(client.events.of("error")) == 1


async def spoken_turn(peer):
    client = await peer.ws()
    await client.send("session.update", session=TRANSCRIBED)
    await client.speak()
    await client.events.wait("rate_limits.updated")
    return [event for event in client.events if event["type"].startswith((TRANSCRIPTION, "response.done"))]


@pytest.mark.parametrize(
    ("fault", "order"),
    [
        ("", [f"{TRANSCRIPTION}.delta", f"{TRANSCRIPTION}.completed", "response.done"]),
        ("late_transcript", ["response.done", f"{TRANSCRIPTION}.delta", f"{TRANSCRIPTION}.completed"]),
        ("no_transcript", ["response.done"]),
        ("transcription_failed", [f"{TRANSCRIPTION}.failed", "response.done"]),
        ("transcription_failed,late_transcript", ["response.done", f"{TRANSCRIPTION}.failed"]),
    ],
)
async def test_what_the_user_said_may_be_told_late_or_not_at_all(start_peer, fault, order):
    told = await spoken_turn(await start_peer(["hello"], {"hello": "Hi."}, faults=fault))
    assert [event["type"] for event in told] == order
    failures = [event["error"]["code"] for event in told if "error" in event]
    assert failures == ["DeploymentNotFound"] * fault.count("failed")


async def test_every_event_may_come_twice(start_peer):
    client = await (await start_peer(replies={"": "Hi."}, faults="duplicate")).ws()
    await client.send("response.create")
    await client.events.wait("rate_limits.updated", 2)
    assert client.events[::2] == client.events[1::2]


async def test_neighbours_may_change_places_and_nothing_is_lost(start_peer):
    peer = await start_peer(replies={"": "Hi."})
    usual, mixed = await peer.ws(), await peer.ws(f"{WS}&fault=reorder")
    for client in (usual, mixed):
        await client.send("response.create")
        await client.events.wait("rate_limits.updated")
        await client.events.wait("response.done")
    assert mixed.events.kinds[0] == "session.created"
    assert mixed.events.kinds != usual.events.kinds
    assert sorted(mixed.events.kinds) == sorted(usual.events.kinds)


async def test_behind_every_event_may_come_what_is_none(start_peer):
    peer = await start_peer(replies={"": "Hi."})
    url = f"{peer.ws_url}{WS}&fault=malformed"
    async with websockets.connect(url, additional_headers=peer.headers) as socket:
        await socket.send(json.dumps({"type": "response.create"}))
        texts = []
        async with asyncio.timeout(20):
            while not any("rate_limits.updated" in text for text in texts[:-1]):
                texts.append(await socket.recv())
    assert texts[1::2] == list(itertools.islice(itertools.cycle(NO_EVENTS), len(texts) // 2))
    assert [json.loads(text)["type"] for text in texts[::2]][-1] == "rate_limits.updated"


async def test_what_is_no_event_gets_through_a_data_channel(start_peer):
    texts = []
    client = await (await start_peer(replies={"": "Hi."}, faults="malformed")).rtc_raw(texts.append)
    client.send("response.create")
    async with asyncio.timeout(20):
        while len(texts) < 2 * len(NO_EVENTS):
            await asyncio.sleep(0.02)
    assert set(NO_EVENTS) <= set(texts)
