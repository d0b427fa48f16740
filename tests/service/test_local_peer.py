"""The endpoint as a notebook mounts it, with the real local peer: a program of its own, a real offer, a real call."""

import asyncio
import json
import time

import httpx
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack

from genmb_voice_widget.service.access import OpenAccess
from genmb_voice_widget.service.app import in_process, make_app, shut_down
from genmb_voice_widget.service.ledger_memory import MemoryLedger
from genmb_voice_widget.service.policy import Plan, Rate
from genmb_voice_widget.service.providers.local import LocalProvider
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.service.window import MemoryWindow

SESSION = {"type": "realtime", "model": "local", "audio": {"output": {"voice": "marin"}}}


class Caller:
    """A page's side of a call: the offer, and events for what becomes of it."""

    def __init__(self) -> None:
        self.connection = RTCPeerConnection()
        self.channel = self.connection.createDataChannel("oai-events")
        self.connected, self.greeted, self.over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.greeting: dict = {}
        self.connection.addTrack(AudioStreamTrack())
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
