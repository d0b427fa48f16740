"""An agent's tools in a session without a browser, against a service that is scripted event by event."""

import asyncio
import contextvars
import json
import threading
from typing import Annotated

import pytest
from harness.tool_calls import called
from pydantic import BeforeValidator

from genmb_voice_widget import widget
from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.loop import submit
from genmb_voice_widget.widget import VoiceAgent

WHERE = contextvars.ContextVar("WHERE", default="nowhere")


@pytest.fixture
def agent(endpoint, monkeypatch):
    monkeypatch.setattr(widget, "token_client", lambda address, key: endpoint.client)
    agent = VoiceAgent()
    yield agent
    agent.close()


async def outputs(service, count=1):
    """The outputs that have been sent, by call id, once there are so many."""
    items = [event["item"] for event in await service.got("conversation.item.create", count)]
    assert {item["type"] for item in items} == {"function_call_output"}
    return {item["call_id"]: item["output"] for item in items}


def sent(service):
    return [event["type"] for event in service.received]


async def barrier(agent, service):
    """Have everything that was under way arrive: what is said now comes after it."""
    agent.say("Now.")
    while not any(event.get("item", {}).get("type") == "message" for event in service.received):
        await asyncio.sleep(0)


async def test_a_function_is_called_when_the_model_asks_and_its_result_is_answered(agent, service):
    @agent.tool
    def weather(city: str) -> dict:
        """Look the weather up."""
        return {"city": city, "sky": "clear"}

    await agent.start(headless=True, speed=20)
    await service.send(*called("r1", ("c1", "weather", {"city": "Rome"})))
    assert json.loads((await outputs(service))["c1"]) == {"city": "Rome", "sky": "clear"}
    await service.got("response.create")
    assert sent(service) == ["conversation.item.create", "response.create"]
    [turn] = [turn for turn in agent.turns if turn.role == "tool"]
    assert json.loads(turn.call.output)["sky"] == "clear" and weather("Oslo")["city"] == "Oslo"


async def test_the_calls_of_one_response_run_at_once_and_are_followed_by_one_request(agent, service):
    together = threading.Barrier(2)

    @agent.tool
    def left(word: str):
        together.wait(20)
        return f"left {word}"

    @agent.tool
    def right(word: str):
        together.wait(20)
        return f"right {word}"

    await agent.start(headless=True, speed=20)
    calls = [("c1", "left", {"word": "a"}), ("c2", "right", {"word": "b"})]
    await service.send(*called("r1", *calls))
    assert await outputs(service, 2) == {"c1": "left a", "c2": "right b"}
    await service.got("response.create")
    await barrier(agent, service)
    assert sent(service)[:3] == ["conversation.item.create"] * 2 + ["response.create"]
    assert sent(service).count("response.create") == 1


async def test_a_call_that_is_told_again_is_answered_once(agent, service):
    made = []

    @agent.tool
    def note(word: str):
        made.append(word)
        return "noted"

    await agent.start(headless=True, speed=20)
    await service.send(
        *called("r1", ("c1", "note", {"word": "a"})), *called("r1", ("c1", "note", {"word": "a"}))
    )
    await service.send(*called("r2", ("c2", "note", {"word": "b"})))
    assert set(await outputs(service, 2)) == {"c1", "c2"}
    assert sorted(made) == ["a", "b"]


async def test_a_coroutine_that_blocks_neither_holds_up_the_session_nor_outlasts_its_time(agent, service):
    go_on = threading.Event()

    @agent.tool(timeout=0.2)
    async def stuck():
        go_on.wait(60)

    await agent.start(headless=True, speed=20)
    await service.send(*called("r1", ("c1", "stuck", "")))
    try:
        assert await outputs(service, 1) == {"c1": '{"error": "It took longer than 0.2 s."}'}
    finally:
        go_on.set()


async def test_a_coroutine_runs_beside_the_session_and_a_function_in_a_thread_of_its_own(agent, service):
    threads = {}

    @agent.tool
    async def soft():
        await asyncio.sleep(0)
        threads["soft"] = threading.current_thread().name

    @agent.tool
    def hard():
        threads["hard"] = threading.current_thread().name

    await agent.start(headless=True, speed=20)
    await service.send(*called("r1", ("c1", "soft", ""), ("c2", "hard", "{}")))
    assert await outputs(service, 2) == {"c1": "null", "c2": "null"}
    assert threads == {"soft": "genmb-voice-tools", "hard": "genmb-voice-tool"}


