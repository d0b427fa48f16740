"""The proof that a caller is connected, from the server's side: which events give it, and what becomes of the socket."""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from harness.upstream import AZURE_KEY, ENTRA_TOKEN, OPENAI_KEY, PROVIDERS, RESOURCE, cloud_at, error, never

from genmb_voice_widget.service.access import OpenAccess
from genmb_voice_widget.service.app import make_app, shut_down
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.policy import NOTEBOOK
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers.proof import Proof
from genmb_voice_widget.service.providers.upstream import Upstream
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.service.window import MemoryWindow

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
SESSION = {"type": "realtime", "model": "gpt-realtime-1.5"}
RECORDING = (
    Path(__file__).parents[3] / "shared" / "recordings" / "azure_ws_sideband.webrtc_sideband_text_turn.jsonl"
)

LEAK = "event-text-canary-88"
SPEECH = {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, "item_id": "item_1", "x": LEAK}
IDLE = {"type": "input_audio_buffer.timeout_triggered", "item_id": "item_1"}


def item(kind="conversation.item.added", **members):
    return {"type": kind, "item": {"id": "item_1", **members}}


def said(part, role="user"):
    return item(type="message", role=role, content=[{"type": part}])


SHOWS = {
    "speech": SPEECH,
    "the end of speech": {"type": "input_audio_buffer.speech_stopped"},
    "a typed message": said("input_text"),
    "a picture": said("input_image"),
    "a system message": said("input_text", "system"),
    "a beta item": said("input_text") | {"type": "conversation.item.created"},
    "a finished item": said("input_text") | {"type": "conversation.item.done"},
    "a tool's output": item(type="function_call_output", call_id="call_1", output="1"),
    "an approval": item(type="mcp_approval_response", approve=True),
    "a deletion": {"type": "conversation.item.deleted", "item_id": "item_1"},
    "a truncation": {"type": "conversation.item.truncated", "item_id": "item_1"},
    "a retrieval": {"type": "conversation.item.retrieved", "item": {}},
    "a cleared microphone": {"type": "input_audio_buffer.cleared"},
}
SHOWS_UNLESS_IDLE = {
    "a committed turn": {"type": "input_audio_buffer.committed", "item_id": "item_1"},
    "a spoken item": said("input_audio"),
    "a reply": {"type": "response.created", "response": {}},
    "a reply's end": {"type": "response.done", "response": {}},
    "a reply's item": item(type="message", role="assistant", content=[]),
    "a tool call": item(type="function_call", name="f"),
    "words": {"type": "response.output_audio_transcript.delta", "delta": "a"},
    "sound": {"type": "output_audio_buffer.started", "response_id": "resp_1"},
    "a transcript": {"type": "conversation.item.input_audio_transcription.completed", "transcript": "a"},
}
SHOWS_NOTHING = {
    "a greeting": {"type": "session.created", "session": {}},
    "an echo": {"type": "session.updated", "session": {}},
    "an error": {"type": "error", "error": {"type": "invalid_request_error"}},
    "silence": IDLE,
    "limits": {"type": "rate_limits.updated", "rate_limits": []},
    "a conversation": {"type": "conversation.created", "conversation": {}},
    "tools of a server": {"type": "mcp_list_tools.completed", "item_id": "item_1"},
    "a list of tools": item(type="mcp_list_tools", tools=[]),
    "no item": {"type": "conversation.item.added"},
    "an odd item": item(type=None),
    "what nobody knows": {"type": "session.input_audio_buffer.speech_started"},
    "no type": {"kind": "input_audio_buffer.speech_started"},
    "an odd type": {"type": ["input_audio_buffer.speech_started"]},
    "a list": [SPEECH],
    "a number": 5,
}


def shown(*events):
    proof = Proof()
    return [proof.shown_by(json.dumps(event)) for event in events]


@pytest.mark.parametrize("case", SHOWS)
def test_what_only_a_caller_can_cause_shows_it_also_after_a_silence(case):
    assert shown(SHOWS[case]) == [True]
    assert shown(IDLE, SHOWS[case]) == [False, True]


@pytest.mark.parametrize("case", SHOWS_UNLESS_IDLE)
def test_a_turn_shows_a_caller_unless_the_service_began_it_because_nobody_spoke(case):
    assert shown(SHOWS_UNLESS_IDLE[case]) == [True]
    assert shown(IDLE, SHOWS_UNLESS_IDLE[case]) == [False, False]


