"""The endpoint as a notebook mounts it, with the real local peer: a program of its own, a real offer, a real call."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import httpx
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaPlayer
from aiortc.mediastreams import AudioStreamTrack

from genmb_voice_widget.say import spoken
from genmb_voice_widget.service.access import OpenAccess
from genmb_voice_widget.service.app import in_process, make_app, shut_down
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.policy import Plan, Rate
from genmb_voice_widget.service.providers.local import LocalProvider
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.service.window import MemoryWindow

SESSION = {"type": "realtime", "model": "local", "audio": {"output": {"voice": "marin"}}}


class Caller:
    """A page's side of a call: the offer, and events for what becomes of it."""

    def __init__(self, track=None) -> None:
        self.connection = RTCPeerConnection()
        self.channel = self.connection.createDataChannel("oai-events")
        self.connected, self.greeted, self.over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.greeting: dict = {}
        self.connection.addTrack(track or AudioStreamTrack())
        self.connection.on("connectionstatechange", self._on_state)
        self.channel.on("message", self._on_message)
        self.channel.on("close", self.over.set)

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp

    async def accept(self, sdp: str) -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(sdp, "answer"))

    def _on_state(self) -> None:
        state = self.connection.connectionState
        if state == "connected":
            self.connected.set()
        elif state in ("closed", "failed"):
            self.over.set()

    def _on_message(self, text) -> None:
        if not self.greeted.is_set():
            self.greeting = json.loads(text)
            self.greeted.set()


@pytest.fixture
async def caller():
    caller = Caller()
    yield caller
    await caller.connection.close()


@pytest.fixture
async def http():
    app = in_process()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://in-process", timeout=30
    ) as client:
        yield client
    await shut_down(app)


async def test_an_offer_becomes_a_call_that_is_charged_when_it_stands_and_hung_up_when_it_ends(
    http, caller, caplog
):
    caplog.set_level("DEBUG")
    started = await http.post("/v1/sessions", json={"session": SESSION, "sdp": await caller.offer()})
    assert started.status_code == 201, started.text
    ticket = started.json()
    await caller.accept(ticket["sdp"])
    await asyncio.wait_for(asyncio.gather(caller.connected.wait(), caller.greeted.wait()), 10)
    assert caller.greeting["type"] == "session.created"
    assert caller.greeting["session"]["audio"]["output"]["voice"] == ticket["voice"] == "marin"

    path = f"/v1/sessions/{ticket['id']}"
    proof = await http.post(f"{path}/connected", json={"call_id": ticket["call_id"]})
    assert proof.json() == {"id": ticket["id"], "state": "captured"}
    assert not caller.over.is_set()

    end = await http.post(f"{path}/ended", json={"reason": "user"})
    assert end.json() == {"id": ticket["id"], "state": "captured"}
    await asyncio.wait_for(caller.over.wait(), 10)
    assert (await http.get(path)).json()["over"]
    assert "Bearer" not in caplog.text


async def test_a_call_that_is_ended_before_its_proof_is_gone_and_cost_nothing(http, caller):
    ticket = (await http.post("/v1/sessions", json={"session": SESSION, "sdp": await caller.offer()})).json()
    await caller.accept(ticket["sdp"])
    await asyncio.wait_for(caller.greeted.wait(), 10)
    end = await http.post(f"/v1/sessions/{ticket['id']}/ended", json={})

    assert end.json()["state"] == "released"
    await asyncio.wait_for(caller.over.wait(), 10)


async def test_a_call_without_a_proof_is_hung_up_when_its_time_is_over(clock, caller):
    ledger, window = MemoryLedger(clock, 5), MemoryWindow(clock)
    app = make_app(
        providers={"local": LocalProvider()},
        access=OpenAccess(Plan("pro", rate=Rate(1))),
        window=window,
        ledger=ledger,
        clock=clock,
        timing=Timing(sweep_every=0.05),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://in-process") as http:
        ticket = (
            await http.post("/v1/sessions", json={"session": SESSION, "sdp": await caller.offer()})
        ).json()
        await caller.accept(ticket["sdp"])
        await asyncio.wait_for(caller.greeted.wait(), 10)
        clock.advance(30)
        await asyncio.wait_for(caller.over.wait(), 15)
    await shut_down(app)
    assert [entry.kind for entry in ledger.entries] == ["reserve", "release"]
    assert (await ledger.balance("owner")).available == 5


async def test_a_minted_secret_opens_one_websocket_session_at_the_url_that_came_with_it(http):
    from websockets.asyncio.client import connect

    started = await http.post("/v1/sessions", json={"session": SESSION, "transport": "websocket"})
    assert started.status_code == 201, started.text
    ticket = started.json()
    assert ticket["token"].startswith("ek_")
    assert 50 < ticket["expires_at"] - time.time() <= 61
    headers = {"Authorization": f"Bearer {ticket['token']}"}
    async with connect(ticket["url"], additional_headers=headers, proxy=None) as socket:
        first = json.loads(await asyncio.wait_for(socket.recv(), 10))
    assert first["type"] == "session.created"


async def test_a_bad_session_is_the_providers_to_refuse_and_its_words_are_not_passed_on(http, caller):
    session = SESSION | {"of_nobody": "canary-77"}
    response = await http.post("/v1/sessions", json={"session": session, "sdp": await caller.offer()})

    assert response.json()["code"] == "provider_refused"
    assert "of_nobody" not in response.text
    assert "canary-77" not in response.text


async def test_an_offer_that_the_peer_cannot_answer_is_the_callers_fault(http):
    response = await http.post("/v1/sessions", json={"session": SESSION, "sdp": "v=0\r\ncanary-78"})

    assert (response.status_code, response.json()["code"]) == (422, "offer_refused")
    assert "canary-78" not in response.text


async def test_a_peer_that_died_is_started_again_by_the_next_session(caller):
    from genmb_voice_widget.peer.launch import PeerProcess

    peer = PeerProcess()
    app = in_process({"local": LocalProvider(lambda: peer)})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://in-process", timeout=30
    ) as http:
        wish = {"session": SESSION, "transport": "websocket"}
        first = (await http.post("/v1/sessions", json=wish)).json()
        await peer.stop()
        second = (await http.post("/v1/sessions", json=wish)).json()
        assert first["url"] != second["url"]
        started = await http.post("/v1/sessions", json={"session": SESSION, "sdp": await caller.offer()})
        assert started.status_code == 201
        await peer.stop()
        end = await http.post(f"/v1/sessions/{started.json()['id']}/ended", json={})
        assert end.json()["state"] == "released"
    await shut_down(app)


