"""Another microphone and another loudspeaker, chosen in the middle of a call: Chromium has three of each to try with."""

from harness.agent import PATIENCE_MS, SHOW, go_live, prints
from playwright.async_api import expect

from genmb_voice_widget import spoken

LOUDNESS = "document.querySelector('[data-testid=meter-user]').ariaValueNow"


async def test_a_call_goes_on_with_another_microphone_and_loudspeaker(open_notebook, tmp_path):
    question = spoken("Who are you?", tmp_path / "question.wav", lead_in=6.0, tail=1.0)
    async with open_notebook(SHOW, microphone=question) as notebook:
        await go_live(notebook)
        page = notebook.page
        await page.get_by_test_id("devices").locator("summary").click()
        microphone, speaker = page.get_by_test_id("audioinput"), page.get_by_test_id("audiooutput")
        await expect(microphone.locator("option")).to_have_count(4)
        names = await microphone.locator("option").all_inner_texts()
        await microphone.select_option(label=names[-1])
        await speaker.select_option(index=2)
        await page.wait_for_function("probe.microphones.length === 2 && probe.openMicrophones() === 1")
        await page.wait_for_function(f"Number({LOUDNESS}) > 20", timeout=PATIENCE_MS)
        reply = page.locator("[data-testid=turn][data-role=assistant][data-status=completed]")
        await expect(reply).to_have_count(1, timeout=PATIENCE_MS)
        await prints(
            notebook, "print([turn.text for turn in agent.turns][0], agent.errors)", "Who are you? ()"
        )
        assert await page.evaluate("probe.microphones.at(-1).label") == names[-1]
