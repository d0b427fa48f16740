"""Calls over real WebRTC (aiortc on both ends, loopback), with scripted stages."""

import asyncio
import json
import math
import re
import sys
import time

import numpy as np
import pytest
import websockets
from aiortc import RTCConfiguration, RTCPeerConnection

from genmb_voice_widget.peer.calls import Calls
from genmb_voice_widget.peer.faults import NO_FAULTS
from genmb_voice_widget.peer.legs.audience import FILTERED, everything
from genmb_voice_widget.peer.legs.jitter import ArrivalOrder
from genmb_voice_widget.peer.live import LiveSession
from genmb_voice_widget.peer.personas import OPENAI
from genmb_voice_widget.peer.protocol.session_config import new_session
from genmb_voice_widget.peer.scripted import EnergyVad, ScriptedStt, ToneTts, scripted_stages
from genmb_voice_widget.peer.stages import Call, Say, Stages

LONG = " ".join(["well"] * 40)


async def hung_up(peer, call_id):
    """Wait until the peer no longer knows a call, by watching and not by hanging it up."""
    try:
        sideband = await peer.ws(f"/v1/realtime?call_id={call_id}")
    except websockets.InvalidStatus as refusal:
        assert refusal.response.status_code == 404
    else:
        async with asyncio.timeout(20):
            await sideband.socket.wait_closed()


async def test_an_offer_is_answered_as_the_services_answer_it(start_peer, hex_id):
    peer = await start_peer()
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    client.addTransceiver("audio")
    client.createDataChannel("oai-events")
    await client.setLocalDescription(await client.createOffer())
    headers = {**peer.headers, "Content-Type": "application/sdp", "Origin": "http://localhost:8888"}
    response = await peer.post("/v1/realtime/calls", headers=headers, content=client.localDescription.sdp)
    await client.close()
    assert response.status_code == 201
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert re.fullmatch(r"/v1/realtime/calls/rtc_u2_[0-9a-f]{32}", response.headers["location"])
    assert response.headers["access-control-expose-headers"] == "Location, X-Request-Id"
    sdp = response.text
    for line in ("a=group:BUNDLE 0 1", "a=setup:active", "a=sctp-port:5000", "opus/48000/2", "a=sendrecv"):
        assert line in sdp
    assert int(re.search(r"a=max-message-size:(\d+)", sdp)[1]) >= 262_144


async def test_only_the_loopback_interface_is_offered(start_peer):
    peer = await start_peer()
    client = await peer.rtc()
    candidates = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+)", client.answer)
    assert set(candidates) == {"127.0.0.1"}


async def test_session_created_is_the_first_thing_on_the_data_channel(start_peer):
    peer = await start_peer()
    client = await peer.rtc()
    session = (await client.events.wait("session.created"))["session"]
    assert client.events.kinds[0] == "session.created"
    assert session["expires_at"] - time.time() == pytest.approx(3600, abs=3)


async def test_a_spoken_turn_is_heard_answered_and_played(start_peer, spoken_turn):
    peer = await start_peer(["hello"], {"hello": "one two three four"})
    client = await peer.rtc()
    audio = {"input": {"transcription": {"model": "m"}}}
    client.send("session.update", session={"type": "realtime", "audio": audio})
    await client.events.wait("session.updated")
    client.speak()
    await client.events.wait("output_audio_buffer.stopped")
    assert spoken_turn.seen(client.events.kinds) == spoken_turn.recorded("webrtc")
    # Playback has its own clock: it begins once there is sound and ends last, whenever the response is complete.
    kinds = client.events.kinds
    assert kinds.index("response.created") < kinds.index("output_audio_buffer.started")
    assert kinds[-1] == "output_audio_buffer.stopped"
    ids = {event["response_id"] for event in client.events if event["type"].startswith("output_audio_buffer")}
    assert ids == {client.events.of("response.done")[0]["response"]["id"]}
    started, stopped = (client.events.of(f"output_audio_buffer.{what}")[0] for what in ("started", "stopped"))
    played = client.events.at[client.events.index(stopped)] - client.events.at[client.events.index(started)]
    assert played == pytest.approx(4 * 0.24, abs=0.3)
    sound = np.concatenate(client.heard).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(sound))
    assert np.fft.rfftfreq(len(sound), 1 / 48_000)[spectrum.argmax()] == pytest.approx(440, abs=5)
    assert client.events.of("error") == []