async def test_a_tool_runs_in_the_context_that_defined_it(agent, service):
    @agent.tool
    def early():
        return WHERE.get()

    WHERE.set("this cell")

    @agent.tool
    def late():
        return WHERE.get()

    @agent.tool(timeout=5)
    async def soft():
        return WHERE.get()

    WHERE.set("another cell")
    await agent.start(headless=True, speed=20)
    await service.send(*called("r1", ("c1", "early", ""), ("c2", "late", ""), ("c3", "soft", "")))
    assert await outputs(service, 3) == {"c1": "nowhere", "c2": "this cell", "c3": "this cell"}


async def test_what_goes_wrong_is_an_output_that_the_model_can_read(agent, service):
    forever = threading.Event()

    @agent.tool
    def fail(city: str):
        raise LookupError(f"There is no {city}.\nTraceback (most recent call last)")

    @agent.tool(timeout=0.01)
    def hang():
        forever.wait(20)

    @agent.tool(timeout=0.01)
    async def wait():
        await asyncio.Event().wait()

    @agent.tool
    def leave():
        raise SystemExit(3)

    @agent.tool
    async def give_up():
        raise asyncio.CancelledError

    await agent.start(headless=True, speed=20)
    wrong = [
        ("c1", "fail", {"city": "Atlantis"}),
        ("c2", "hang", ""),
        ("c3", "wait", ""),
        ("c4", "leave", ""),
    ]
    wrong += [
        ("c5", "give_up", ""),
        ("c6", "weather", ""),
        ("c7", "fail", {"town": "x"}),
        ("c8", "fail", "{city"),
    ]
    await service.send(*called("r1", *wrong))
    told = {call: json.loads(output)["error"] for call, output in (await outputs(service, 8)).items()}
    forever.set()
    assert told == {
        "c1": "LookupError: There is no Atlantis.",
        "c2": "It took longer than 0.01 s.",
        "c3": "It took longer than 0.01 s.",
        "c4": "SystemExit: 3",
        "c5": "It was cancelled.",
        "c6": "There is no tool named weather. There are: fail, hang, wait, leave, give_up.",
        "c7": "These arguments are not valid: city: Field required; town: Extra inputs are not permitted",
        "c8": "These arguments are not valid: Invalid JSON: key must be a string at line 1 column 2",
    }
    await service.got("response.create")
    assert agent.status == "live"


@pytest.mark.parametrize("error", [KeyError, SystemExit])
async def test_what_the_author_s_own_check_of_an_argument_raises_is_an_output_too(agent, service, error):
    def check(value):
        raise error(value)

    @agent.tool
    def weather(city: Annotated[str, BeforeValidator(check)]):
        return "clear"

    @agent.tool
    def clock():
        return "noon"

    await agent.start(headless=True, speed=20)
    await service.send(*called("r1", ("c1", "weather", {"city": "Rome"}), ("c2", "clock", "")))
    told = await outputs(service, 2)
    assert (json.loads(told["c1"])["error"].startswith(error.__name__), told["c2"]) == (True, "noon")


@pytest.mark.parametrize("kind", ["function", "coroutine"])
async def test_the_author_is_shown_where_a_tool_failed_and_nothing_of_how_it_was_called(
    agent, service, caplog, kind
):
    def fail():
        raise LookupError("There is no Atlantis.")

    async def fail_softly():
        fail()

    agent.tool(fail if kind == "function" else fail_softly)
    await agent.start(headless=True, speed=20)
    await service.send(*called("r1", ("c1", "fail" if kind == "function" else "fail_softly", "")))
    await outputs(service)
    assert 'raise LookupError("There is no Atlantis.")' in caplog.text
    assert "genmb_voice_widget/tools" not in caplog.text


