"""`/api/voice-agent` and its socket: who gets in, what it costs, and how it ends; the service is a stand-in."""

import asyncio
import json
import logging
import threading
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from harness.audit_log import AuditLog
from starlette.datastructures import URL, Headers
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, InvalidStatus

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service import policy
from genmb_voice_widget.service.access import OpenAccess
from genmb_voice_widget.service.app import make_app
from genmb_voice_widget.service.drain import Drain
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers import Ticket
from genmb_voice_widget.service.providers.wire_session import with_transcription
from genmb_voice_widget.service.relay.relay import LARGEST, Patience
from genmb_voice_widget.service.relay.routes import add_relay_routes
from genmb_voice_widget.service.relay.shape import Admission
from genmb_voice_widget.service.relay.sockets import Sockets
from genmb_voice_widget.service.sessions import Sessions
from genmb_voice_widget.service.sessions.legs import Legs
from genmb_voice_widget.service.sessions.parts import Parts
from genmb_voice_widget.service.sessions.sweeper import Sweeper
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.service.web.server_log import keep_callers_out
from genmb_voice_widget.service.window import MemoryWindow

SHOP, OTHER = "https://shop.example", "https://other.example"
TOKEN = "ek_canary_7f3a"
CREATED = {"type": "session.created", "session": {"audio": {"input": {"turn_detection": None}}}}


class Service:
    """A voice service that speaks when it is told to; `held` are its sockets, `heard` what came on each."""

    def __init__(self, make_provider) -> None:
        self.provider = make_provider()
        self.provider.mint = self.mint
        self.minted = []
        self.held = asyncio.Queue()
        self.url = ""
        self.refuses = None
        self.update = None
        self.written = dict
        self.transcription = None

    async def mint(self, session):
        self.minted.append(session)
        if self.refuses:
            raise self.refuses
        model = session.get("model", "the-endpoints")
        return Ticket(
            "ga",
            model,
            "ash",
            f"{self.url}/v1/realtime",
            Secret(TOKEN),
            1e9,
            self.update,
            self.written,
            self.transcription,
        )

    async def answer(self, socket):
        self.held.put_nowait(socket)
        await socket.wait_closed()

    async def socket(self):
        return await asyncio.wait_for(self.held.get(), 5)


@asynccontextmanager
async def listening(service, **options):
    async with serve(service.answer, "127.0.0.1", 0, **options) as server:
        service.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield


@dataclass
class Booth:
    """An endpoint that has only `/api/voice-agent`, and what is behind it."""

    url: str
    service: Service
    ledger: MemoryLedger
    window: MemoryWindow
    sweeper: Sweeper
    drain: Drain
    audit: AuditLog

    async def begin(self, query="?app=shop", origin=SHOP, **options):
        headers = {"Origin": origin, **options.pop("headers", {})} if origin else options.pop("headers", {})
        async with httpx.AsyncClient(base_url=self.url, trust_env=False) as http:
            return await http.post(f"/api/voice-agent{query}", headers=headers, **options)

    async def ticket(self, *args, **options):
        response = await self.begin(*args, **options)
        assert response.status_code == 200, response.text
        return response.json()["client_secret"]["value"]

    async def open(self, address, origin=SHOP):
        return await connect(address, origin=origin, proxy=None, open_timeout=10, compression=None)

    async def refused(self, address, origin=SHOP):
        with pytest.raises(InvalidStatus) as caught:
            await self.open(address, origin)
        return caught.value.response.status_code

    async def visit(self, address, origin=SHOP):
        """Open a page's socket and close it again, as soon as the service is there."""
        page = await self.open(address, origin)
        service = await self.service.socket()
        await page.close()
        await asyncio.wait_for(service.wait_closed(), 5)

    async def held(self):
        """Open a page's socket; returns both ends, when the service has greeted and the session is paid for."""
        address = await self.ticket()
        page = await self.open(address)
        service = await self.service.socket()
        await service.send(json.dumps(CREATED))
        await receive(page)
        session = URL(address).path.rpartition("/")[2]
        async with asyncio.timeout(20):
            while self.holds[session].phase != "live":
                await asyncio.sleep(0.005)
        return page, service

    async def phase(self, wanted):
        async with asyncio.timeout(20):
            while True:
                [hold] = self.holds.values()
                if hold.phase == wanted:
                    return hold
                await asyncio.sleep(0.01)

    async def phase_of(self, address, wanted):
        async with asyncio.timeout(20):
            while self.holds[address.path.rpartition("/")[2]].phase != wanted:
                await asyncio.sleep(0.01)

    @property
    def holds(self):
        return self.ledger._holds

    def kinds(self):
        return [entry.kind for entry in self.ledger.entries]


async def receive(socket):
    return json.loads(await asyncio.wait_for(socket.recv(), 5))


async def closed(socket):
    """Read on until the socket is closed; gives the code, the reason, and the events before."""
    events = []
    with pytest.raises(ConnectionClosed) as caught:
        while True:
            events.append(await receive(socket))
    return caught.value.rcvd.code, caught.value.rcvd.reason, events


