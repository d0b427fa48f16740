"""What a notebook is promised, on real kernels of both lines, whichever shell the page's messages take."""

import asyncio
import json
import time

import pytest

pytestmark = [pytest.mark.kernel, pytest.mark.asyncio(loop_scope="module")]

UNTIL_LIVE = (
    "import time; end = time.monotonic() + 2\n"
    "while agent.status != 'live' and time.monotonic() < end: time.sleep(0.02)\n"
    "print(agent.status)"
)
"""A cell that computes until the agent is live, or for two seconds."""


async def test_a_cell_that_waits_for_live_hears_the_page_while_it_waits(kernel, page):
    cell = kernel.begin("await agent.until('live', timeout=10); print(agent.status, agent.activity)")
    await cell.begun.wait()
    page.become("connecting", "live")
    await asyncio.wait_for(cell.done.wait(), 20)
    assert (cell.error, cell.printed.strip()) == (None, "live listening")


async def test_start_in_the_cell_that_makes_the_agent_waits_for_its_page(kernel):
    cell = kernel.begin("agent = VoiceAgent(); await agent.start(); print(agent)")
    page = await kernel.new_page()
    await page.greet()
    assert (await page.hear("command"))["do"] == "start"
    page.become("connecting", "live")
    await asyncio.wait_for(cell.done.wait(), 20)
    assert (cell.error, cell.printed.strip()) == (None, "VoiceAgent(local · live · 0 turns)")


async def test_ask_returns_the_reply(kernel, page):
    page.become("connecting", "live")
    await kernel.value("await agent.until('live', timeout=10)")
    cell = kernel.begin("turn = await agent.ask('Who are you?', timeout=10); print(turn.role, turn.text)")
    say = await page.hear("command")
    assert (say["do"], say["text"]) == ("say", "Who are you?")
    assert 0 < len(say["item_id"]) <= 32
    item = {"id": say["item_id"], "type": "message", "role": "user"}
    item["content"] = [{"type": "input_text", "text": say["text"]}]
    page.tell(("in", {"type": "conversation.item.added", "item": item}))
    page.reply("A voice agent.")
    await asyncio.wait_for(cell.done.wait(), 20)
    assert (cell.error, cell.printed.strip()) == (None, "assistant A voice agent.")


async def test_a_burst_of_two_hundred_events_reaches_python_whole_and_in_order(kernel, page):
    page.become("connecting", "live")
    for number in range(200):
        page.tell(("in", {"type": "rate_limits.updated", "number": number}))
    cell = await kernel.run(
        "await agent.until(lambda agent: len(agent.events) == 202, timeout=10)\n"
        "print([e.event['number'] for e in agent.events[2:]] == list(range(200)))"
    )
    assert (cell.error, cell.printed.strip()) == (None, "True")


async def test_interrupt_ends_a_wait_within_a_second(kernel, page):
    cell = kernel.begin("await agent.until('live')")
    await cell.begun.wait()
    await asyncio.sleep(0.5)  # the cell must be in its wait: nothing tells that from outside
    asked = time.monotonic()
    await kernel.manager.interrupt_kernel()
    await asyncio.wait_for(cell.done.wait(), 10)
    assert time.monotonic() - asked < 5, "it was not the interrupt that ended it"
    assert cell.error is not None and cell.error.startswith(("CancelledError", "KeyboardInterrupt"))
    assert await kernel.value("print(1 + 1)") == "2"


async def test_repeats_change_nothing_and_a_gap_is_filled_by_one_snapshot(kernel, page):
    page.become("connecting", "live")
    batch = {"log": page.log, "events": [page.envelope("in", {"type": "rate_limits.updated"})]}
    page.send("events", **batch)
    page.send("events", **batch)
    page.seq += 5
    page.tell(("in", {"type": "rate_limits.updated"}))
    page.tell(("in", {"type": "rate_limits.updated"}))
    resync = await page.hear("resync")
    assert resync["log"] == page.log
    state = await kernel.value("import json; print(json.dumps(agent._conversation.state.to_json()))")
    page.send("snapshot", log=page.log, seq=page.seq, state={**json.loads(state), "seq": page.seq})
    seen = f"await agent.until(lambda agent: agent.events[-1].seq == {page.seq}, timeout=10)"
    assert (
        await kernel.value(f"{seen}; print([e.seq for e in agent.events], agent.status)")
        == "[1, 2, 3, 10] live"
    )
    assert [message["op"] for message in page.received].count("resync") == 1


async def test_a_second_page_is_told_that_the_agent_is_in_a_call_elsewhere(kernel, page):
    page.become("connecting", "live")
    other = page.twin("page-2")
    welcome = await other.greet()
    assert welcome["snapshot"]["status"] == "live"
    other.become("connecting")
    other.send("call", id="1", method="open", params={"sdp": "v=0"})
    assert (await other.hear("reply"))["problem"]["code"] == "active_elsewhere"
    other.tell(("own", {"type": "genmb.status", "status": "failed", "code": "active_elsewhere"}))
    page.become("ended")
    await kernel.value("await agent.until('ended', timeout=10)")
    assert await kernel.value("print(agent.status, agent.errors)") == "ended ()"


async def test_the_kernel_beats_during_a_cell_that_computes(kernel, page):
    page.become("connecting", "live")
    await kernel.value("await agent.until('live', timeout=10)")
    cell = kernel.begin("import time; time.sleep(2.5)")
    await cell.begun.wait()
    await page.hear("beat")
    assert not cell.done.is_set()
    await cell.done.wait()


async def test_a_cell_that_computes_hears_a_page_on_a_subshell_and_the_next_cell_hears_any(kernel, page):
    cell = kernel.begin(UNTIL_LIVE)
    await cell.begun.wait()
    page.become("connecting", "live")
    await cell.done.wait()
    assert cell.printed.strip() == ("live" if kernel.subshell else "idle")
    assert await kernel.value("await agent.until('live', timeout=5); print(agent.status)") == "live"


async def test_without_a_page_start_fails_in_about_two_seconds(kernel):
    begun = time.monotonic()
    cell = await kernel.run("agent = VoiceAgent(); await agent.start()")
    await kernel.opened.get()
    assert cell.error is not None and cell.error.startswith("NoFrontEnd")
    assert 1.9 < time.monotonic() - begun < 5


async def test_an_agent_shows_itself_by_a_repr_that_never_changes(kernel):
    cell = await kernel.run("VoiceAgent()")
    await kernel.opened.get()
    assert cell.shown[0]["text/plain"] == "VoiceAgent(local · idle · 0 turns)"


async def test_an_old_kernel_left_as_it_is_says_at_once_that_a_cell_cannot_wait(old_kernel):
    page = await old_kernel.show()
    code = "try: await agent.until('live')\nexcept VoiceError as error: print(error.code, time.monotonic() - begun < 1)"
    assert await old_kernel.value(f"import time; begun = time.monotonic()\n{code}") == "wait_impossible True"
    page.become("connecting", "live")
    assert await old_kernel.value("pass") == ""
    assert await old_kernel.value(UNTIL_LIVE) == "live"
