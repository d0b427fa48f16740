"""Voice Live as a provider: calls by its control socket, with the peer that stands in for it, and what it refuses."""

import asyncio
import json

import pytest
from harness import voice_live_types
from harness.upstream import Server
from harness.voice_live_page import Page

from genmb_voice_widget.peer.testing import running_peer
from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers import control
from genmb_voice_widget.service.providers.credential import Key, api_key
from genmb_voice_widget.service.providers.upstream import Upstream
from genmb_voice_widget.service.providers.voice_live import Agent, VoiceLiveProvider
from genmb_voice_widget.service.settings.provider_kinds import KINDS
from genmb_voice_widget.session import Session
from genmb_voice_widget.session.azure_voice import AzureVoice

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
SESSION = Session(model="local", turn_detection="azure_semantic_vad").to_wire("beta")
RICH = Session(
    voice=AzureVoice("en-US-Ava:DragonHDLatestNeural", temperature=0.5),
    language="en",
    vocabulary=("Contoso",),
    turn_detection="azure_semantic_vad",
    noise_reduction="azure_deep_noise_suppression",
    echo_cancellation=True,
)
TYPED = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello."}]}
SAID = {"type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": "hello"}]}


@pytest.fixture(scope="module")
def peer():
    with running_peer() as address:
        yield address


def provider_at(url, key="canary-key-4411", **members):
    return VoiceLiveProvider(url, Key(api_key(Secret(key))), Upstream(), **members)


@pytest.fixture
async def provider(peer):
    provider = provider_at(peer.url, peer.secret.reveal())
    yield provider
    await provider.close()


async def call(page, provider, session=SESSION):
    answer = await provider.answer(session, await page.offer())
    await page.take(answer.sdp)
    return answer


@pytest.fixture
async def page():
    page = Page()
    yield page
    await page.connection.close()


async def seen(socket, kind):
    """Read a call's events up to the first of this kind."""
    events = []
    async with asyncio.timeout(10):
        async for text in socket:
            events.append(json.loads(text))
            if events[-1]["type"] == kind:
                return events
    raise AssertionError([event["type"] for event in events])


async def test_an_offer_becomes_a_call_whose_socket_is_observed_from_the_sessions_beginning_on(
    provider, page
):
    answer = await call(page, provider)
    assert (answer.dialect, answer.model, answer.filtered) == ("beta", "local", True)
    async with provider.observe(answer.call_id) as socket:
        events = await seen(socket, "session.updated")
        assert [event["type"] for event in events] == ["session.created", "session.updated"]
        assert events[1]["session"]["turn_detection"]["type"] == "azure_semantic_vad"


async def test_what_an_observer_says_is_answered_and_a_second_observer_goes_on_where_the_first_stopped(
    provider, page
):
    answer = await call(page, provider)
    async with provider.observe(answer.call_id) as socket:
        await socket.send(json.dumps({"type": "conversation.item.create", "item": TYPED}))
        await socket.send(json.dumps({"type": "response.create"}))
        await seen(socket, "response.output_item.added")
    async with provider.observe(answer.call_id) as socket:
        await seen(socket, "response.output_item.done")
    assert "response.created" in [event["type"] for event in page.heard]


async def test_a_call_that_is_hung_up_is_gone_and_may_be_hung_up_again(provider, page):
    answer = await call(page, provider)
    proof = asyncio.create_task(provider.proven(answer.call_id))
    async with provider.observe(answer.call_id) as socket:
        await provider.hang_up(answer.call_id)
        async with asyncio.timeout(10):
            assert [json.loads(text)["type"] async for text in socket][-1] == "session.updated"
    await asyncio.wait_for(page.closed.wait(), 10)
    assert await asyncio.wait_for(proof, 5) is False
    await provider.hang_up(answer.call_id)
    with pytest.raises(Refusal, match="session_over"):
        async with provider.observe(answer.call_id):
            pass


async def test_a_call_that_another_node_holds_is_not_said_to_be_hung_up(provider):
    with pytest.raises(Refusal) as refusal:
        await provider.hang_up("rtc_of_another")
    assert refusal.value.code == "provider_unreachable"
    assert await provider.proven("rtc_of_another") is False
    with pytest.raises(Refusal, match="provider_unreachable"):
        async with provider.observe("rtc_of_another"):
            pass


@pytest.mark.parametrize(
    ("change", "offer", "code", "status"),
    [
        ({}, " ", "offer_refused", 422),
        ({}, OFFER, "offer_refused", 422),
        ({"voice": "nobody"}, OFFER, "bad_option", 422),
        ({"telepathy": True}, OFFER, "provider_refused", 502),
        ({"type": "realtime"}, OFFER, "not_for_pages", 422),
    ],
)
async def test_why_there_is_no_call_is_said_in_the_catalogues_words(provider, change, offer, code, status):
    with pytest.raises(Refusal) as refusal:
        await provider.answer(SESSION | change, offer)
    assert (refusal.value.code, refusal.value.status) == (code, status)