@asynccontextmanager
async def watching(timing):
    """An endpoint, with a real clock, that asks the peer itself for the proof."""
    ledger = MemoryLedger(time.time, 5)
    app = make_app(
        providers={"local": LocalProvider()},
        access=OpenAccess(Plan("pro")),
        window=MemoryWindow(time.time),
        ledger=ledger,
        clock=time.time,
        timing=timing,
        watch=True,
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://in-process", timeout=30
    ) as http:
        yield http, ledger
    await shut_down(app)


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_page_that_never_says_connected_but_sends_an_item_is_charged(caller):
    async with watching(Timing()) as (http, ledger):
        ticket = (
            await http.post("/v1/sessions", json={"session": SESSION, "sdp": await caller.offer()})
        ).json()
        await caller.accept(ticket["sdp"])
        await asyncio.wait_for(caller.greeted.wait(), 10)
        assert [entry.kind for entry in ledger.entries] == ["reserve"]
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello."}]}
        caller.channel.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await until(lambda: len(ledger.entries) == 2)

        assert [entry.kind for entry in ledger.entries] == ["reserve", "capture"]
        status = (await http.get(f"/v1/sessions/{ticket['id']}")).json()
        assert (status["state"], status["over"]) == ("captured", False)
        await http.post(f"/v1/sessions/{ticket['id']}/ended", json={})


@pytest.mark.speech
async def test_a_page_that_never_says_connected_but_speaks_is_charged(tmp_path):
    player = MediaPlayer(str(spoken("Hello, can you hear me?", tmp_path / "hello.wav")))
    caller = Caller(player.audio)
    async with watching(Timing()) as (http, ledger):
        ticket = (
            await http.post("/v1/sessions", json={"session": SESSION, "sdp": await caller.offer()})
        ).json()
        await caller.accept(ticket["sdp"])
        await until(lambda: len(ledger.entries) == 2)

        assert [entry.kind for entry in ledger.entries] == ["reserve", "capture"]
        await http.post(f"/v1/sessions/{ticket['id']}/ended", json={})
    await caller.connection.close()


async def test_a_page_that_never_connects_is_hung_up_after_its_time_and_costs_nothing(caller):
    async with watching(Timing(connect_within=0.6, sweep_every=0.05)) as (http, ledger):
        ticket = (
            await http.post("/v1/sessions", json={"session": SESSION, "sdp": await caller.offer()})
        ).json()
        answered = time.monotonic()
        await until(lambda: len(ledger.entries) == 2)

        assert 0.5 < time.monotonic() - answered < 5
        assert [entry.kind for entry in ledger.entries] == ["reserve", "release"]
        assert (await ledger.balance("owner")).available == 5
        assert (await http.get(f"/v1/sessions/{ticket['id']}")).json()["over"]
        late = await http.post(f"/v1/sessions/{ticket['id']}/connected", json={})
        assert late.json()["code"] == "session_over"


async def test_a_page_that_connects_and_stays_silent_is_proven_by_its_own_word_alone(caller):
    async with watching(Timing(connect_within=2, sweep_every=0.05)) as (http, ledger):
        ticket = (
            await http.post("/v1/sessions", json={"session": SESSION, "sdp": await caller.offer()})
        ).json()
        await caller.accept(ticket["sdp"])
        await asyncio.wait_for(caller.greeted.wait(), 10)
        await asyncio.wait_for(caller.over.wait(), 10)
        await until(lambda: len(ledger.entries) == 2)

        assert [entry.kind for entry in ledger.entries] == ["reserve", "release"]
