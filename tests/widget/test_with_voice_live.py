"""An agent's kernel, its own endpoint and Voice Live's stand-in: what a page says and hears by way of the kernel."""

import asyncio
import json

import pytest
from harness import voice_live_types
from harness.voice_live_page import Page

from genmb_voice_widget import VoiceAgent, VoiceError, spoken
from genmb_voice_widget.calls import Calls
from genmb_voice_widget.endpoint import token_client
from genmb_voice_widget.peer.testing import running_peer
from genmb_voice_widget.protocol import strip_audio
from genmb_voice_widget.service import in_process
from genmb_voice_widget.service.app import shut_down
from genmb_voice_widget.service.providers.control import Control
from genmb_voice_widget.service.providers.credential import Key, api_key
from genmb_voice_widget.service.providers.upstream import Upstream
from genmb_voice_widget.service.providers.voice_live import VoiceLiveProvider
from genmb_voice_widget.session import Session
from genmb_voice_widget.settings import Settings

TYPED = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What can you do?"}]}
SAID = [
    {"type": "session.update", "event_id": "p1", "session": {"instructions": "Be brief."}},
    {"type": "conversation.item.create", "event_id": "p2", "item": {"id": "item_1", **TYPED}},
    {"type": "response.create", "event_id": "p3"},
]


@pytest.fixture(scope="module")
def peer():
    with running_peer() as address:
        yield address


class Kernel:
    """A kernel's end of the bridge, as far as calls go; `heard` is what it gives its page."""

    def __init__(self, app, **options):
        self.heard, self.told, self._replies, self._news = [], [], {}, asyncio.Event()
        settings = Settings("voice-live", Session(**options))
        self._calls = Calls(
            token_client(app), settings, self._send, lambda log, event: self.told.append(event)
        )

    async def ask(self, method, **params):
        number = str(len(self._replies))
        self._calls.take("page", number, method, params, None)
        await self.until(lambda: number in self._replies)
        return self._replies[number]

    async def until(self, holds):
        async with asyncio.timeout(15):
            while not holds():
                self._news.clear()
                await self._news.wait()

    def _send(self, message):
        if message["op"] == "reply":
            self._replies[message["id"]] = message.get("result", message.get("problem"))
        self.heard += message.get("events", ())
        self._news.set()


@pytest.fixture
def environ(peer, monkeypatch):
    monkeypatch.setenv("AZURE_VOICELIVE_ENDPOINT", f"{peer.url}/")
    monkeypatch.setenv("AZURE_VOICELIVE_API_KEY", peer.secret.reveal())


@pytest.fixture
async def app(environ):
    app = in_process()
    yield app
    await shut_down(app)


@pytest.fixture
async def page():
    page = Page()
    yield page
    await page.connection.close()


@pytest.fixture
def sent(monkeypatch):
    """Every event that goes out on a control socket."""
    sent, send = [], Control.send

    async def noting(control, text):
        sent.append(json.loads(text))
        await send(control, text)

    monkeypatch.setattr(Control, "send", noting)
    return sent


async def test_what_a_page_says_is_answered_and_no_event_is_told_it_twice(app, page, sent, peer):
    kernel = Kernel(
        app, model="local", language="en", voice="en-US-AvaNeural", turn_detection="azure_semantic_vad"
    )
    ticket = await kernel.ask("open", sdp=await page.offer(), log="log-a")
    assert (ticket["dialect"], ticket["model"], ticket["voice"]) == ("beta", "local", "en-US-AvaNeural")
    await page.take(ticket["sdp"])
    await kernel.ask("connected", session=ticket["id"], call_id=ticket["call_id"])
    for event in SAID:
        assert await kernel.ask("send", session=ticket["id"], event=event) == {}
    await kernel.until(lambda: "response.output_item.done" in [event["type"] for event in kernel.heard])
    kinds = [event["type"] for event in kernel.heard]
    assert kinds[:3] == ["session.created", "session.updated", "session.updated"]
    assert not [kind for kind in kinds if kind.startswith(("rtc.", "response.audio_transcript"))]
    both = {event["event_id"] for event in page.heard} & {event["event_id"] for event in kernel.heard}
    assert {event["type"] for event in page.heard if event["event_id"] in both} <= {
        "conversation.item.created",
        "response.output_item.added",
        "response.output_item.done",
    }
    assert kernel.told == [strip_audio(event) for event in kernel.heard]
    assert [event["type"] for event in sent] == ["rtc.call.sdp.create", *(event["type"] for event in SAID)]
    assert [fault for event in sent for fault in voice_live_types.client_faults(event)] == []
    assert peer.secret.reveal() not in json.dumps([ticket, kernel.heard, page.heard])

    await kernel.ask("ended", session=ticket["id"], reason="stopped")
    await asyncio.wait_for(page.closed.wait(), 10)