@pytest.fixture
def open_booth(make_provider, register, running, clock):
    @asynccontextmanager
    async def opening(patience=None, timing=None, granted=100, share=None, listens=None, sleep=asyncio.sleep):
        service = Service(make_provider)
        timing = timing or Timing()
        ledger = share.ledger if share else MemoryLedger(clock, granted)
        window = share.window if share else MemoryWindow(clock)
        drain, audit = Drain(), AuditLog()
        parts = Parts(Legs({"here": service.provider}, timing), window, ledger, timing, clock)
        sessions = Sessions(parts)
        sweeper = Sweeper(sessions, ledger, timing)

        @asynccontextmanager
        async def lifespan(_):
            yield
            await parts.flights.drain()

        app = FastAPI(lifespan=lifespan)
        app.state.access = access = register.access()
        sockets = Sockets(sessions, parts, access, drain, [audit.record], patience or Patience(), sleep)
        add_relay_routes(app, sockets, sweeper)
        async with listening(service, **listens or {}):
            with running(app) as url:
                yield Booth(url, service, ledger, window, sweeper, drain, audit)

    return opening


@pytest.fixture
async def booth(open_booth):
    async with open_booth() as booth:
        yield booth


async def test_a_service_that_was_not_told_the_session_hears_of_it_before_anything_of_the_page(booth):
    booth.service.update = {"type": "realtime", "instructions": "Be brief."}
    page = await booth.open(await booth.ticket())
    service = await booth.service.socket()
    await page.send(json.dumps({"type": "response.create"}))
    told, asked = await receive(service), await receive(service)
    assert (told["type"], told["session"]) == ("session.update", booth.service.update)
    assert asked["type"] == "response.create"


async def test_a_session_is_held_when_it_is_asked_for_and_charged_when_the_service_has_made_it(booth):
    page = await booth.open(await booth.ticket())
    service = await booth.service.socket()
    assert booth.kinds() == ["reserve"]
    await service.send(json.dumps(CREATED))
    assert (await receive(page))["type"] == "session.created"
    await booth.phase("live")
    await page.close()
    assert (await booth.phase("over")).reason == "page_closed"
    assert booth.kinds() == ["reserve", "capture"]
    await asyncio.wait_for(service.wait_closed(), 5)
    assert [(decision.action, decision.outcome, decision.app) for decision in booth.audit.decisions] == [
        ("connected", "ok", "shop"),
        ("ended", "ok", "shop"),
    ]


async def test_a_page_that_goes_before_the_service_has_spoken_pays_nothing_and_gets_its_slot_back(booth):
    page = await booth.open(await booth.ticket())
    await booth.service.socket()
    await page.close()
    await booth.phase("released")
    assert booth.kinds() == ["reserve", "release"]
    assert "sessions:shop" not in booth.window._taken


async def test_a_service_that_opens_its_socket_only_to_refuse_there_has_made_no_session_and_is_not_paid_for(
    booth,
):
    page = await booth.open(await booth.ticket())
    service = await booth.service.socket()
    refusal = {"type": "error", "error": {"type": "insufficient_quota", "code": "insufficient_quota"}}
    await service.send(json.dumps(refusal))
    await service.close(4000)
    _, _, events = await closed(page)
    assert events == [refusal]
    await booth.phase("released")
    assert booth.kinds() == ["reserve", "release"]
    assert "sessions:shop" not in booth.window._taken


async def test_a_page_that_never_comes_is_let_go_and_its_ticket_is_dead(booth, clock):
    address = await booth.ticket()
    clock.advance(30.1)
    assert await booth.refused(address) == 403
    await booth.phase("released")
    other = await booth.ticket()
    clock.advance(30.1)
    await booth.sweeper.sweep()
    assert booth.kinds() == ["reserve", "release"] * 2
    assert await booth.refused(other) == 403


async def test_a_ticket_opens_one_socket_also_when_two_come_at_once_and_not_after_its_end(booth):
    address = await booth.ticket()
    opened = await asyncio.gather(*(booth.open(address) for _ in range(5)), return_exceptions=True)
    [page] = [each for each in opened if not isinstance(each, Exception)]
    assert all(isinstance(each, InvalidStatus) for each in opened if each is not page)
    await booth.service.socket()
    assert booth.service.held.empty()
    await page.close()
    await booth.phase("released")
    assert await booth.refused(address) == 403


@pytest.mark.parametrize(
    "change",
    [
        {"ticket": "x" * 43}, {"ticket": ""}, {"model": "gpt-realtime-2"}, {"voice": "cedar"},
        {"origin": OTHER}, {"origin": ""},
    ],
)  # fmt: skip
async def test_no_part_of_an_address_can_be_changed(booth, change):
    address = URL(await booth.ticket())
    assert await booth.refused(str(address.include_query_params(**change))) == 403
    another = URL(await booth.ticket())
    assert await booth.refused(str(address.replace(path=another.path))) == 403
    assert await booth.refused(str(address.replace(path="/api/voice-agent/vs_0"))) == 403
    await booth.visit(str(address))


