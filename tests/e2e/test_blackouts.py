"""The network goes away in the middle of a call, and comes back: the conversation goes on, and is paid once."""

import pytest
from harness.agent import SHOW, has_status, press_start, prints, show
from harness.blackout import network_of
from harness.browser import chromium, silence
from harness.shop import shop, visit


@pytest.mark.fault("blackout_short")
async def test_a_blackout_of_3_s_is_shown_and_heals_without_another_call(tmp_path, fault):
    quiet = silence(tmp_path / "silence.wav")
    async with shop(tmp_path) as service, chromium(quiet) as browser:
        await service.add("shop", 10)
        async with visit(browser, service, "shop") as call:
            await call.ask("Who are you?", answers=1)
            async with call.network.blackout():
                reconnecting = "told.statuses.at(-1)[1] === 'reconnecting'"
                await call.page.wait_for_function(reconnecting, timeout=4_000)
            await call.page.wait_for_function("told.statuses.at(-1)[1] === 'live'")
            await call.ask("Who are you?", answers=2)
            assert await call.told("calls.length") == 1
            fault("blackout_short", **await call.measured(), entries=service.entries("shop"), within=4)


@pytest.mark.fault("blackout_long")
async def test_after_a_blackout_of_20_s_the_same_session_goes_on_with_what_was_said(tmp_path, fault):
    quiet = silence(tmp_path / "silence.wav")
    async with shop(tmp_path) as service, chromium(quiet) as browser:
        await service.add("shop", 10)
        async with visit(browser, service, "shop") as call:
            await call.ask("Who are you?", answers=1)
            await call.network.black_out_for(20, told=True)
            back = await call.now()
            await call.page.wait_for_function("told.statuses.at(-1)[1] === 'live'", timeout=10_000)
            statuses = await call.statuses()
            assert [status for _, status in statuses] == ["connecting", "live", "reconnecting", "live"]
            assert statuses[-1][0] - back < 3_000
            await call.ask("Who are you?", answers=2)
            assert await call.told("turns('user').length") == 2
            assert await call.told("[told.problems, probe.microphones.length, probe.openMicrophones()]") == [
                [],
                1,
                1,
            ]
            sent = await call.told("calls.at(-1).sent")
            assert sent == ["conversation.item.create"] * 3 + ["response.create"]
            fault("blackout_long", **await call.measured(), entries=service.entries("shop"), within=3)
            await call.told("voice.stop()")
            await call.page.wait_for_function("probe.openMicrophones() === 0")
        assert service.entries("shop") == [("grant", 10), ("reserve", 5), ("capture", 5)]


async def test_in_a_notebook_the_kernel_asks_for_the_other_call_and_python_sees_one_session(open_notebook):
    async with open_notebook(SHOW) as notebook:
        network = await network_of(notebook.page)
        await show(notebook)
        await press_start(notebook)
        await notebook.python("agent.say('Who are you?')")
        await prints(notebook, "print([turn.status for turn in agent.turns])", "['completed', 'completed']")
        async with network.blackout():
            await has_status(notebook, "reconnecting")
            await notebook.page.wait_for_timeout(16_000)
        await has_status(notebook, "live")
        reopened = "[event.event['type'] for event in agent.events].count('genmb.reopened')"
        await prints(notebook, f"print(agent.status, agent.errors, {reopened})", "live () 1")
        await notebook.python("agent.say('Who are you?')")
        await prints(notebook, "print([turn.status for turn in agent.turns])", str(["completed"] * 4))
        holes = "print([b.seq - a.seq for a, b in zip(agent.events, agent.events[1:]) if b.seq - a.seq != 1])"
        assert (await notebook.python(holes)).strip() == "[]"
        assert await notebook.page.evaluate("probe.openMicrophones()") == 1