async def test_barge_in_is_told_in_order_with_what_was_heard(start_peer):
    peer = await start_peer(["hello", "stop"], {"hello": LONG})
    client = await peer.rtc()
    client.speak()
    await client.events.wait("output_audio_buffer.started")
    await client.hear(600)
    client.speak()
    truncated = await client.events.wait("conversation.item.truncated")
    said_at = client.events.index(client.events.of("input_audio_buffer.speech_started")[1])
    told = [
        event["type"]
        for event in client.events[said_at : client.events.index(truncated) + 1]
        if not event["type"].startswith(("response.output", "response.content"))
    ]
    assert told == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.done",
        "response.done",
        "rate_limits.updated",
        "conversation.item.truncated",
    ]
    done = client.events.of("response.done")[0]["response"]
    assert (done["status"], done["status_details"]["reason"]) == ("cancelled", "turn_detected")
    await client.hear(300)
    sounding = sum(20 for frame in client.heard if np.abs(frame).max() > 1000)
    assert truncated["audio_end_ms"] == pytest.approx(sounding, abs=60)
    client.send("conversation.item.retrieve", item_id=truncated["item_id"])
    item = (await client.events.wait("conversation.item.retrieved"))["item"]
    heard = item["content"][0]["transcript"].split()
    assert len(heard) == math.ceil(truncated["audio_end_ms"] / 240)
    await client.events.wait("response.done", 2)


async def test_silence_follows_a_barge_in_at_once(start_peer):
    peer = await start_peer(["hello", "stop"], {"hello": LONG})
    client = await peer.rtc()
    client.send(
        "session.update",
        session={
            "type": "realtime",
            "audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 1500}}},
        },
    )
    client.speak()
    await client.events.wait("output_audio_buffer.started")
    client.speak()
    await client.events.wait("output_audio_buffer.cleared")
    assert np.abs((await client.hear(400))[200 * 48 :]).max() < 100


async def test_clearing_the_output_by_hand_stops_the_sound(start_peer):
    peer = await start_peer(replies={"": LONG})
    client = await peer.rtc()
    client.send("response.create")
    await client.events.wait("output_audio_buffer.started")
    client.send("response.cancel")
    client.send("output_audio_buffer.clear")
    truncated = await client.events.wait("conversation.item.truncated")
    assert client.events.kinds.index("response.done") < client.events.kinds.index(
        "output_audio_buffer.cleared"
    )
    assert truncated["audio_end_ms"] < 2000
    client.send("output_audio_buffer.clear")
    client.send("session.update", session={"type": "realtime"})
    await client.events.wait("session.updated")
    assert len(client.events.of("output_audio_buffer.cleared")) == 1
    assert client.events.of("error") == []


async def test_a_cancelled_response_is_played_to_the_end_of_what_was_made(start_peer):
    peer = await start_peer(replies={"": LONG})
    client = await peer.rtc()
    client.send("response.create")
    await client.events.wait("output_audio_buffer.started")
    client.send("response.cancel")
    await client.events.wait("output_audio_buffer.stopped")
    assert client.events.of("response.done")[0]["response"]["status"] == "cancelled"


async def test_a_reply_of_few_tokens_is_cut_off_and_played_to_its_end(start_peer):
    peer = await start_peer(replies={"": LONG})
    client = await peer.rtc()
    client.send("response.create", response={"max_output_tokens": 70})
    await client.events.wait("output_audio_buffer.stopped")
    response = client.events.of("response.done")[0]["response"]
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    tokens = response["usage"]["output_token_details"]
    assert 65 <= tokens["text_tokens"] + tokens["audio_tokens"] <= 70
    await client.hear(300)
    sounding = sum(20 for frame in client.heard if np.abs(frame).max() > 1000)
    assert sounding == pytest.approx(tokens["audio_tokens"] * 50, abs=120)
    assert client.events.of("error") == []


async def test_a_tool_round_over_a_call(start_peer):
    peer = await start_peer(
        ["weather"], {"weather": ("Let me look.", Call("get_weather", {"city": "London"}))}
    )
    client = await peer.rtc()
    client.speak()
    called = await client.events.wait("response.function_call_arguments.done")
    output = {"type": "function_call_output", "call_id": called["call_id"], "output": "It is foggy."}
    client.send("conversation.item.create", item=output)
    await client.events.wait("response.done")
    client.send("response.create")
    await client.events.wait("output_audio_buffer.stopped", 2)
    spoken = [event["transcript"] for event in client.events.of("response.output_audio_transcript.done")]
    assert spoken == ["Let me look.", "It is foggy."]
    assert client.events.of("error") == []


