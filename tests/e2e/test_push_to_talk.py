"""Turns that end by a button: what is said while nobody holds it is not heard, and a tap is no turn."""

from harness.agent import PATIENCE_MS, SHOW, go_live, has_status, prints, show
from playwright.async_api import expect

from genmb_voice_widget import spoken

BY_BUTTON = SHOW.replace("provider='local'", "provider='local', turn_detection=None")
SPEECH = {"lead_in": 2.0, "pause": 6.0, "tail": 1.0}
"""The first sentence is over some 3.5 s after the microphone opened, the second begins after 9 s."""


async def test_only_what_is_said_while_the_button_is_held_is_heard_and_answered(open_notebook, tmp_path):
    speech = spoken(["Tell me a story.", "Who are you?"], tmp_path / "speech.wav", **SPEECH)
    async with open_notebook(BY_BUTTON, microphone=speech) as notebook:
        await go_live(notebook)
        page = notebook.page
        await page.wait_for_timeout(4_500)
        hold = page.get_by_test_id("hold")
        await hold.hover()
        await page.mouse.down()
        await expect(hold).to_have_text("Let go to send")
        await page.wait_for_timeout(7_000)
        await page.mouse.up()
        reply = page.locator("[data-testid=turn][data-role=assistant][data-status=completed]")
        await expect(reply).to_have_count(1, timeout=PATIENCE_MS)
        await prints(notebook, "print([turn.text for turn in agent.turns][0])", "Who are you?")
        await hold.focus()
        await page.keyboard.press(" ")
        await prints(notebook, "print(agent.status, len(agent.turns), agent.errors)", "live 2 ()")


async def test_the_button_comes_and_goes_with_the_turn_detection_and_an_answer_may_wait(
    open_notebook, tmp_path
):
    speech = spoken("Who are you?", tmp_path / "speech.wav", lead_in=4.0, tail=1.0)
    async with open_notebook(SHOW, microphone=speech) as notebook:
        await show(notebook)
        page = notebook.page
        await notebook.python("agent.turn_detection, agent.auto_respond = None, False")
        hold = page.get_by_test_id("hold")
        await expect(hold).to_be_disabled()
        await page.get_by_test_id("start").click(timeout=PATIENCE_MS)
        await has_status(notebook, "live")
        await hold.focus()
        await page.keyboard.down("Enter")
        await page.wait_for_timeout(7_000)
        await page.keyboard.up("Enter")
        turns = page.get_by_test_id("turn")
        await expect(turns).to_have_count(1, timeout=PATIENCE_MS)
        await expect(turns).to_contain_text("Who are you?", timeout=PATIENCE_MS)
        await notebook.python("agent.respond()")
        await expect(turns).to_have_count(2, timeout=PATIENCE_MS)
        await notebook.python("agent.turn_detection = 'server_vad'")
        await expect(hold).to_have_count(0)
        await prints(notebook, "print(agent.status, agent.errors)", "live ()")