@pytest.mark.parametrize("origin", [OTHER, "https://shop.example.evil", "http://shop.example", "null", None])
async def test_a_ticket_is_for_the_pages_of_the_origin_that_asked(booth, origin):
    assert await booth.refused(await booth.ticket(), origin) == 403
    assert booth.service.held.empty()


@pytest.mark.parametrize("tokens_only", [False, True])
async def test_a_server_may_ask_and_give_the_address_to_a_page_of_its_app(booth, register, tokens_only):
    await register.apps.change(replace(await register.apps.find("shop"), tokens_only=tokens_only))

    async def address():
        return await booth.ticket(query="", origin=None, headers=register.bearer("shop"))

    for origin in (OTHER, "null"):
        assert await booth.refused(await address(), origin) == 403
    for origin in (SHOP, "http://localhost:3000", None):
        await booth.visit(await address(), origin)


async def test_another_node_admits_the_page_and_no_node_twice(booth, open_booth):
    address = URL(await booth.ticket())
    async with open_booth(share=booth) as other:
        elsewhere = str(address.replace(netloc=URL(other.url).netloc))
        page = await other.open(elsewhere)
        await other.service.socket()
        assert await booth.refused(str(address)) == 403
        assert other.service.minted == booth.service.minted
        await page.close()
        await other.phase("released")


@pytest.mark.parametrize(
    ("query", "origin", "status", "granted"),
    [
        ("?app=nobody", SHOP, 401, 100),
        ("", SHOP, 401, 100),
        ("?app=shop", OTHER, 403, 100),
        ("?app=free", "https://free.example", 403, 100),
        ("?app=shop", SHOP, 402, 4),
    ],
)
async def test_refusals_have_the_status_of_everywhere_and_the_words_of_this_form(
    open_booth, query, origin, status, granted
):
    async with open_booth(granted=granted) as booth:
        response = await booth.begin(query, origin)
    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert response.json()["error"].endswith(".")
    assert booth.service.minted == []


async def test_the_limit_of_the_hour_says_when_there_is_room_again(open_booth):
    async with open_booth(granted=1000) as booth:
        for _ in range(20):
            page, _ = await booth.held()
            await page.close()
            async with asyncio.timeout(20):
                while any(hold.phase != "over" for hold in booth.holds.values()):
                    await asyncio.sleep(0.005)
        response = await booth.begin()
    assert (response.status_code, response.headers["retry-after"]) == (429, "3600")
    assert response.headers["ratelimit"] == '"sessions";r=0;t=3600'
    assert list(response.json()) == ["error"]


async def test_what_the_service_did_wrong_is_500_and_costs_nothing(booth):
    booth.service.refuses = Refusal(
        "provider_unreachable", "The voice service answered with HTTP status 500."
    )
    response = await booth.begin()
    assert (response.status_code, list(response.json())) == (500, ["error"])
    assert booth.kinds() == ["reserve", "release"]


@pytest.mark.parametrize(
    "body", [b"[]", b'{"model": 3}', b'{"voice": null}', b"nonsense", b'{"model": "%s"}' % (b"m" * 65)]
)
async def test_a_body_that_is_none_is_refused(booth, body):
    response = await booth.begin(content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, list(response.json())) == (422, ["error"])


async def test_without_a_word_it_is_the_endpoints_model_and_the_usual_voice_and_another_is_what_was_named(
    booth,
):
    answer = (await booth.begin()).json()
    assert (answer["model"], answer["voice"]) == ("the-endpoints", "ash")
    assert answer["input_audio_transcription"] == {"model": "whisper-1"}
    booth.service.transcription = "My-Transcription"
    response = await booth.begin(json={"model": "gpt-realtime", "voice": "sage", "more": 1})
    wires = booth.service.minted
    assert [(wire.get("model"), wire["audio"]["output"]["voice"]) for wire in wires] == [
        (None, "ash"),
        ("gpt-realtime", "sage"),
    ]
    assert [wire["audio"]["input"]["transcription"] for wire in wires] == [{}, {}]
    answer = response.json()
    assert (answer["model"], answer["voice"]) == ("gpt-realtime", "sage")
    assert answer["input_audio_transcription"] == {"model": "My-Transcription"}, "it may be sent back"
    assert answer["client_secret"]["expires_at"] == 1_000_030
    assert answer["expires_at"] == 1_000_000 + 1800
    assert response.headers["ratelimit"] == '"sessions";r=18;t=3600'


@pytest.mark.parametrize(
    ("headers", "expected"),
    [({}, "ws"), ({"X-Forwarded-Proto": "https"}, "wss"), ({"X-Forwarded-Proto": "gopher"}, "ws")],
)
async def test_the_address_leads_to_where_the_page_asked(booth, headers, expected):
    address = await booth.ticket(headers={"Host": "voice.example:8443", **headers})
    assert address.startswith(f"{expected}://voice.example:8443/api/voice-agent/vs_")


@pytest.mark.parametrize("host", ["", "a b", "user@voice.example", "voice.example/x"])
async def test_a_host_that_is_none_is_refused(booth, host):
    response = await booth.begin(headers={"Host": host})
    assert (response.status_code, list(response.json())) == (400, ["error"])


