"""An agent's tools while its session runs in a page: calls are heard by bridge or sideband, answers are commands."""

import asyncio
import json
import threading
import time
from contextlib import asynccontextmanager

import httpx
import pytest
from harness.tab import Tab, settled
from harness.tool_calls import called

from genmb_voice_widget import widget
from genmb_voice_widget.event_socket import EventSocket
from genmb_voice_widget.loop import package_loop
from genmb_voice_widget.protocol import Envelope
from genmb_voice_widget.shell import Shell
from genmb_voice_widget.state import fold
from genmb_voice_widget.widget import VoiceAgent


class Sideband:
    """The endpoint's socket beside the page."""

    def __init__(self):
        self.said = asyncio.Queue()

    @asynccontextmanager
    async def dial(self, path):
        yield EventSocket(self.said.get, self._send)

    async def _send(self, text):
        raise AssertionError(text)

    def say(self, *events):
        for event in events:
            package_loop().call_soon_threadsafe(self.said.put_nowait, json.dumps(event))


@pytest.fixture
def agent(endpoint, monkeypatch):
    monkeypatch.setattr(widget, "token_client", lambda address, key: endpoint.client)
    monkeypatch.setattr(widget, "this_shell", lambda deliver: Shell(has_pages=True, cells_hear=True))
    agent = VoiceAgent()
    agent._made = []

    @agent.tool
    def note(word: str):
        agent._made.append(word)
        return f"noted {word}"

    yield agent
    agent.close()


@pytest.fixture
async def tab(agent):
    tab = Tab(agent)
    tab.send("hello", proto=1, environment={})
    tab.become("connecting", "live")
    await settled()
    return tab


@pytest.fixture
async def sideband(agent, tab, endpoint):
    made = Sideband()
    endpoint.client._dial = made.dial
    ticket = {"id": "vs_1", "provider": "local", "sdp": "v=0", "call_id": "rtc_1", "sideband": True}
    endpoint.answers["/v1/sessions"] = httpx.Response(201, json=ticket)
    tab.send("call", id="1", method="open", params={"log": "log", "sdp": "v=0"})
    tab.arrived("reply")
    return made


def numbered(events):
    return [{"event_id": f"e{number}", **event} for number, event in enumerate(events)]


def heard(events):
    return [("in", event) for event in events]


def answers(tab):
    return [message for message in tab.sent if message["op"] == "command" and message["do"] == "answer"]


async def rest(agent):
    """Wait until no tool runs and what they gave back has been sent."""
    for running in list(agent._tool_calls._running):
        await asyncio.wrap_future(running)
    await settled()
    await settled()


async def test_the_page_that_holds_the_call_is_given_the_answer(agent, tab):
    tab.send("hello", proto=1, environment={})
    agent._handle_custom_msg({"op": "hello", "client": "other", "proto": 1, "environment": {}}, [])
    tab.tell(*heard(called("r1", ("c1", "note", {"word": "a"}), ("c2", "note", {"word": "b"}))))
    command = tab.command("answer")
    assert (command["client"], command["log"], command["response"]) == ("tab", "log", {})
    assert [(item["type"], item["call_id"], item["output"]) for item in command["items"]] == [
        ("function_call_output", "c1", "noted a"),
        ("function_call_output", "c2", "noted b"),
    ]
    assert all(len(item["id"]) <= 32 for item in command["items"])
    await rest(agent)
    assert len(answers(tab)) == 1


async def test_after_a_call_that_had_to_be_made_the_model_may_answer_in_words(agent, tab):
    agent.tool_choice = "required"
    tab.tell(*heard(called("r1", ("c1", "note", {"word": "a"}))))
    assert tab.command("answer")["response"] == {"tool_choice": "auto"}


@pytest.mark.parametrize("first", ["sideband", "page"])
async def test_a_call_that_is_heard_by_sideband_and_page_is_answered_once(agent, tab, sideband, first):
    events = numbered(called("r1", ("c1", "note", {"word": "a"})))
    tell = [lambda: sideband.say(*events), lambda: tab.tell(*heard(events))]
    for each in tell if first == "sideband" else reversed(tell):
        each()
        tab.command("answer")
    await rest(agent)
    assert agent._made == ["a"] and len(answers(tab)) == 1
    assert [turn.call.name for turn in agent.turns] == ["note"]


async def test_a_tool_is_called_while_the_cell_computes_and_the_page_cannot_be_heard(agent, tab, sideband):
    sideband.say(*numbered(called("r1", ("c1", "note", {"word": "a"}))))
    deadline = time.monotonic() + 20
    while not answers(tab) and time.monotonic() < deadline:
        pass  # a cell that computes: this loop stands still
    assert agent._made == ["a"]


async def test_a_call_of_an_earlier_log_is_not_answered_in_the_next(agent, tab):
    begun, go = threading.Event(), threading.Event()

    @agent.tool
    def slow():
        begun.set()
        go.wait(20)

    tab.tell(*heard(called("r1", ("c1", "slow", ""))))
    await asyncio.to_thread(begun.wait, 20)
    tab.become("ended")
    starts = [("own", {"type": "genmb.status", "status": status}) for status in ("connecting", "live")]
    events = [{"seq": n, "t": n, "dir": way, "event": event} for n, (way, event) in enumerate(starts, 1)]
    tab.send("events", log="log-2", events=events)
    await settled()
    assert agent.status == "live"
    go.set()
    await rest(agent)
    assert answers(tab) == []


async def test_a_call_that_a_gap_has_swallowed_is_made_when_the_page_tells_its_state(agent, tab):
    events = called("r1", ("c1", "note", {"word": "a"}))
    tab.seq += len(events)  # lost on the way
    tab.tell(("in", {"type": "rate_limits.updated"}))
    tab.arrived("resync")
    whole = fold(agent.events)
    for number, event in enumerate(events, whole.seq + 1):
        whole.apply(Envelope(number, number, "in", event))
    state = whole.to_json()
    tab.send("snapshot", log="log", seq=state["seq"], state=state)
    assert [item["output"] for item in tab.command("answer")["items"]] == ["noted a"]


async def test_a_tool_that_is_made_while_the_page_holds_a_call_is_told_to_the_service(agent, tab):
    @agent.tool
    def clock() -> str:
        return "noon"

    update = tab.command("update")
    assert [tool["name"] for tool in update["session"]["tools"]] == ["note", "clock"]