async def test_push_to_talk_over_a_call(start_peer):
    peer = await start_peer(["lights on"], {"lights on": "Done."})
    client = await peer.rtc()
    client.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    await client.events.wait("session.updated")
    client.send("input_audio_buffer.clear")
    client.speak(300)
    await client.said()
    client.send("input_audio_buffer.commit")
    client.send("response.create")
    await client.events.wait("output_audio_buffer.stopped")
    assert (
        client.events.of("response.done")[0]["response"]["output"][0]["content"][0]["transcript"] == "Done."
    )
    assert "input_audio_buffer.speech_started" not in client.events.kinds


async def test_a_microphone_that_goes_quiet_for_good_does_not_keep_the_turn_open(start_peer):
    peer = await start_peer(["hello"], {"hello": "Hi."})
    client = await peer.rtc()
    client.speak(5000)
    await client.events.wait("input_audio_buffer.speech_started")
    client.pc.getSenders()[0].replaceTrack(None)
    await client.events.wait("response.done")


async def test_a_sideband_sees_everything_but_the_greeting_and_the_sound_and_may_steer(start_peer):
    peer = await start_peer(["hello"], {"hello": "one two"})
    client = await peer.rtc()
    sideband = await peer.ws(f"/v1/realtime?call_id={client.call_id}")
    await sideband.send("session.update", session={"type": "realtime", "instructions": "Steered."})
    updated = await sideband.events.wait("session.updated")
    assert sideband.events.kinds[0] == "session.updated"
    assert (await client.events.wait("session.updated")) == updated
    client.speak()
    await sideband.events.wait("output_audio_buffer.stopped")
    await client.events.wait("output_audio_buffer.stopped")
    assert sideband.events == client.events[1:]
    assert "response.output_audio.delta" not in sideband.events.kinds
    await client.close()
    async with asyncio.timeout(20):
        await sideband.socket.wait_closed()


async def test_a_sideband_with_an_ephemeral_secret_finds_no_call(start_peer):
    peer = await start_peer()
    client = await peer.rtc()
    value = (await peer.post("/v1/realtime/client_secrets", json={})).json()["value"]
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await peer.ws(f"/v1/realtime?call_id={client.call_id}", {"Authorization": f"Bearer {value}"})
    assert refusal.value.response.status_code == 404
    assert json.loads(refusal.value.response.body)["error"]["code"] == "call_id_not_found"


async def test_the_filter_lets_eleven_events_through_and_the_sideband_sees_the_rest(start_peer):
    peer = await start_peer(["hello"], {"hello": "one two"})
    session = {"type": "realtime", "model": "local", "audio": {"input": {"transcription": {"model": "m"}}}}
    minted = (await peer.post("/openai/v1/realtime/client_secrets", json={"session": session})).json()
    headers = {"Authorization": f"Bearer {minted['value']}"}
    client = await peer.rtc("/openai/v1/realtime/calls?webrtcfilter=on", headers)
    sideband = await peer.ws(f"/openai/v1/realtime?call_id={client.call_id}")
    await sideband.send("session.update", session={"type": "realtime"})
    session = (await sideband.events.wait("session.updated"))["session"]
    assert session["id"] == minted["session"]["id"]
    client.speak()
    await client.events.wait("output_audio_buffer.stopped")
    await sideband.events.wait("output_audio_buffer.stopped")
    assert len(FILTERED) == 11
    assert set(client.events.kinds) == FILTERED - {
        "conversation.item.created",
        "response.output_text.delta",
        "response.output_text.done",
    }
    assert {"response.done", "response.created", "session.updated"} <= set(sideband.events.kinds)
    part = sideband.events.of("response.content_part.added")[0]
    assert part["content"] == part["part"]


async def test_the_filter_and_the_short_ids_of_calls_are_azures_alone(start_peer, hex_id):
    peer = await start_peer()
    client = await peer.rtc("/v1/realtime/calls?webrtcfilter=on")
    await client.events.wait("session.created")
    assert hex_id("rtc_u2", client.call_id)
    minted = (await peer.post("/openai/v1/realtime/client_secrets", json={})).json()
    client = await peer.rtc("/openai/v1/realtime/calls", {"Authorization": f"Bearer {minted['value']}"})
    assert hex_id("rtc", client.call_id)


async def test_the_offer_and_the_session_come_together_with_the_peers_own_secret(start_peer):
    peer = await start_peer()
    client = await peer.rtc(session={"type": "realtime", "model": "gpt-realtime", "instructions": "Cook."})
    session = (await client.events.wait("session.created"))["session"]
    assert (session["model"], session["instructions"]) == ("gpt-realtime", "Cook.")


