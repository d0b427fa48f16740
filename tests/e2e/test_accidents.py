"""The ordinary accidents of a notebook while a call is live: none leaves a microphone open."""

import os
import signal

import pytest
from harness.agent import (
    OVER,
    PATIENCE_MS,
    PROBE,
    SHOW,
    go_live,
    in_python,
    measured,
    microphone_closes,
    prints,
    show_at,
)
from harness.hearing import peer_connections
from harness.lab import Notebook
from playwright.async_api import expect

from genmb_voice_widget import spoken


@pytest.mark.fault("cell_run_again")
async def test_running_the_cell_again_ends_the_call_of_the_view_that_went(open_notebook, charging, fault):
    async with open_notebook(show_at(charging.url)) as notebook:
        await go_live(notebook)
        await notebook.python("first = agent")
        await notebook.run(0)
        await microphone_closes(notebook, within=10)
        await prints(notebook, OVER.replace("agent", "first"), "ended view_gone")
        assert (await notebook.python("print(agent)")).strip() == "VoiceAgent(local · idle · 0 turns)"
        fault("cell_run_again", **await in_python(notebook, "first"), entries=await charging.settled())


@pytest.mark.fault("output_cleared")
async def test_clearing_the_output_ends_the_call(open_notebook, charging, fault):
    async with open_notebook(show_at(charging.url)) as notebook:
        await go_live(notebook)
        await notebook.command("notebook:clear-all-cell-outputs")
        await microphone_closes(notebook, within=10)
        await prints(notebook, OVER, "ended view_gone")
        fault("output_cleared", **await in_python(notebook), entries=await charging.settled())


@pytest.mark.fault("kernel_restarted")
async def test_restarting_the_kernel_ends_the_call_and_says_so(open_notebook, charging, fault):
    async with open_notebook(show_at(charging.url)) as notebook:
        await go_live(notebook)
        await notebook.page.evaluate(
            "void jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
        )
        await microphone_closes(notebook, within=5)
        await expect(notebook.page.locator("[data-code=kernel_gone]")).to_be_visible()
        fault("kernel_restarted", **await measured(notebook), entries=await charging.settled(), within=5)


@pytest.mark.fault("kernel_killed")
async def test_a_kernel_that_is_killed_ends_the_call_and_says_so(open_notebook, charging, fault):
    async with open_notebook(show_at(charging.url)) as notebook:
        await go_live(notebook)
        os.kill(int(await notebook.python("import os; print(os.getpid())")), signal.SIGKILL)
        await microphone_closes(notebook, within=15)
        await expect(notebook.page.locator("[data-code=kernel_gone]")).to_be_visible()
        fault("kernel_killed", **await measured(notebook), entries=await charging.settled(), within=15)