async def test_what_either_says_reaches_the_other_in_its_own_words(booth):
    page, service = await booth.held()
    await page.send(json.dumps({"type": "session.update", "session": {"voice": "sage"}}))
    update = await receive(service)
    assert update["session"] == {"type": "realtime", "audio": {"output": {"voice": "sage"}}}
    item = {"id": "i", "type": "message", "role": "user", "content": []}
    await service.send(json.dumps({"type": "conversation.item.added", "item": item}))
    assert (await receive(page))["type"] == "conversation.item.created"
    assert (await receive(service))["type"] == "response.create"


async def test_an_update_of_either_kind_of_page_goes_on_as_the_service_takes_it_and_names_no_model(
    booth, relayed
):
    """No update can change the model (OpenAI Realtime API, session.update), and Azure's need a deployment."""

    def written(session):
        return with_transcription(session, "My-Transcription")

    booth.service.written = relayed.service.written = written
    page, service = await booth.held()
    flat = {"model": "m", "instructions": "Be kind.", "input_audio_transcription": {"language": "de"}}
    await page.send(json.dumps({"type": "session.update", "session": flat}))
    heard = {"transcription": {"language": "de", "model": "My-Transcription"}}
    told = {"type": "realtime", "instructions": "Be kind.", "audio": {"input": heard}}
    assert await receive(service) == {"type": "session.update", "session": told}
    async with relayed.enter() as (page, service):
        asked = {"audio": {"input": {"transcription": {"language": "de"}}}}
        raw = {"type": "realtime", "model": "m", "instructions": "Be kind.", **asked}
        await page.send(json.dumps({"type": "session.update", "event_id": "u1", "session": raw}))
        assert await receive(service) == {"type": "session.update", "event_id": "u1", "session": told}


async def test_what_is_no_event_is_told_to_the_page_and_the_session_goes_on(booth):
    page, service = await booth.held()
    for text in ("nonsense", "[]", '{"type": 3}', "[" * 5000):
        await page.send(text)
        error = await receive(page)
        assert (error["type"], error["error"]["code"]) == ("error", "invalid_event")
    await page.send(json.dumps({"type": "response.cancel"}))
    assert await receive(service) == {"type": "response.cancel"}


async def test_sound_goes_on_as_the_page_has_written_it(booth):
    page, service = await booth.held()
    written = '{ "audio":"AAAA",  "type" : "input_audio_buffer.append" }'
    await page.send(written)
    assert await asyncio.wait_for(service.recv(), 5) == written


async def test_a_page_is_read_only_sixteen_times_as_fast_as_one_can_speak_whatever_it_sends(open_booth):
    async with open_booth(Patience(pause=0.6)) as booth:
        page, service = await booth.held()
        sound = json.dumps({"type": "input_audio_buffer.append", "audio": "A" * (LARGEST - 64)})
        for message in (sound, "x" * LARGEST):
            began = time.monotonic()
            for text in (message, json.dumps({"type": "response.cancel"})):
                await page.send(text)
            while (await receive(service))["type"] != "response.cancel":
                pass
            assert 0.5 < time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("message", "code", "reason"), [(b"bytes", 1003, "not_text"), ("x" * (LARGEST + 1), 1009, "too_large")]
)
async def test_a_page_that_sends_what_cannot_be_is_hung_up_on(booth, message, code, reason):
    page, service = await booth.held()
    await page.send(message)
    assert (await closed(page))[0] == code
    assert (await booth.phase("over")).reason == reason
    await asyncio.wait_for(service.wait_closed(), 5)


async def test_a_session_ends_with_the_service(booth):
    page, service = await booth.held()
    await service.close()
    assert (await closed(page))[:2] == (1000, "The voice service has ended the session.")
    assert (await booth.phase("over")).reason == "service_closed"


async def test_a_service_that_is_lost_is_told_as_that(booth):
    page, service = await booth.held()
    service.transport.abort()
    assert (await closed(page))[0] == 1011
    assert (await booth.phase("over")).reason == "service_lost"


async def test_silence_of_both_ends_a_session_and_a_word_of_one_prolongs_it(open_booth):
    async with open_booth(Patience(idle=0.4)) as booth:
        page, service = await booth.held()
        began = time.monotonic()
        for speaker in (page, service, page):
            await asyncio.sleep(0.25)
            await speaker.send(json.dumps({"type": "response.cancel"}))
        assert (await closed(page))[:2] == (1000, "Nothing has been said for long.")
        assert 1.1 < time.monotonic() - began < 3
        assert (await booth.phase("over")).reason == "idle"


async def test_a_page_that_does_not_read_is_hung_up_on_and_the_service_is_not_read_meanwhile(open_booth):
    async with open_booth(Patience(accept=0.5)) as booth:
        page, service = await booth.held()
        page.transport.pause_reading()
        flood = json.dumps({"type": "response.output_audio.delta", "delta": "A" * 100_000})
        sent = 0
        with pytest.raises(ConnectionClosed):
            while True:
                await service.send(flood)
                sent += 1
        assert sent * len(flood) < 32 * 1024 * 1024
        assert (await booth.phase("over")).reason == "too_slow"
        page.transport.abort()
        await page.wait_closed()