async def test_a_hang_up_ends_the_call_and_a_second_one_finds_nothing(start_peer):
    peer = await start_peer()
    client = await peer.rtc()
    await client.events.wait("session.created")
    path = f"/v1/realtime/calls/{client.call_id}/hangup"
    response = await peer.post(path)
    assert (response.status_code, response.content) == (200, b"")
    async with asyncio.timeout(20):
        while client.channel.readyState != "closed":
            await asyncio.sleep(0.02)
    response = await peer.post(path)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "call_id_not_found")


@pytest.mark.parametrize("leave", ["connection", "channel"])
async def test_a_client_that_leaves_is_noticed_and_its_agent_stops(start_peer, leave):
    stopped = asyncio.Event()

    class Endless:
        async def reply(self, turn):
            try:
                while True:
                    yield Say("well")
                    await asyncio.sleep(0.01)
            finally:
                stopped.set()

    peer = await start_peer(stages=Stages(EnergyVad, ScriptedStt(), Endless(), ToneTts()))
    client = await peer.rtc()
    client.send("response.create")
    await client.events.wait("output_audio_buffer.started")
    if leave == "connection":
        await client.pc.close()
    else:
        client.channel.close()
    async with asyncio.timeout(20):
        await stopped.wait()
    await hung_up(peer, client.call_id)


