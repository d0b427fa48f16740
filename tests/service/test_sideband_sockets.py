"""`WS /v1/sessions/{id}/events`: who may observe a session, what passes, and how it ends; the service is a stand-in."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from fastapi import FastAPI
from harness.audit_log import AuditLog
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from genmb_voice_widget.service.app import make_app
from genmb_voice_widget.service.drain import Drain
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.sessions import Sessions
from genmb_voice_widget.service.sessions.legs import Legs
from genmb_voice_widget.service.sessions.parts import Parts
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.service.sideband.observer import LARGEST, Patience
from genmb_voice_widget.service.sideband.sockets import Observers
from genmb_voice_widget.service.window import MemoryWindow

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
BODY = {"session": {"type": "realtime", "model": "a-model"}, "sdp": OFFER}
CANARY = "event-text-canary-31"


class Call:
    """A call that can be observed: `told` goes to the observer (None: it closes), `heard` came from it."""

    def __init__(self, call_id):
        self.id = call_id
        self.told, self.heard = asyncio.Queue(), asyncio.Queue()
        self.let_go = asyncio.Event()

    def __aiter__(self):
        return self

    async def __anext__(self):
        message = await self.told.get()
        if message is None:
            raise StopAsyncIteration
        if isinstance(message, Exception):
            raise message
        return message

    async def send(self, text):
        self.heard.put_nowait(json.loads(text))


@dataclass
class Booth:
    url: str
    provider: object
    ledger: MemoryLedger
    drain: Drain
    audit: AuditLog
    register: object
    observed: asyncio.Queue
    sockets: list = field(default_factory=list)

    async def start(self, app="shop", **fields):
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            answer = await http.post("/v1/sessions", json=BODY, headers=self.register.bearer(app) | fields)
            assert answer.status_code == 201, answer.text
            return answer.json()

    async def end(self, session):
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            await http.post(f"/v1/sessions/{session}/ended", json={}, headers=self.register.bearer("shop"))

    async def connected(self, session):
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            await http.post(
                f"/v1/sessions/{session}/connected", json={}, headers=self.register.bearer("shop")
            )

    async def renew(self, session):
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            path = f"/v1/sessions/{session}/offer"
            answer = await http.post(path, json=BODY, headers=self.register.bearer("shop"))
            assert answer.status_code == 200, answer.text

    async def open(self, session, headers=None, query=""):
        address = f"ws{self.url.removeprefix('http')}/v1/sessions/{session}/events{query}"
        headers = self.register.bearer("shop") if headers is None else headers
        socket = await connect(address, additional_headers=headers, proxy=None, compression=None)
        self.sockets.append(socket)
        return socket

    async def held(self):
        """A session, an observer's socket, and the call as the provider shows it."""
        ticket = await self.start()
        socket = await self.open(ticket["id"])
        return ticket["id"], socket, await asyncio.wait_for(self.observed.get(), 5)

    async def refused(self, session, headers=None, query=""):
        with pytest.raises(InvalidStatus) as caught:
            await self.open(session, headers, query)
        return caught.value.response


@pytest.fixture
def open_booth(make_provider, register, running, clock):
    @asynccontextmanager
    async def opening(patience=None):
        provider, observed, loop = make_provider(), asyncio.Queue(), asyncio.get_running_loop()

        @asynccontextmanager
        async def observe(call_id):
            if call_id not in provider.live:
                raise Refusal("session_over", "No such call.")
            call = Call(call_id)
            call.loop = asyncio.get_running_loop()
            loop.call_soon_threadsafe(observed.put_nowait, call)
            try:
                yield call
            finally:
                loop.call_soon_threadsafe(call.let_go.set)

        provider.observe = observe
        ledger, audit, drain = MemoryLedger(clock, 100), AuditLog(), Drain()
        access, window, timing = register.access(), MemoryWindow(clock), Timing()
        app: FastAPI = make_app(
            providers={"here": provider}, access=access, window=window, ledger=ledger, clock=clock
        )
        parts = Parts(Legs({"here": provider}, timing), window, ledger, timing, clock)
        [route] = [route for route in app.routes if route.path.endswith("/events")]
        app.routes.remove(route)
        observers = Observers(
            Sessions(parts), parts, access, drain, [audit.record], patience or Patience(look=0.05)
        )
        app.add_api_websocket_route(route.path, observers.serve)
        with running(app) as url:
            booth = Booth(url, provider, ledger, drain, audit, register, observed)
            yield booth
            for socket in booth.sockets:  # the server waits for who is still there
                await socket.close()

    return opening


@pytest.fixture
async def booth(open_booth):
    async with open_booth() as booth:
        yield booth


def tell(call, *messages):
    for message in messages:
        call.loop.call_soon_threadsafe(call.told.put_nowait, message)


async def receive(socket):
    return json.loads(await asyncio.wait_for(socket.recv(), 5))


async def closed(socket):
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            await receive(socket)
    return caught.value.rcvd.code