async def test_a_session_that_another_request_has_ended_is_ended(open_booth):
    async with open_booth(Patience(look=0.3)) as booth:
        page, _ = await booth.held()
        [session] = booth.holds
        await booth.ledger.step(session, "close", "user")
        assert (await closed(page))[:2] == (1000, "The session was ended.")


async def test_a_paid_session_that_was_ended_before_the_service_spoke_is_not_taken_for_one_that_stands(booth):
    page = await booth.open(await booth.ticket())
    service = await booth.service.socket()
    [session] = booth.holds
    for step in ("capture", "close", "settle"):
        await booth.ledger.step(session, step, "user")
    await service.send(json.dumps(CREATED))
    code, _, events = await closed(page)
    assert (code, events[-1]["error"]["code"]) == (1011, "session_over")
    assert booth.audit.decisions[0].outcome == "session_over"


async def test_a_session_ends_when_its_plans_time_is_over(booth, monkeypatch):
    monkeypatch.setitem(policy.PLANS, "pro", replace(policy.PLANS["pro"], max_seconds=0.4))
    page, _ = await booth.held()
    began = time.monotonic()
    assert (await closed(page))[:2] == (1000, "The session has reached its longest time.")
    assert time.monotonic() - began < 2
    assert (await booth.phase("over")).reason == "time_over"


async def test_a_node_that_is_to_go_takes_no_page_more_and_keeps_those_it_has_until_its_door_is_closed(booth):
    address = await booth.ticket()
    page, service = await booth.held()
    booth.drain.begin()
    assert await booth.refused(address) == 403
    assert (await booth.begin()).status_code == 503
    await page.send(json.dumps({"type": "response.cancel"}))
    assert await receive(service) == {"type": "response.cancel"}
    booth.drain.close()
    code, reason, _ = await closed(page)
    assert (code, reason.partition(".")[0]) == (1001, "This node is being stopped")


async def test_a_page_is_told_that_its_node_stops_before_the_service_has_answered_the_close(
    booth, monkeypatch
):
    page, _ = await booth.held()
    answered, close = threading.Event(), ClientConnection.close

    async def close_later(socket, *args):
        while not answered.is_set():
            await asyncio.sleep(0.01)
        await close(socket, *args)

    monkeypatch.setattr(ClientConnection, "close", close_later)
    try:
        booth.drain.close()
        assert (await closed(page))[0] == 1001
    finally:
        answered.set()


async def test_a_page_whose_node_was_stopped_comes_back_elsewhere_by_its_address_and_pays_no_more(
    booth, open_booth, clock
):
    address = URL(await booth.ticket())
    async with open_booth(share=booth) as other:
        elsewhere = str(address.replace(netloc=URL(other.url).netloc))
        page = await booth.open(str(address))
        await (await booth.service.socket()).send(json.dumps(CREATED))
        await booth.phase("live")
        assert await other.refused(elsewhere) == 403
        booth.drain.close()
        await closed(page)
        clock.advance(59)
        again = await other.open(elsewhere)
        await (await other.service.socket()).send(json.dumps(CREATED))
        await other.phase("live")
        assert await other.refused(elsewhere) == 403
        await again.close()
        assert (await other.phase("over")).reason == "page_closed"
        assert await other.refused(elsewhere) == 403
    assert booth.kinds() == ["reserve", "capture"]


async def test_a_page_whose_node_was_stopped_must_come_back_within_the_grace(booth, open_booth, clock):
    address = URL(await booth.ticket())
    page = await booth.open(str(address))
    await (await booth.service.socket()).send(json.dumps(CREATED))
    await booth.phase("live")
    booth.drain.close()
    await closed(page)
    clock.advance(60)
    async with open_booth(share=booth) as other:
        assert await other.refused(str(address.replace(netloc=URL(other.url).netloc))) == 403
        assert other.service.minted == []


@pytest.fixture
async def cut_off(booth):
    """Have a session live for so many seconds on a node that is stopped then; returns its address."""

    async def cut_off(lived=0.0):
        address = URL(await booth.ticket())
        page = await booth.open(str(address))
        await (await booth.service.socket()).send(json.dumps(CREATED))
        await booth.phase("live")
        booth.ledger._clock.advance(lived)
        booth.drain.close()
        await closed(page)
        return address

    return cut_off


def at(node, address):
    return str(address.replace(netloc=URL(node.url).netloc))


def on_pro(monkeypatch, **limits):
    monkeypatch.setitem(policy.PLANS, "pro", replace(policy.PLANS["pro"], **limits))