async def test_nothing_is_called_for_a_reply_that_was_cut_or_runs_beside_the_conversation(agent, service):
    made = []

    @agent.tool
    def note(word: str):
        made.append(word)

    await agent.start(headless=True, speed=20)
    for status in ("cancelled", "failed", "incomplete"):
        await service.send(*called(status, (f"c_{status}", "note", {"word": status}), status=status))
    await service.send(*called("r2", ("c2", "note", {"word": "beside"}), conversation_id=None))
    await service.send(*called("r3", ("c3", "note", {"word": "good"})))
    assert set(await outputs(service)) == {"c3"}
    assert made == ["good"]


async def test_a_tool_that_is_done_after_the_end_says_nothing_in_the_next_session(agent, service):
    begun, go = threading.Event(), threading.Event()

    @agent.tool
    def slow():
        begun.set()
        go.wait(20)
        return "late"

    @agent.tool
    def quick():
        return "now"

    await agent.start(headless=True, speed=20)
    await service.send(*called("r1", ("c1", "slow", "")))
    await asyncio.to_thread(begun.wait, 20)
    await agent.stop()
    await agent.start(headless=True, speed=20)
    [late] = agent._tool_calls._running
    go.set()
    await asyncio.wrap_future(late)
    await service.send(*called("r1", ("c1", "quick", "")))
    assert await outputs(service) == {"c1": "now"}


async def test_a_tool_that_is_made_during_a_session_is_told_to_the_service(agent, service):
    await agent.start(headless=True, speed=20)

    @agent.tool
    def weather(city: str, days: int = 1) -> str:
        """Look the weather up."""
        return "clear"

    [update] = await service.got("session.update")
    assert update["session"] == {
        "type": "realtime",
        "tool_choice": "auto",
        "tools": [
            {
                "type": "function",
                "name": "weather",
                "description": "Look the weather up.",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
                    "required": ["city"],
                    "additionalProperties": False,
                },
            }
        ],
    }

    @agent.tool
    def clock() -> str:
        return "noon"

    [_, update] = await service.got("session.update", 2)
    assert [tool["name"] for tool in update["session"]["tools"]] == ["weather", "clock"]
    agent.tools = ()
    [*_, update] = await service.got("session.update", 3)
    assert update["session"] == {"type": "realtime", "tools": []}


async def test_a_tool_defined_again_takes_the_place_of_the_former_one(agent, service):
    def define(word):
        @agent.tool
        def answer() -> str:
            return word

    define("first")
    await agent.start(headless=True, speed=20)
    define("second")
    await service.send(*called("r1", ("c1", "answer", "")))
    assert await outputs(service) == {"c1": "second"}
    assert [tool.name for tool in agent.tools] == ["answer"]
    assert "session.update" not in sent(service)


async def test_a_session_begins_with_the_tools_there_are(agent, endpoint, service):
    @agent.tool
    def weather(city: str) -> str:
        return "clear"

    agent.tool_choice = "weather"
    await agent.start(headless=True, speed=20)
    begun = endpoint.asked[0][1]["session"]
    assert [tool["name"] for tool in begun["tools"]] == ["weather"]
    assert begun["tool_choice"] == {"type": "function", "name": "weather"}


async def test_a_recording_calls_nothing(agent, service, tmp_path):
    made = []

    class Recorder(VoiceAgent):
        def __init__(self, **options):
            super().__init__(**options)
            self.tool(self.note)

        def note(self, word: str):
            made.append(word)

    agent.tool(Recorder().note)
    await agent.start(headless=True, speed=20)
    await service.send(*called("r1", ("c1", "note", {"word": "live"})))
    await outputs(service)
    path = agent.save(tmp_path / "talk.jsonl")
    replayed = Recorder.replay(path)
    await asyncio.wrap_future(submit(asyncio.sleep(0)))
    assert made == ["live"] and not replayed._tool_calls._running
    assert [turn.role for turn in replayed.turns] == [turn.role for turn in agent.turns]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda: None, "A tool's name must be"),
        (3, "A tool must be a function with a name"),
        (print, "print cannot be a tool: *args takes anything"),
    ],
)
def test_what_cannot_be_described_is_refused_when_it_is_defined(agent, function, words):
    with pytest.raises(VoiceError, match="bad_option") as caught:
        agent.tool(function)
    assert words in caught.value.detail
    assert agent.tools == ()