async def test_an_observer_hears_the_service_and_speaks_to_it(booth):
    _, socket, call = await booth.held()
    tell(call, json.dumps({"type": "response.created", "event_id": "e1"}), "no event", "[1]")
    tell(call, json.dumps({"type": "response.done", "event_id": "e2"}))
    assert [(await receive(socket))["event_id"] for _ in "12"] == ["e1", "e2"]
    await socket.send('{"type": "response.cancel"}')
    async with asyncio.timeout(20):
        while call.heard.empty():
            await asyncio.sleep(0.01)
    assert call.heard.get_nowait() == {"type": "response.cancel"}
    await socket.close()
    await asyncio.wait_for(call.let_go.wait(), 20)


async def test_the_ticket_says_who_may_observe(booth):
    assert (await booth.start())["sideband"] is True
    assert (await booth.start(Origin="https://shop.example"))["sideband"] is False


@pytest.mark.parametrize(
    "who", ["a page of the app", "a page with a key", "a token", "nobody", "another app"]
)
async def test_only_a_server_that_shows_the_apps_key_may_observe_its_sessions(booth, who):
    session, shop = (await booth.start())["id"], {"Origin": "https://shop.example"}
    headers, query, status = {
        "a page of the app": (shop, "?app=shop", 403),
        "a page with a key": (shop | booth.register.bearer("shop"), "", 403),
        "a token": (booth.register.token("shop"), "", 401),
        "nobody": ({}, "", 401),
        "another app": (booth.register.bearer("other"), "", 404),
    }[who]
    refusal = await booth.refused(session, headers, query)
    assert refusal.status_code == status
    assert json.loads(refusal.body)["status"] == status
    assert booth.observed.empty()


async def test_a_session_that_is_over_or_never_was_cannot_be_observed(booth):
    session = (await booth.start())["id"]
    await booth.end(session)
    assert (await booth.refused(session)).status_code == 409
    assert (await booth.refused("vs_unknown")).status_code == 404


async def test_a_call_that_the_service_has_dropped_is_refused_with_its_reason(booth):
    session = (await booth.start())["id"]
    booth.provider.live.clear()
    assert json.loads((await booth.refused(session)).body)["code"] == "session_over"


async def test_the_end_of_the_session_ends_the_observing(booth):
    session, socket, call = await booth.held()
    await booth.end(session)
    assert await closed(socket) == 1000
    await asyncio.wait_for(call.let_go.wait(), 20)


async def test_a_session_that_has_another_call_is_to_be_observed_anew(booth):
    session, socket, call = await booth.held()
    await booth.connected(session)
    await booth.renew(session)
    assert await closed(socket) == 1012
    await asyncio.wait_for(call.let_go.wait(), 20)
    await booth.open(session)
    assert (await asyncio.wait_for(booth.observed.get(), 5)).id == "rtc_2"


@pytest.mark.parametrize("how", [None, Refusal("provider_unreachable", "It broke.")])
async def test_a_service_that_closes_a_call_that_stands_is_told_apart_from_the_sessions_end(booth, how):
    _, socket, call = await booth.held()
    tell(call, how)
    assert await closed(socket) == 1011


async def test_a_newer_observer_takes_the_older_ones_place(booth):
    session, older, call = await booth.held()
    newer = await booth.open(session)
    assert await closed(older) == 4001
    await asyncio.wait_for(call.let_go.wait(), 20)
    other = await asyncio.wait_for(booth.observed.get(), 5)
    tell(other, json.dumps({"type": "response.done"}))
    assert (await receive(newer))["type"] == "response.done"


@pytest.mark.parametrize(
    ("message", "code"), [(b"{}", 1003), (json.dumps({"type": "x", "y": "y" * LARGEST}), 1009)]
)
async def test_what_is_no_text_or_too_long_ends_it(booth, message, code):
    _, socket, _ = await booth.held()
    await socket.send(message)
    assert await closed(socket) == code


@pytest.mark.parametrize("message", ["", "{", "[]", "{}", '{"type": 1}'])
async def test_what_is_no_event_is_answered_and_goes_no_further(booth, message):
    _, socket, call = await booth.held()
    await socket.send(message)
    assert (await receive(socket))["error"]["code"] == "invalid_event"
    assert call.heard.empty()


async def test_an_observer_that_floods_is_read_only_so_fast(open_booth):
    async with open_booth(Patience(pause=50.0)) as booth:
        _, socket, call = await booth.held()
        for _ in range(2):
            await socket.send('{"type": "response.cancel"}')
        await socket.send("{")  # what stands behind the first is not read at once
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.3)
        assert call.heard.qsize() == 1


async def test_a_node_that_stops_says_so(booth):
    _, socket, call = await booth.held()
    booth.drain.close()
    assert await closed(socket) == 1001
    await asyncio.wait_for(call.let_go.wait(), 20)


async def test_who_observes_is_noted_and_nothing_that_is_said(booth, caplog):
    caplog.set_level("DEBUG")
    session, socket, call = await booth.held()
    tell(call, json.dumps({"type": CANARY}))
    await receive(socket)
    await socket.send(json.dumps({"type": CANARY}))
    await socket.close()
    await booth.refused(session, booth.register.bearer("other"))
    decisions = [(each.action, each.outcome, each.app, each.via) for each in booth.audit.decisions]
    assert decisions == [("observed", "ok", "shop", "key"), ("observed", "session_not_found", "other", "key")]
    server = [record.getMessage() for record in caplog.records if not record.name.startswith("websockets")]
    assert CANARY not in "\n".join(server)