async def test_a_page_whose_node_was_stopped_comes_back_only_where_its_app_may_have_one_more(
    booth, open_booth, cut_off, monkeypatch
):
    on_pro(monkeypatch, max_live=1)
    address = await cut_off()
    async with open_booth(share=booth) as other:
        second = URL(await other.ticket())
        assert await other.refused(at(other, address)) == 403
        assert other.audit.decisions[-1].outcome == "too_many_live"
        await other.ledger.step(second.path.rpartition("/")[2], "close", "user")
        await other.sweeper.sweep()
        page = await other.open(at(other, address))
        await other.service.socket()
        assert (await other.begin()).status_code == 429
        await page.close()
        await other.phase_of(address, "over")


async def test_a_page_that_came_back_is_told_that_its_time_is_over_when_the_account_says_so(
    booth, open_booth, cut_off, clock, monkeypatch
):
    on_pro(monkeypatch, max_seconds=100.0)
    address = await cut_off(90.0)
    async with open_booth(Patience(look=0.3), share=booth) as other:
        page = await other.open(at(other, address))
        await other.service.socket()
        clock.advance(10)
        await other.sweeper.sweep()
        assert (await closed(page))[:2] == (1000, "The session has reached its longest time.")
        assert (await other.phase("over")).reason == "time_over"


async def test_a_page_that_came_back_has_what_was_left_of_its_time_and_not_all_of_it_anew(
    booth, open_booth, cut_off, monkeypatch
):
    on_pro(monkeypatch, max_seconds=100.0)
    address = await cut_off(99.5)
    async with open_booth(share=booth) as other:
        page = await other.open(at(other, address))
        await other.service.socket()
        assert (await closed(page))[:2] == (1000, "The session has reached its longest time.")
        await other.phase("over")


async def test_a_ticket_that_could_not_be_renewed_for_a_moment_still_opens_its_socket(
    booth, open_booth, cut_off
):
    address = await cut_off()
    async with open_booth(share=booth) as other:
        renew = booth.ledger.renew

        async def fail_once(*args):
            booth.ledger.renew = renew
            raise Refusal("service_unavailable", "The account cannot be asked just now.")

        booth.ledger.renew = fail_once
        assert await other.refused(at(other, address)) == 403
        assert other.audit.decisions[-1].outcome == "service_unavailable"
        await other.visit(at(other, address))


async def test_the_page_of_an_app_that_is_let_in_no_more_does_not_come_back(
    booth, open_booth, cut_off, register
):
    address = await cut_off()
    await register.apps.revoke("shop")
    async with open_booth(share=booth) as other:
        assert await other.refused(at(other, address)) == 403
        assert other.audit.decisions[-1].outcome == "unauthorized"


async def test_a_service_that_cannot_be_reached_is_told_and_costs_nothing(open_booth):
    async with open_booth() as booth:
        address = await booth.ticket()
        booth.service.url = "ws://127.0.0.1:9"
        code, _, [event] = await closed(await booth.open(address))
        assert (code, event["error"]["code"]) == (1011, "provider_unreachable")
        await booth.phase("released")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "secret_expired"),
        (403, "provider_region"),
        (404, "deployment_missing"),
        (429, "provider_busy"),
        (302, "provider_refused"),
        (500, "provider_refused"),
    ],
)
async def test_a_service_that_refuses_is_told_and_its_redirect_is_not_followed(open_booth, status, said):
    asked = []

    def refuse(connection, request):
        asked.append(request.path)
        response = connection.respond(status, "canary body")
        response.headers["Location"] = request.path + "/elsewhere"
        return response

    async with open_booth(listens={"process_request": refuse}) as booth:
        code, _, [event] = await closed(await booth.open(await booth.ticket()))
        assert (code, event["error"]["code"]) == (1011, said)
        assert "canary" not in json.dumps(event)
        await booth.phase("released")
    assert asked == ["/v1/realtime"]


async def test_neither_the_secret_nor_the_ticket_nor_what_is_said_is_in_any_log(booth, caplog):
    caplog.set_level(logging.DEBUG, "genmb_voice_widget")
    address = await booth.ticket()
    page = await booth.open(address)
    service = await booth.service.socket()
    await service.send(json.dumps({**CREATED, "canary": "canary-words"}))
    await receive(page)
    await page.send(json.dumps({"type": "canary-words"}))
    await receive(service)
    service.transport.abort()
    await closed(page)
    assert TOKEN not in address
    logged = [record.getMessage() for record in caplog.records if record.name.startswith("genmb")]
    for secret in (TOKEN, URL(address).query.rpartition("ticket=")[2], "canary-words"):
        assert not [line for line in logged if secret in line]


async def test_the_servers_own_log_says_nothing_of_a_page_its_ticket_or_its_words(booth, caplog):
    keep_callers_out()
    server = logging.getLogger("uvicorn.error")
    server.addHandler(caplog.handler)
    server.setLevel(logging.DEBUG)
    page, _ = await booth.held()
    await page.send(b"canary-words\xff", text=True)
    await closed(page)
    address = URL(await booth.ticket())
    for path in (address.path, f"/{address.path}", f"/v1{address.path}"):
        await booth.refused(str(address.replace(path=path)), OTHER)
    server.removeHandler(caplog.handler)
    logged = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "UnicodeDecodeError" in logged
    for private in (page.local_address[0], "/api/", address.query, "canary-words"):
        assert private not in logged