async def test_a_wrong_key_and_a_version_that_calls_do_not_take_are_refused_without_the_key(peer, caplog):
    caplog.set_level("DEBUG")
    for provider, code in (
        (provider_at(peer.url), "provider_key_refused"),
        (provider_at(peer.url, peer.secret.reveal(), api_version="2026-04-10"), "provider_refused"),
    ):
        with pytest.raises(Refusal) as refusal:
            await provider.answer(SESSION, OFFER)
        assert refusal.value.code == code
        await provider.close()
    assert "canary-key-4411" not in caplog.text
    assert peer.secret.reveal() not in caplog.text


async def test_who_owns_the_key_may_open_a_socket_with_it_and_tells_the_session_there():
    provider = provider_at("https://stand-in.services.ai.azure.com", gives_key=True)
    ticket = await provider.mint(SESSION)
    address = "wss://stand-in.services.ai.azure.com/voice-live/realtime"
    assert ticket.url == f"{address}?api-version=2026-01-01-preview&model=local"
    assert (ticket.header, ticket.token.reveal()) == ("api-key", "canary-key-4411")
    assert (ticket.dialect, ticket.expires_at) == ("beta", None)
    assert ticket.update == {name: value for name, value in SESSION.items() if name != "model"}
    with pytest.raises(Refusal) as refusal:
        await provider.mint({"type": "realtime"})
    assert refusal.value.code == "not_for_pages"
    assert "gives_key" not in KINDS["voice-live"].options, "no setting can change that"


async def test_there_is_no_secret_to_hand_out(provider):
    with pytest.raises(Refusal) as refusal:
        await provider.mint(SESSION)
    assert (refusal.value.code, refusal.value.status) == ("bad_option", 422)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://name.openai.azure.com",
        "https://name.services.ai.azure.com.example",
        "https://name.services.ai.azure.com/voice-live",
        "http://name.services.ai.azure.com",
        "http://192.0.2.7:8000",
        "http://127.0.0.1:8000@evil.example",
        "http://localhost.example:8000",
        "https://127.0.0.1:8000",
    ],
)
def test_its_key_is_sent_to_no_address_that_is_not_the_services(endpoint):
    with pytest.raises(ValueError, match="A Voice Live endpoint is") as error:
        provider_at(endpoint)
    assert endpoint not in str(error.value)


async def test_an_agent_is_named_with_hyphens_and_brings_its_own_model_and_instructions(monkeypatch):
    agent = Agent("helper", "shop", "7")
    asked = []
    server = Server(replies={"/voice-live/realtime/calls": None})
    monkeypatch.setattr(server, "upgrade", lambda request, *_: asked.append(request) or asyncio.sleep(0))
    async with server.listening():
        provider = provider_at(server.url, agent=agent)
        with pytest.raises(Refusal, match="bad_option"):
            await provider.answer(SESSION, OFFER)
        with pytest.raises(Refusal, match="provider_unreachable"):
            await provider.answer(Session().to_wire("beta"), OFFER)
        await provider.close()
    assert asked[0].path == (
        "/voice-live/realtime/calls?api-version=2026-01-01-preview"
        "&agent-name=helper&agent-project-name=shop&agent-version=7"
    )
    assert asked[0].headers["api-key"] == "canary-key-4411"


class Socket:
    """A socket that says what it is told to, then rests; it keeps what is sent."""

    def __init__(self, *events):
        self.sent, self._events = [], [json.dumps(event) for event in events]

    async def send(self, text):
        self.sent.append(json.loads(text))

    async def recv(self):
        if not self._events:
            await asyncio.Event().wait()
        return self._events.pop(0)


@pytest.mark.parametrize(
    ("event", "shows"),
    [
        ({"type": "input_audio_buffer.speech_started", "item_id": "a"}, True),
        ({"type": "conversation.item.created", "item": {"id": "a", **SAID}}, True),
        ({"type": "conversation.item.input_audio_transcription.completed", "item_id": "a"}, True),
        ({"type": "conversation.item.created", "item": {"id": "a", **TYPED}}, False),
        ({"type": "response.created", "response": {"id": "r"}}, False),
        ({"type": "conversation.item.created", "item": None}, False),
    ],
)
async def test_only_the_callers_voice_proves_a_call_for_what_is_typed_comes_by_another_way(event, shows):
    call = control.Control(Socket(event))
    proof = asyncio.create_task(call.spoken())
    async with asyncio.timeout(20):
        await anext(aiter(call))
    await asyncio.sleep(0)
    assert (proof.done() and proof.result()) is shows
    proof.cancel()
    call._reading.cancel()


async def test_of_what_nobody_asks_for_only_the_newest_is_kept():
    events = [{"type": "response.done", "event_id": str(n), "pad": "x" * 300_000} for n in range(8)]
    call = control.Control(Socket(*events))
    while call._socket._events:
        await asyncio.sleep(0)
    told = aiter(call)
    kept = [json.loads(await anext(told))["event_id"] for _ in range(3)]
    assert kept == ["5", "6", "7"]
    call._reading.cancel()


async def test_what_goes_out_on_the_socket_is_of_the_services_own_types():
    socket = Socket({"type": "rtc.call.sdp.created", "rtc_call_id": "rtc_1", "sdp_answer": OFFER})
    call = control.Control(socket)
    assert await control.offered(call, RICH.to_wire("beta"), OFFER) == ("rtc_1", OFFER)
    (sent,) = socket.sent
    assert voice_live_types.client_faults(sent) == []
    call._reading.cancel()