@pytest.mark.fault("kernel_shut_down")
async def test_shutting_the_kernel_down_ends_the_call_and_says_so(open_notebook, charging, fault):
    async with open_notebook(show_at(charging.url)) as notebook:
        await go_live(notebook)
        await notebook.page.evaluate("void jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        await microphone_closes(notebook, within=15)
        await expect(notebook.page.locator("[data-code=kernel_gone]")).to_be_visible()
        fault("kernel_shut_down", **await measured(notebook), entries=await charging.settled(), within=15)


async def test_shutting_down_a_kernel_that_has_the_peer_ends_the_call_and_says_so(open_notebook):
    async with open_notebook(SHOW) as notebook:
        await go_live(notebook)
        await notebook.page.evaluate("void jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        await microphone_closes(notebook, within=30)
        # A local peer dies with its kernel, so the page may hear of the call's end before it misses the kernel.
        gone = notebook.page.locator("[data-code=kernel_gone], [data-code=no_kernel]")
        await expect(gone).to_be_visible(timeout=PATIENCE_MS)


@pytest.mark.fault("tab_closed")
async def test_closing_the_tab_ends_the_call_in_python(open_notebook, lab, charging, fault):
    async with open_notebook(show_at(charging.url)) as notebook:
        await go_live(notebook)
        other = Notebook(await notebook.page.context.browser.new_page())
        name = notebook.page.url.split("/lab/tree/")[1].split("?")[0]
        words = []
        notebook.page.on("console", lambda message: words.append(message.text))
        await notebook.page.evaluate("addEventListener('pagehide', () => console.log(probe.state()))")
        await notebook.page.close(run_before_unload=True)
        await other.page.goto(f"{lab.url}/lab/tree/{name}")
        await other.kernel_idle()
        await prints(other, OVER, "ended page_gone")
        told = (await other.python(OVER)).split()
        fault(
            "tab_closed",
            status=told[0],
            codes=told[1:],
            microphone=words[-1],
            entries=await charging.settled(),
        )


async def test_shift_enter_after_start_neither_presses_stop_nor_runs_the_agents_cell_again(open_notebook):
    async with open_notebook(SHOW, "print(agent)") as notebook:
        await go_live(notebook)
        await notebook.page.keyboard.press("Shift+Enter")
        await notebook.run(1)
        assert (await notebook.output(1)).strip() == "VoiceAgent(local · live · 0 turns)"
        await expect(notebook.page.get_by_test_id("stop")).to_be_visible()


@pytest.mark.fault("second_tab")
async def test_a_second_tab_waits_for_the_call_of_the_first(open_notebook, charging, fault):
    async with open_notebook(show_at(charging.url)) as notebook:
        await go_live(notebook)
        await notebook.command("docmanager:save")
        second = Notebook(await notebook.page.context.browser.new_page())
        await second.page.add_init_script(PROBE)
        await second.page.goto(notebook.page.url.split("?")[0])
        start = second.page.get_by_test_id("start")
        await expect(second.page.locator("[data-code=active_elsewhere]")).to_be_visible(timeout=PATIENCE_MS)
        await expect(start).to_be_disabled()
        fault("second_tab", **await measured(second), entries=await charging.settled())
        await notebook.page.get_by_test_id("stop").click()
        await expect(start).to_be_enabled(timeout=PATIENCE_MS)
        await expect(second.page.locator("[data-code=active_elsewhere]")).to_have_count(0)


@pytest.mark.fault("two_views")
async def test_a_widget_shown_twice_opens_one_microphone(open_notebook, charging, fault):
    async with open_notebook(show_at(charging.url), "agent") as notebook:
        await go_live(notebook)
        await notebook.run(1)
        statuses = notebook.page.get_by_test_id("status")
        await expect(statuses).to_have_count(2)
        await expect(statuses.nth(1)).to_have_attribute("data-status", "live")
        assert await peer_connections(notebook.page) == 1
        fault("two_views", **await measured(notebook), entries=await charging.settled())
        await notebook.page.get_by_test_id("stop").nth(1).click()
        await expect(statuses.nth(0)).to_have_attribute("data-status", "ended")
        await microphone_closes(notebook, within=5)


async def test_a_microphone_that_is_unplugged_while_the_call_is_being_opened_is_replaced(
    open_notebook, tmp_path
):
    async def unplug_first(page):
        await page.add_init_script(
            """
            const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            let asked = 0;
            navigator.mediaDevices.getUserMedia = async (constraints) => {
                const stream = await real(constraints);
                if (++asked === 1) setTimeout(() => {
                    const [track] = stream.getTracks();
                    track.stop();
                    track.dispatchEvent(new Event('ended'));
                });
                return stream;
            };
            """
        )

    question = spoken("Who are you?", tmp_path / "question.wav", lead_in=3.0, tail=1.0)
    async with open_notebook(SHOW, microphone=question, prepare=unplug_first) as notebook:
        await go_live(notebook)
        reply = notebook.page.locator("[data-testid=turn][data-role=assistant][data-status=completed]")
        await expect(reply).to_have_count(1, timeout=PATIENCE_MS)
        assert await notebook.page.evaluate("probe.openMicrophones()") == 1


@pytest.mark.parametrize("kernel", ["python3", "ipykernel6"])
async def test_a_busy_cell_neither_stops_the_captions_nor_loses_an_event(open_notebook, tmp_path, kernel):
    question = spoken("Who are you?", tmp_path / "question.wav", lead_in=5.0, tail=1.0)
    busy = "import time\nuntil = time.monotonic() + 12\nwhile time.monotonic() < until: pass"
    async with open_notebook(SHOW, busy, microphone=question, kernel=kernel) as notebook:
        await go_live(notebook)
        await notebook.run(1, wait=False)
        reply = notebook.page.locator("[data-testid=turn][data-role=assistant][data-status=completed]")
        await expect(reply).to_have_count(1, timeout=PATIENCE_MS)
        assert not await notebook.finished(1)
        await prints(notebook, "print(len(agent.turns))", "2")
        holes = "print([b.seq - a.seq for a, b in zip(agent.events, agent.events[1:]) if b.seq - a.seq != 1])"
        assert (await notebook.python(holes)).strip() == "[]"
