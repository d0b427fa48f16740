"""The voice loop in JupyterLab: a cell that listens, answers, and can be inspected."""

from pathlib import Path

import pytest
from harness.hearing import Sound, peer_connections, sounds
from harness.lab import Notebook
from playwright.async_api import expect

from genmb_voice_widget import spoken

PROBE = Path(__file__).parents[1] / "harness" / "probe.js"
SHOW = "from genmb_voice_widget import VoiceAgent\nagent = VoiceAgent(provider='local')\nagent"
READ = "for turn in agent.turns:\n    print(f'{turn.role}: {turn.text}')"


async def start(notebook: Notebook, *, listen: bool = False) -> None:
    """Load the probe, show the agent and press Start."""
    await notebook.page.evaluate(PROBE.read_text())
    if listen:
        await notebook.page.evaluate("probe.listen()")
    await notebook.run(0)
    await notebook.page.get_by_test_id("start").click()
    await expect(notebook.page.get_by_test_id("status")).to_have_attribute(
        "data-status", "live", timeout=20_000
    )


async def heard(notebook: Notebook, side: str) -> list[Sound]:
    return sounds(await notebook.page.evaluate("probe.levels"), side)


@pytest.mark.parametrize("kernel", ["python3", "ipykernel6"])
async def test_a_spoken_sentence_is_written_down_and_answered_aloud(open_notebook, tmp_path, kernel):
    question = spoken("Who are you?", tmp_path / "question.wav", lead_in=3.0, tail=1.0)
    async with open_notebook(SHOW, READ, microphone=question, kernel=kernel) as notebook:
        await start(notebook, listen=True)
        reply = notebook.page.locator("[data-testid=turn][data-role=assistant][data-status=completed]")
        await expect(reply).to_have_count(1, timeout=20_000)
        await expect(notebook.page.get_by_test_id("activity")).to_have_attribute(
            "data-activity", "listening", timeout=20_000
        )
        await notebook.run(1)
        printed = (await notebook.output(1)).splitlines()
        assert printed[0] == "user: Who are you?"
        assert printed[1].startswith("assistant: ") and len(printed) == 2
        [answer] = await heard(notebook, "agent")
        assert answer.end - answer.start > 1_000
        assert (await notebook.python("print(agent.status, agent.activity, agent.errors)")).split() == [
            "live",
            "listening",
            "()",
        ]


async def test_speaking_over_the_reply_interrupts_it(open_notebook, tmp_path):
    speech = spoken(
        ["Tell me a story.", "Who are you?"], tmp_path / "speech.wav", lead_in=3.0, pause=6.0, tail=1.0
    )
    async with open_notebook(SHOW, READ, microphone=speech) as notebook:
        await start(notebook, listen=True)
        await expect(notebook.page.locator("[data-testid=turn][data-status=interrupted]")).to_have_count(
            1, timeout=30_000
        )
        await expect(notebook.page.locator("[data-testid=turn][data-role=assistant]")).to_have_count(
            2, timeout=20_000
        )
        over = (await heard(notebook, "user"))[-1]
        cut = next(sound for sound in await heard(notebook, "agent") if sound.start < over.start <= sound.end)
        print(
            f"from the first sound of the person to the last sound of the agent: {cut.end - over.start:.0f} ms"
        )
        assert cut.end - over.start < 400
        told = await notebook.python(
            "turn = agent.turns[1]; print(turn.status, len(turn.heard) > 20, len(turn.heard) < len(turn.text))"
        )
        assert told.split() == ["interrupted", "True", "True"]
        assert (
            await notebook.python("print(agent.turns[1].text.startswith(agent.turns[1].heard))")
        ).strip() == "True"


async def test_stop_releases_the_microphone_and_twenty_cycles_leave_no_connection(open_notebook, tmp_path):
    async with open_notebook(SHOW) as notebook:
        page = notebook.page
        await start(notebook)
        released = []
        for cycle in range(20):
            if cycle:
                await page.get_by_test_id("start").click()
                await expect(page.get_by_test_id("status")).to_have_attribute(
                    "data-status", "live", timeout=20_000
                )
            released.append(
                await page.evaluate(
                    """async () => {
                        const pressed = performance.now();
                        document.querySelector('[data-testid=stop]').click();
                        while (probe.openMicrophones()) await new Promise(next => setTimeout(next, 1));
                        return performance.now() - pressed;
                    }"""
                )
            )
            await expect(page.get_by_test_id("status")).to_have_attribute("data-status", "ended")
        print(f"microphone released after {sorted(released)[10]:.0f} ms, at most {max(released):.0f} ms")
        assert max(released) < 200
        assert await peer_connections(page) == 0