async def test_a_lost_call_is_replaced_in_the_same_session_and_hears_and_says_everything_by_the_kernel_again(
    app, page
):
    kernel = Kernel(app, model="local", instructions="Be brief.")
    first = await kernel.ask("open", sdp=await page.offer(), log="log-a")
    await page.take(first["sdp"])
    await kernel.ask("connected", session=first["id"], call_id=first["call_id"])
    again = Page()
    try:
        second = await kernel.ask("reopen", session=first["id"], sdp=await again.offer(), log="log-a")
        assert (second["id"], second["call_id"] == first["call_id"]) == (first["id"], False)
        heard = len(kernel.heard)
        await again.take(second["sdp"])
        await kernel.ask("connected", session=second["id"], call_id=second["call_id"])
        await asyncio.wait_for(page.closed.wait(), 10)
        seed = {"id": "seed_1", "type": "message", "role": "assistant"}
        seed |= {"content": [{"type": "text", "text": "I can count."}]}
        for event in ({"type": "conversation.item.create", "event_id": "seed_1", "item": seed}, *SAID[1:]):
            assert await kernel.ask("send", session=second["id"], event=event) == {}
        later = lambda: [event["type"] for event in kernel.heard[heard:]]  # noqa: E731
        await kernel.until(lambda: "response.output_item.done" in later())
        assert "error" not in later()
        assert "response.created" in [event["type"] for event in again.heard]
        await kernel.ask("ended", session=second["id"], reason="stopped")
        await asyncio.wait_for(again.closed.wait(), 10)
    finally:
        await again.connection.close()


async def test_a_session_without_a_browser_is_held_on_the_socket_with_the_sound_in_it(
    environ, tmp_path, peer
):
    agent = VoiceAgent(provider="voice-live", model="local", turn_detection="azure_semantic_vad")

    @agent.tool
    def get_weather(city: str) -> str:
        """Tell the weather in a city."""
        return "sunny"

    wav = spoken("What is the weather in Paris?", tmp_path / "weather.wav", lead_in=0.1, tail=0.1)
    turns = await agent.run(wav, speed=4)
    assert [(turn.role, turn.status) for turn in turns] == [
        ("user", "completed"),
        ("tool", "completed"),
        ("assistant", "completed"),
    ]
    assert (turns[0].text, turns[2].text) == ("What is the weather in Paris?", "In Paris it is sunny.")
    assert (agent.status, agent.errors, agent.usage.responses) == ("ended", (), 2)
    assert [fault for each in out(agent) for fault in voice_live_types.client_faults(each)] == []
    assert peer.secret.reveal() not in json.dumps([each.to_json() for each in agent.events])
    agent.close()


def out(agent):
    """What was sent, but sound, which the log has only the size of."""
    events = (each.event for each in agent.events if each.dir == "out")
    return [event for event in events if event["type"] != "input_audio_buffer.append"]


async def test_an_endpoint_that_may_not_give_its_key_away_refuses_such_a_session_with_what_to_do(peer):
    provider = VoiceLiveProvider(peer.url, Key(api_key(peer.secret)), Upstream())
    app = in_process({"voice-live": provider})
    with pytest.raises(VoiceError, match="so a session needs a page"):
        await token_client(app).ticket("voice-live", Session().to_wire("beta"))
    await shut_down(app)
