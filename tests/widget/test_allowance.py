"""What is left: how it reads, when it is asked for, and who is told."""

import asyncio
from dataclasses import replace

import pytest

from genmb_voice_widget.allowance import Allowance, Slots, read_allowance
from genmb_voice_widget.allowance_watch import AllowanceWatch
from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.service import Plan, Rate, in_process
from genmb_voice_widget.widget import VoiceAgent

SOME = Allowance("class", True, 95, 5, Slots(20, 3600.0, 12, 600))


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (SOME, "class · 12 of 20 sessions left this hour · 95 credits, 5 a session"),
        (replace(SOME, credits=None), "class · 12 of 20 sessions left this hour"),
        (replace(SOME, sessions=None), "class · 95 credits, 5 a session"),
        (replace(SOME, sessions=None, credits=None), "class · no limit"),
        (
            replace(SOME, credits=None, enough_credits=False),
            "class · 12 of 20 sessions left this hour · too few credits for a session",
        ),
        (replace(SOME, voice=False), "class · voice is not part of the plan"),
        (
            replace(SOME, credits=None, sessions=Slots(3, 600.0, 0, 45)),
            "class · 0 of 3 sessions left in these 10 min · room again in 45 s",
        ),
        (
            replace(SOME, credits=None, sessions=Slots(3, 86400.0, 0, 4000)),
            "class · 0 of 3 sessions left in these 24 hours · room again in 67 min",
        ),
    ],
)
def test_it_reads_as_a_sentence(left, said):
    assert repr(left) == f"Allowance({said})"
    assert read_allowance(left.to_json()) == left


def test_an_endpoint_that_keeps_the_number_of_credits_to_itself_is_understood():
    told = {name: value for name, value in SOME.to_json().items() if name != "credits"}
    assert read_allowance(told) == replace(SOME, credits=None)