async def test_an_end_is_carried_out_though_its_socket_was_cut_off_and_the_endpoint_waits_for_it(desk):
    parts = Parts(Legs({"here": desk.provider}, Timing()), desk.window, desk.ledger, Timing(), desk.clock)
    sockets = Sockets(Sessions(parts), parts, OpenAccess(desk.plan), Drain())
    admission = Admission("ticket", "gpt-realtime", "ash", "", "beta")
    session = (await sockets.begin(desk.caller, admission)).hold.session
    accepting, settling, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    step = desk.ledger.step

    async def step_later(*args):
        settling.set()
        await go_on.wait()
        return await step(*args)

    async def accept():
        accepting.set()
        await asyncio.Event().wait()

    query = {"ticket": "ticket", "model": "gpt-realtime", "voice": "ash", "dialect": "beta"}
    page = SimpleNamespace(query_params=query, headers=Headers({}), accept=accept)
    serving = asyncio.create_task(sockets.serve(page, session))
    await asyncio.wait_for(accepting.wait(), 20)
    desk.ledger.step = step_later
    for cut_off in (settling.wait(), asyncio.wait([serving])):
        serving.cancel()
        await asyncio.wait_for(cut_off, 2)
    stopping = asyncio.create_task(sockets.sessions.close())
    stopped, _ = await asyncio.wait([stopping], timeout=0.01)
    go_on.set()
    assert not stopped
    await asyncio.wait_for(stopping, 2)
    assert (await desk.ledger.find(session)).phase == "released"


def lose_the_account(ledger, is_away):
    """Have the account not found while `is_away()`."""
    find = ledger.find

    async def find_or_fail(session):
        if is_away():
            raise Refusal("service_unavailable", "The account cannot be asked just now.")
        return await find(session)

    ledger.find = find_or_fail


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def paused():
    """Pauses that have been made, and the function that makes them, of no time."""
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)

    return pauses, sleep


async def test_an_end_that_the_account_did_not_take_is_told_it_again_until_it_does(open_booth, paused):
    pauses, sleep = paused
    async with open_booth(sleep=sleep) as booth:
        page, service = await booth.held()
        lose_the_account(booth.ledger, lambda: len(pauses) < 7)
        await service.close()
        assert (await closed(page))[0] == 1000
        assert (await booth.phase("over")).reason == "service_closed"
        await until(lambda: len(booth.audit.decisions) == 3)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert [each.outcome for each in booth.audit.decisions] == ["ok", "service_unavailable", "ok"]


async def test_an_end_is_not_told_again_when_the_longest_time_is_over(
    open_booth, paused, monkeypatch, caplog
):
    on_pro(monkeypatch, max_seconds=10.0)
    pauses, sleep = paused
    async with open_booth(sleep=sleep) as booth:
        page, _ = await booth.held()
        lose_the_account(booth.ledger, lambda: True)
        await page.close()
        await until(lambda: "is left to the sweeper: service_unavailable" in caplog.text)
    assert pauses == [1, 2, 4, 8]


async def test_a_page_waits_for_no_account_and_a_node_that_stops_tells_none_again(open_booth, caplog):
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)
        await asyncio.Event().wait()

    async with open_booth(sleep=sleep) as booth:
        (page, service), (other, _) = await booth.held(), await booth.held()
        lose_the_account(booth.ledger, lambda: True)
        await service.close()
        assert (await closed(page))[0] == 1000
        await until(lambda: pauses == [1])
        booth.drain.close()
        assert (await closed(other))[0] == 1001
        await until(lambda: "is left to the sweeper: service_unavailable" in caplog.text)
    assert pauses == [1]


async def test_an_endpoint_that_closes_waits_for_no_account_that_is_away(desk):
    pausing = asyncio.Event()

    async def sleep(seconds):
        pausing.set()
        await asyncio.Event().wait()

    sockets = Sockets(desk.sessions, desk.parts, OpenAccess(desk.plan), Drain(), sleep=sleep)
    hold = (await sockets.begin(desk.caller, Admission("ticket", "", "ash", "", "beta"))).hold
    lose_the_account(desk.ledger, lambda: True)
    await sockets._settle(desk.caller, hold, "page_closed", "use")
    await asyncio.wait_for(pausing.wait(), 20)
    await asyncio.wait_for(desk.sessions.close(), 2)