KILLED_CLIENT = """
import asyncio, sys, urllib.request
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
async def main(url, secret):
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    pc.addTransceiver("audio")
    channel = pc.createDataChannel("oai-events")
    channel.on("open", lambda: print("open", flush=True))
    await pc.setLocalDescription(await pc.createOffer())
    headers = {"Authorization": "Bearer " + secret, "Content-Type": "application/sdp"}
    request = urllib.request.Request(url, pc.localDescription.sdp.encode(), headers)
    response = await asyncio.to_thread(urllib.request.urlopen, request)
    print(response.headers["location"].rpartition("/")[2], flush=True)
    await pc.setRemoteDescription(RTCSessionDescription(response.read().decode(), "answer"))
    await asyncio.sleep(60)
asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_client_that_is_killed_without_a_word_is_noticed(start_peer, monkeypatch):
    peer = await start_peer()
    secret = peer.headers["Authorization"].removeprefix("Bearer ")
    client = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        KILLED_CLIENT,
        f"{peer.url}/v1/realtime/calls",
        secret,
        stdout=asyncio.subprocess.PIPE,
    )
    call_id = (await client.stdout.readline()).decode().strip()
    monkeypatch.setattr("aioice.ice.CONSENT_INTERVAL", 0.2)
    assert await client.stdout.readline() == b"open\n"
    sideband = await peer.ws(f"/v1/realtime?call_id={call_id}")
    client.kill()
    await client.wait()
    async with asyncio.timeout(8):
        await sideband.socket.wait_closed()


async def test_names_that_only_a_browser_can_resolve_cost_no_time(start_peer):
    peer = await start_peer()
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    client.addTransceiver("audio")
    client.createDataChannel("oai-events")
    await client.setLocalDescription(await client.createOffer())
    named = re.sub(r"(a=candidate:\S+ 1 udp \d+) \S+", r"\1 1f0e-4a.local", client.localDescription.sdp)
    assert ".local" in named
    headers = {**peer.headers, "Content-Type": "application/sdp"}
    begun = time.perf_counter()
    response = await peer.post("/v1/realtime/calls", headers=headers, content=named)
    took = time.perf_counter() - begun
    await client.close()
    assert response.status_code == 201
    assert took < 0.9


async def test_a_call_that_never_connects_is_dropped(start_peer, monkeypatch):
    monkeypatch.setattr("genmb_voice_widget.peer.legs.rtc.CONNECT_WITHIN", 0.3)
    peer = await start_peer()
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    client.addTransceiver("audio")
    client.createDataChannel("oai-events")
    await client.setLocalDescription(await client.createOffer())
    headers = {**peer.headers, "Content-Type": "application/sdp"}
    response = await peer.post("/v1/realtime/calls", headers=headers, content=client.localDescription.sdp)
    call_id = response.headers["location"].rpartition("/")[2]
    sideband = await peer.ws(f"/v1/realtime?call_id={call_id}")
    async with asyncio.timeout(20):
        await sideband.socket.wait_closed()
    await client.close()


class Packet:
    def __init__(self, number):
        self.sequence_number = number
        self.timestamp = number * 960
        self._data = bytes([number % 256])


def test_packets_pass_in_the_order_of_arrival_and_late_ones_are_dropped():
    buffer = ArrivalOrder()
    passed = [buffer.add(Packet(number))[1] is not None for number in (65534, 65535, 0, 1, 4, 3, 4, 5)]
    assert passed == [True, True, True, True, True, False, False, True]


async def test_a_bug_behind_the_microphone_ends_the_call_for_all_to_see(start_peer, monkeypatch, caplog):
    def stumble(frame):
        raise KeyError("the bug")

    peer = await start_peer()
    client = await peer.rtc()
    monkeypatch.setattr("genmb_voice_widget.peer.legs.rtc._mono", stumble)
    await hung_up(peer, client.call_id)
    assert "in stumble" in caplog.text


async def test_a_bug_behind_what_is_heard_on_a_call_is_an_error_and_the_call_goes_on(
    start_peer, monkeypatch, caplog
):
    client = await (await start_peer(["hello"], {"hello": "Hi."})).rtc()
    with monkeypatch.context() as patch:
        patch.setattr(EnergyVad, "__call__", lambda vad, frame: 1 / 0)
        error = (await client.events.wait("error"))["error"]
    assert error["type"] == "server_error"
    assert "ZeroDivisionError" in caplog.text
    client.speak()
    await client.events.wait("output_audio_buffer.stopped")
    assert len(client.events.of("error")) == 1


async def test_a_second_data_channel_is_not_a_second_greeting(start_peer):
    peer = await start_peer()
    client = await peer.rtc()
    other = client.pc.createDataChannel("another")
    opened, told = asyncio.Event(), []
    other.on("open", opened.set)
    other.on("message", told.append)
    async with asyncio.timeout(20):
        await opened.wait()
    client.send("session.update", session={"type": "realtime"})
    await client.events.wait("session.updated")
    assert client.events.kinds == ["session.created", "session.updated"]
    assert told == []


async def test_one_microphone_is_taken_and_whatever_else_is_offered_declined(start_peer):
    peer = await start_peer()
    client = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    for kind in ("video", "audio", "audio"):
        client.addTransceiver(kind)
    client.createDataChannel("oai-events")
    await client.setLocalDescription(await client.createOffer())
    headers = {**peer.headers, "Content-Type": "application/sdp"}
    response = await peer.post("/v1/realtime/calls", headers=headers, content=client.localDescription.sdp)
    await client.close()
    directions = re.findall(r"^a=(sendrecv|sendonly|recvonly|inactive)", response.text, re.MULTILINE)
    assert directions == ["inactive", "sendrecv", "inactive"]


async def test_a_client_that_does_not_read_its_events_is_dropped(start_peer, monkeypatch):
    monkeypatch.setattr("genmb_voice_widget.peer.legs.rtc.BACKLOG", 100_000)
    peer = await start_peer()
    client = await peer.rtc()
    await client.events.wait("session.created")
    sideband = await peer.ws(f"/v1/realtime?call_id={client.call_id}")
    monkeypatch.setattr("aiortc.rtcsctptransport.RTCSctpTransport._receive_data_chunk", lambda *_: None)
    monkeypatch.setattr("aiortc.rtcsctptransport.RTCSctpTransport._receive_sack_chunk", swallow)
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x" * 20_000}]}
    for _ in range(10):
        await sideband.send("conversation.item.create", item=item)
    async with asyncio.timeout(20):
        await sideband.socket.wait_closed()


async def swallow(*_):
    """Take an acknowledgement and do nothing, as if it had never come."""


async def test_a_call_that_could_not_be_answered_leaves_nothing_behind(start_peer, monkeypatch):
    closed = asyncio.Event()

    class Noted(LiveSession):
        async def close(self):
            await super().close()
            closed.set()

    async def stumble(leg, offer):
        raise asyncio.CancelledError

    monkeypatch.setattr("genmb_voice_widget.peer.calls.LiveSession", Noted)
    monkeypatch.setattr("genmb_voice_widget.peer.legs.rtc.RtcLeg.answer", stumble)
    calls = Calls(scripted_stages(), time.time)
    with pytest.raises(asyncio.CancelledError):
        await calls.begin("v=0", new_session("sess_1", "local"), everything, OPENAI, NO_FAULTS)
    async with asyncio.timeout(20):
        await closed.wait()


async def test_a_bug_behind_an_event_leaves_the_call_alive(start_peer, monkeypatch, caplog):
    def stumble(*_):
        raise KeyError("the bug")

    client = await (await start_peer()).rtc()
    with monkeypatch.context() as patch:
        patch.setattr("genmb_voice_widget.peer.protocol.dialogue.Dialogue.retrieve", stumble)
        client.send("conversation.item.retrieve", item_id="x", event_id="mine")
        error = (await client.events.wait("error"))["error"]
        assert (error["type"], error["event_id"]) == ("server_error", "mine")
    assert "in stumble" in caplog.text
    client.send("session.update", session={"type": "realtime"})
    await client.events.wait("session.updated")
