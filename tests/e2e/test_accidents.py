"""The ordinary accidents of a notebook while a call is live: none leaves a microphone open."""

import asyncio
from pathlib import Path

import pytest
from harness.lab import Notebook
from playwright.async_api import expect

PROBE = Path(__file__).parents[1] / "harness" / "probe.js"
SHOW = "from genmb_voice_widget import VoiceAgent\nagent = VoiceAgent(provider='local')\nagent"


async def go_live(notebook: Notebook) -> None:
    await notebook.page.evaluate(PROBE.read_text())
    await notebook.run(0)
    await notebook.page.get_by_test_id("start").click()
    await expect(notebook.page.get_by_test_id("status")).to_have_attribute(
        "data-status", "live", timeout=20_000
    )


async def microphone_closes(notebook: Notebook, *, within: float) -> None:
    await notebook.page.wait_for_function(
        "probe.microphones.length > 0 && probe.openMicrophones() === 0", timeout=within * 1000
    )


async def python_says(notebook: Notebook, expected: str, *, within: float = 20) -> None:
    async with asyncio.timeout(within):
        while (
            await notebook.python("print(agent.status, *[e.code for e in agent.errors])")
        ).strip() != expected:
            await asyncio.sleep(0.2)


async def test_running_the_cell_again_ends_the_call_of_the_view_that_went(open_notebook):
    async with open_notebook("first = None\n" + SHOW, "agent = first") as notebook:
        await go_live(notebook)
        await notebook.python("first = agent")
        await notebook.run(0)
        await microphone_closes(notebook, within=10)
        await notebook.python("agent = first")
        await python_says(notebook, "ended view_gone")


async def test_clearing_the_output_ends_the_call(open_notebook):
    async with open_notebook(SHOW) as notebook:
        await go_live(notebook)
        await notebook.command("notebook:clear-all-cell-outputs")
        await microphone_closes(notebook, within=10)
        await python_says(notebook, "ended view_gone")


async def test_restarting_the_kernel_ends_the_call_and_says_so(open_notebook):
    async with open_notebook(SHOW) as notebook:
        await go_live(notebook)
        await notebook.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        await microphone_closes(notebook, within=10)
        await expect(notebook.page.get_by_test_id("error")).to_have_attribute("data-code", "kernel_gone")


async def test_shutting_the_kernel_down_ends_the_call_and_says_so(open_notebook):
    async with open_notebook(SHOW) as notebook:
        await go_live(notebook)
        await notebook.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        await microphone_closes(notebook, within=30)
        await expect(notebook.page.get_by_test_id("error")).to_have_attribute("data-code", "kernel_gone")


async def test_closing_the_tab_ends_the_call_in_python(open_notebook, lab):
    async with open_notebook(SHOW) as notebook:
        await go_live(notebook)
        other = await notebook.page.context.browser.new_page()
        name = notebook.page.url.split("/lab/tree/")[1].split("?")[0]
        await notebook.page.close(run_before_unload=True)
        again = Notebook(other)
        await other.goto(f"{lab.url}/lab/tree/{name}")
        await again.kernel_idle()
        await python_says(again, "ended page_gone")


async def test_a_widget_shown_twice_opens_one_microphone(open_notebook):
    async with open_notebook(SHOW, "agent") as notebook:
        await go_live(notebook)
        await notebook.run(1)
        statuses = notebook.page.get_by_test_id("status")
        await expect(statuses).to_have_count(2)
        await expect(statuses.nth(1)).to_have_attribute("data-status", "live")
        assert await notebook.page.evaluate("probe.openMicrophones()") == 1
        await notebook.page.get_by_test_id("stop").nth(1).click()
        await expect(statuses.nth(0)).to_have_attribute("data-status", "ended")
        await microphone_closes(notebook, within=5)


@pytest.mark.parametrize("kernel", ["python3", "ipykernel6"])
async def test_a_busy_cell_neither_stops_the_captions_nor_loses_an_event(open_notebook, tmp_path, kernel):
    from genmb_voice_widget import spoken

    question = spoken("Who are you?", tmp_path / "question.wav", lead_in=3.0, tail=1.0)
    async with open_notebook(
        SHOW, "import time; time.sleep(8)", microphone=question, kernel=kernel
    ) as notebook:
        await go_live(notebook)
        await notebook.run(1, wait=False)
        reply = notebook.page.locator("[data-testid=turn][data-role=assistant][data-status=completed]")
        await expect(reply).to_have_count(1, timeout=15_000)
        assert (
            await notebook.page.evaluate(
                "jupyterapp.shell.currentWidget.sessionContext.session.kernel.status"
            )
            == "busy"
        )
        await notebook.kernel_idle()
        async with asyncio.timeout(10):
            while (await notebook.python("print(len(agent.turns))")).strip() != "2":
                await asyncio.sleep(0.2)
        holes = "print([b.seq - a.seq for a, b in zip(agent.events, agent.events[1:]) if b.seq - a.seq != 1])"
        assert (await notebook.python(holes)).strip() == "[]"