class Asked:
    """An endpoint that answers when it is told to, and a clock that is moved by hand."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[Allowance]] = []
        self.timers: list[tuple[float, object]] = []
        self.watch = AllowanceWatch(self.ask, self.later)

    async def ask(self) -> Allowance:
        answer = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        return await answer

    def later(self, seconds, action):
        timer = (seconds, action)
        self.timers.append(timer)
        return type("Timer", (), {"cancel": lambda _: self.timers.remove(timer)})()

    async def answer(self, left: Allowance | Exception) -> None:
        if isinstance(left, Exception):
            self.answers[-1].set_exception(left)
        else:
            self.answers[-1].set_result(left)
        await turn()


class Shows:
    def __init__(self) -> None:
        self.shown: list[Allowance] = []

    def show(self, left: Allowance) -> None:
        self.shown.append(left)


async def turn():
    for _ in range(3):
        await asyncio.sleep(0)


async def test_one_question_serves_all_who_show_the_answer():
    asked, first, second = Asked(), Shows(), Shows()
    asked.watch.join(first)
    await turn()
    asked.watch.join(second)
    asked.watch.look()
    await turn()
    assert len(asked.answers) == 1
    await asked.answer(SOME)
    assert (first.shown, second.shown) == ([SOME], [SOME])
    assert len(asked.answers) == 2, "what changed meanwhile is asked for once more"
    await asked.answer(SOME)
    assert len(asked.answers) == 2


async def test_nothing_is_asked_for_nobody():
    asked, gone = Asked(), Shows()
    asked.watch.look()
    asked.watch.join(gone)
    await turn()
    await asked.answer(SOME)
    asked.watch.leave(gone)
    asked.watch.look()
    asked.timers[0][1]()
    await turn()
    assert len(asked.answers) == 1


async def test_an_agent_that_is_gone_is_not_kept_alive_to_be_told():
    asked, gone = Asked(), Shows()
    asked.watch.join(gone)
    await turn()
    del gone
    await asked.answer(SOME)
    asked.watch.look()
    await turn()
    assert len(asked.answers) == 1


async def test_it_is_asked_again_when_a_slot_is_free_and_not_when_all_are():
    asked, page = Asked(), Shows()
    asked.watch.join(page)
    await turn()
    await asked.answer(SOME)
    [(seconds, due)] = asked.timers
    assert seconds == 600
    due()
    await turn()
    await asked.answer(replace(SOME, sessions=Slots(20, 3600.0, 20, 0)))
    assert (len(asked.answers), asked.timers) == (2, [])


@pytest.mark.parametrize("error", [VoiceError("endpoint_unreachable"), ZeroDivisionError()])
async def test_an_endpoint_that_does_not_say_is_asked_again_at_the_next_change(error, caplog):
    asked, page = Asked(), Shows()
    asked.watch.join(page)
    await turn()
    await asked.answer(error)
    asked.watch.look()
    await turn()
    await asked.answer(SOME)
    assert page.shown == [SOME]


async def test_what_could_not_be_asked_is_asked_again_after_a_minute():
    asked, page = Asked(), Shows()
    asked.watch.join(page)
    await turn()
    await asked.answer(VoiceError("endpoint_unreachable"))
    [(seconds, due)] = asked.timers
    assert seconds == 60
    due()
    await turn()
    await asked.answer(SOME)
    assert page.shown == [SOME]


@pytest.fixture
def metered(endpoint):
    """An endpoint with limits."""
    endpoint.client.metered = True
    return endpoint


async def told(rig, count):
    async with asyncio.timeout(20):
        while len(found := [message for message in rig.sent if message["op"] == "allowance"]) < count:
            rig.arrived.clear()
            await rig.arrived.wait()
    return found


async def test_a_page_that_says_hello_is_told_what_is_left(metered, rig):
    rig.greet("tab")
    assert await told(rig, 1) == [{"op": "allowance", "client": "tab", "allowance": metered.allowance}]


async def test_pages_are_told_again_once_a_session_was_charged_and_when_it_is_over(metered, rig):
    rig.greet("tab")
    await told(rig, 1)
    rig.call("tab", "1", "open", sdp="v=0")
    await rig.replied("1")
    metered.allowance["sessions"]["remaining"] = 11
    rig.call("tab", "2", "connected", session="vs_1", call_id="rtc_1")
    await rig.replied("2")
    before = len(await told(rig, 3))
    rig.call("tab", "3", "ended", session="vs_1", reason="stopped")
    await rig.replied("3")
    assert (await told(rig, before + 1))[-1]["allowance"]["sessions"]["remaining"] == 11


async def test_a_page_that_was_refused_is_told_too(metered, rig):
    import httpx

    rig.greet("tab")
    await told(rig, 1)
    metered.answers["/v1/sessions"] = httpx.Response(429, json={"code": "rate_limited"})
    metered.allowance["sessions"]["remaining"] = 0
    rig.call("tab", "1", "open", sdp="v=0")
    assert (await told(rig, 2))[-1]["allowance"]["sessions"]["remaining"] == 0


async def test_a_page_that_has_gone_is_not_told(metered, rig):
    rig.greet("one", "two")
    await told(rig, 2)
    rig.page("one", "bye")
    rig.call("two", "1", "ended", session="vs_1", reason="stopped")
    assert [message["client"] for message in (await told(rig, 3))[-1:]] == ["two"]
    rig.page("two", "bye")
    asked = metered.paths().count("/v1/allowance")
    await metered.client.ended("vs_1", "stopped")
    await rig.settled()
    assert metered.paths().count("/v1/allowance") == asked


async def test_a_page_that_was_taken_for_gone_and_is_heard_again_is_told_again(metered, rig):
    rig.greet("one")
    await told(rig, 1)
    rig.calls.leave("one", "page_gone")
    rig.call("one", "1", "ended", session="vs_1", reason="stopped")
    assert [message["client"] for message in await told(rig, 2)] == ["one", "one"]


async def test_an_endpoint_without_limits_is_not_asked(endpoint, rig):
    rig.greet("tab")
    rig.call("tab", "1", "ended", session="vs_1", reason="stopped")
    await rig.replied("1")
    await rig.settled()
    assert "/v1/allowance" not in endpoint.paths()


async def test_a_recording_asks_the_endpoint_nothing(metered, rig):
    rig.bridge.freeze()
    rig.greet("tab")
    await rig.settled()
    assert metered.paths() == [] and rig.to("tab", "welcome")


async def test_an_agent_with_a_plan_of_its_own_tells_what_is_left_in_python():
    desk = in_process(plan=Plan("class", rate=Rate(10)), credits=100)
    agent = VoiceAgent(endpoint=desk)
    left = await agent.allowance()
    assert repr(left) == "Allowance(class · 10 of 10 sessions left this hour · 100 credits, 5 a session)"
    assert left.sessions == Slots(10, 3600.0, 10, 0)
    agent.close()


async def test_an_agent_without_a_plan_has_no_limit():
    agent = VoiceAgent()
    assert repr(await agent.allowance()) == "Allowance(notebook · no limit)"
    agent.close()