async def test_the_whole_endpoint_has_the_route_and_notes_its_decisions(register, running, make_provider):
    audit, service = AuditLog(), Service(make_provider)
    app = make_app(
        providers={"here": service.provider},
        access=register.access(),
        window=MemoryWindow(),
        ledger=MemoryLedger(time.time, 100),
        clock=time.time,
        audit=audit,
    )
    async with listening(service):
        with running(app) as url:
            http = httpx.AsyncClient(base_url=url, trust_env=False)
            granted = await http.post("/api/voice-agent?app=shop", headers={"Origin": SHOP}, json={})
            assert granted.headers["access-control-allow-origin"] == SHOP
            assert granted.headers["cache-control"] == "no-store"
            refused = await http.post("/api/voice-agent", headers={"Origin": SHOP}, json={})
            assert (refused.status_code, refused.headers["www-authenticate"][:6]) == (401, "Bearer")
            async with connect(granted.json()["client_secret"]["value"], origin=SHOP, proxy=None) as page:
                await (await service.socket()).send(json.dumps(CREATED))
                await receive(page)
            await http.aclose()
    assert [(each.action, each.outcome, each.via) for each in audit.decisions] == [
        ("open", "ok", "page"),
        ("open", "unauthorized", None),
        ("connected", "ok", "socket"),
        ("ended", "ok", "socket"),
    ]


@pytest.fixture
async def relayed(register, running, make_provider):
    """Ask the whole endpoint for a relay in the service's own names: gives the answer, a way in, the service, the money."""
    service, ledger = Service(make_provider), MemoryLedger(time.time, 100)
    app = make_app(
        providers={"away": make_provider(), "here": service.provider},
        access=register.access(),
        window=MemoryWindow(),
        ledger=ledger,
        clock=time.time,
    )
    output = {"voice": "sage"}
    session = {
        "type": "realtime",
        "model": "gpt-realtime",
        "instructions": "Be brief.",
        "audio": {"output": output},
    }
    body = {"provider": "here", "session": session, "transport": "relay"}
    async with listening(service):
        with running(app) as url:
            async with httpx.AsyncClient(base_url=url, trust_env=False) as http:

                async def ask(key=None):
                    headers = {"Origin": SHOP} | ({"Idempotency-Key": key} if key else {})
                    return await http.post("/v1/sessions?app=shop", headers=headers, json=body)

                answer = await ask()
                assert answer.status_code == 201, answer.text

                @asynccontextmanager
                async def enter(ticket=None):
                    async with connect((ticket or answer.json())["url"], origin=SHOP, proxy=None) as page:
                        yield page, await service.socket()

                yield SimpleNamespace(
                    ticket=answer.json(), enter=enter, ask=ask, service=service, ledger=ledger
                )


async def test_a_page_of_ours_gets_an_address_and_no_secret_and_the_service_is_asked_for_its_session(relayed):
    assert set(relayed.ticket) == {
        "id",
        "provider",
        "dialect",
        "transport",
        "model",
        "voice",
        "transcription",
        "charge",
        "url",
    }
    assert (relayed.ticket["provider"], relayed.ticket["transport"]) == ("here", "relay")
    assert TOKEN not in json.dumps(relayed.ticket)
    assert relayed.service.minted[0]["instructions"] == "Be brief.", "what is wrong with it shows at once"


async def test_a_page_that_speaks_as_the_service_does_gets_and_says_everything_as_it_is(relayed):
    async with relayed.enter() as (page, service):
        assert relayed.service.minted[-1] == {
            "type": "realtime",
            "model": "gpt-realtime",
            "audio": {"output": {"voice": "sage"}},
        }
        await service.send(json.dumps(CREATED))
        assert await receive(page) == CREATED
        added = {"type": "conversation.item.added", "item": {"id": "i", "type": "message", "role": "user"}}
        await service.send(json.dumps(added))
        assert await receive(page) == added
        for event in (
            {"type": "session.update", "session": {"audio": {}}},
            {"type": "input_audio_buffer.commit"},
        ):
            await page.send(json.dumps(event))
            assert await receive(service) == event, "and no reply is asked for in the page's place"
    assert [entry.kind for entry in relayed.ledger.entries][-2:] == ["reserve", "capture"]


async def test_a_relay_asked_for_again_with_its_key_is_the_same_address_and_costs_nothing(relayed):
    held = [entry.kind for entry in relayed.ledger.entries].count("reserve")
    key = "b2f1a0c4-6a0e-4d53-9b1b-2f8c5be7a1d2"
    first, at_once = await asyncio.gather(relayed.ask(key), relayed.ask(key))
    later = await relayed.ask(key)
    assert [each.status_code for each in (first, at_once, later)] == [201, 201, 201]
    assert at_once.json() == later.json() == first.json()
    async with relayed.enter(first.json()) as (page, service):
        await service.send(json.dumps(CREATED))
        await receive(page)
        assert (await relayed.ask(key)).json()["url"] == first.json()["url"], (
            "its ticket is used, and stays so"
        )
        async with asyncio.timeout(5):
            while relayed.ledger._holds[first.json()["id"]].phase != "live":
                await asyncio.sleep(0.005)
    assert [entry.kind for entry in relayed.ledger.entries].count("reserve") == held + 1
    async with asyncio.timeout(5):
        while relayed.ledger._holds[first.json()["id"]].phase != "over":
            await asyncio.sleep(0.005)
    gone = await relayed.ask(key)
    assert (gone.status_code, gone.json()["code"]) == (409, "session_over"), "no socket would stand behind it"
    assert relayed.ledger._holds[first.json()["id"]].phase == "over"
    assert (await relayed.ask(f"{key}-2")).json()["id"] != first.json()["id"]