@pytest.mark.parametrize("case", SHOWS_NOTHING)
def test_what_a_service_says_by_itself_shows_nobody(case):
    assert shown(SHOWS_NOTHING[case]) == [False]


@pytest.mark.parametrize(
    "message", ["", "[", b"\xff\xfe", "[" * 100_000, "null", b"{}", '{"type": "response.']
)
def test_what_is_no_event_shows_nobody(message):
    assert not Proof().shown_by(message)


def test_a_recorded_call_shows_its_caller_with_the_first_thing_that_it_sent():
    if not RECORDING.exists():
        return
    lines = [json.loads(line) for line in RECORDING.read_text().splitlines()]
    seen = [line["event"] for line in lines if line["dir"] == "in"]

    assert shown(*seen)[:2] == [False, True]
    assert [event["type"] for event in seen[:2]] == ["session.updated", "conversation.item.added"]


@pytest.fixture
async def cloud(tmp_path, monkeypatch):
    async with cloud_at(tmp_path, monkeypatch) as cloud:
        yield cloud


@pytest.fixture(params=PROVIDERS)
async def provider(request, cloud):
    provider = PROVIDERS[request.param](Upstream())
    yield provider
    await provider.close()


@pytest.fixture
async def watched(cloud, provider):
    """A call that is being watched: the call, and the task that watches it."""
    got = await provider.answer(SESSION, OFFER)
    call = cloud.calls[got.call_id]
    watching = asyncio.create_task(provider.proven(got.call_id))
    await asyncio.wait_for(cloud.attached.wait(), 20)
    yield call, watching
    watching.cancel()


async def test_the_socket_is_opened_with_the_resources_own_credential(cloud, provider, watched):
    request = cloud.requests[-1]
    azure = request.host == RESOURCE

    assert request.path.startswith(
        "/openai/v1/realtime?call_id=rtc_" if azure else "/v1/realtime?call_id=rtc_u2_"
    )
    sent = {request.headers.get("api-key"), request.headers.get("authorization")} - {None}
    assert sent in ({AZURE_KEY}, {f"Bearer {ENTRA_TOKEN}"}, {f"Bearer {OPENAI_KEY}"})
    assert "openai-beta" not in request.headers
    assert "ek_" not in str(request.headers)


async def test_the_first_sign_of_the_caller_is_the_proof_and_the_socket_is_let_go(cloud, watched):
    call, watching = watched
    call.tell(SHOWS_NOTHING["an echo"], SHOWS_NOTHING["an error"])
    _, waiting = await asyncio.wait([watching], timeout=0.1)
    assert waiting
    call.tell(SPEECH)

    assert await asyncio.wait_for(watching, 5) is True
    await asyncio.wait_for(cloud.detached.wait(), 20)
    assert call.observers == []


async def test_a_socket_that_ends_before_is_no_proof(cloud, watched):
    call, watching = watched
    call.tell(SHOWS_NOTHING["an echo"], None)

    assert await asyncio.wait_for(watching, 5) is False


async def test_a_socket_that_breaks_is_no_proof(cloud, watched):
    _, watching = watched
    for writer in list(cloud.open_sockets):
        writer.transport.abort()

    assert await asyncio.wait_for(watching, 5) is False


async def test_an_event_that_is_too_long_is_no_proof(cloud, watched):
    call, watching = watched
    call.tell({"type": "error", "x": "x" * 5_000_000})

    assert await asyncio.wait_for(watching, 5) is False


async def test_a_watch_that_is_broken_off_lets_the_socket_go(cloud, watched):
    _, watching = watched
    watching.cancel()
    await asyncio.wait([watching], timeout=5)

    assert watching.cancelled()
    await asyncio.wait_for(cloud.detached.wait(), 20)


async def test_a_call_that_is_over_cannot_be_proven(provider):
    assert await provider.proven("rtc_unknown") is False


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (error(401, "x", LEAK), "provider_key_refused"),
        (error(403, "x", LEAK), "provider_region"),
        (error(429, "x", LEAK), "provider_busy"),
        (error(500, "x", LEAK), "provider_unreachable"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "provider_refused"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "provider_unreachable"),
        (LEAK.encode() + b"\r\n\r\n", "provider_unreachable"),
    ],
)
async def test_a_service_that_lets_nobody_watch_is_a_refusal_in_words_of_ours(
    cloud, provider, reply, code, caplog
):
    caplog.set_level("DEBUG")
    cloud.replies["/realtime"] = reply
    with pytest.raises(Refusal) as refusal:
        await asyncio.wait_for(provider.proven("rtc_1"), 5)

    assert refusal.value.code == code
    assert LEAK not in json.dumps(refusal.value.to_json()) + caplog.text


async def test_how_long_to_wait_is_the_callers_to_say(cloud, provider):
    cloud.replies["/realtime"] = never
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await provider.proven("rtc_1")


async def test_without_the_package_for_sockets_the_callers_word_is_what_there_is(
    provider, monkeypatch, caplog
):
    monkeypatch.setitem(__import__("sys").modules, "websockets.asyncio.client", None)

    assert await provider.proven("rtc_1") is False
    assert "websockets is not installed" in caplog.text


async def test_an_observer_gets_what_the_service_tells_until_it_closes(cloud, provider):
    got = await provider.answer(SESSION, OFFER)
    async with provider.observe(got.call_id) as call:
        cloud.calls[got.call_id].tell(SPEECH, SHOWS["a deletion"], None)
        assert [json.loads(message) async for message in call] == [SPEECH, SHOWS["a deletion"]]
    await asyncio.wait_for(cloud.detached.wait(), 20)


async def test_an_observer_whose_connection_breaks_is_told_so_whatever_it_does_next(cloud, provider):
    got = await provider.answer(SESSION, OFFER)
    async with provider.observe(got.call_id) as call:
        await asyncio.wait_for(cloud.attached.wait(), 20)
        for writer in list(cloud.open_sockets):
            writer.transport.abort()
        with pytest.raises(Refusal, match="provider_unreachable"):
            await anext(aiter(call))
        with pytest.raises(Refusal, match="provider_unreachable"):
            await call.send("{}")


@pytest.mark.parametrize("call_id", ["rtc_unknown", "../models?"])
async def test_a_call_that_is_not_there_cannot_be_observed(provider, call_id):
    with pytest.raises(Refusal, match="session_over"):
        async with provider.observe(call_id):
            pass


async def test_azure_says_whether_its_pages_get_all_events(cloud):
    for filtered in (True, False):
        provider = PROVIDERS["azure-key"](Upstream(), event_filter=filtered)
        assert (await provider.answer(SESSION, OFFER)).filtered is filtered
        await provider.close()


@asynccontextmanager
async def watching_endpoint(provider, timing):
    """An endpoint, with a real clock, that asks its provider for the proof."""
    loop = asyncio.get_running_loop()
    ledger = MemoryLedger(loop.time, 100)
    app = make_app(
        providers={"cloud": provider},
        access=OpenAccess(NOTEBOOK),
        window=MemoryWindow(loop.time),
        ledger=ledger,
        clock=loop.time,
        timing=timing,
        watch=True,
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as http:
        yield http, ledger
    await shut_down(app)


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_session_whose_page_never_says_so_is_charged_when_the_service_sees_its_caller(
    cloud, provider, caplog
):
    caplog.set_level("DEBUG")
    async with watching_endpoint(provider, Timing()) as (http, ledger):
        ticket = (await http.post("/v1/sessions", json={"session": SESSION, "sdp": OFFER})).json()
        await asyncio.wait_for(cloud.attached.wait(), 20)
        assert [entry.kind for entry in ledger.entries] == ["reserve"]
        cloud.calls[ticket["call_id"]].tell(SPEECH)
        await until(lambda: len(ledger.entries) == 2)

        assert [entry.kind for entry in ledger.entries] == ["reserve", "capture"]
        assert (await http.get(f"/v1/sessions/{ticket['id']}")).json()["state"] == "captured"
    assert [secret for secret in (LEAK, AZURE_KEY, ENTRA_TOKEN, OPENAI_KEY) if secret in caplog.text] == []


async def test_a_session_that_nobody_ever_joins_is_hung_up_and_costs_nothing(cloud, provider):
    timing = Timing(open_within=5, connect_within=0.5, sweep_every=0.05)
    async with watching_endpoint(provider, timing) as (http, ledger):
        ticket = (await http.post("/v1/sessions", json={"session": SESSION, "sdp": OFFER})).json()
        await asyncio.wait_for(cloud.attached.wait(), 20)
        cloud.calls[ticket["call_id"]].tell(SHOWS_NOTHING["an echo"], IDLE, SHOWS_UNLESS_IDLE["a reply"])
        await until(lambda: len(ledger.entries) == 2)

        assert [entry.kind for entry in ledger.entries] == ["reserve", "release"]
        assert (await ledger.balance("owner")).available == 100
    assert cloud.calls == {}
