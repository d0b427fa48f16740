"""A saved session in a notebook page: shown as what it is, with nothing to press."""

import json

from harness.agent import PATIENCE_MS, SHOW, go_live
from playwright.async_api import expect

REPLAY = "agent.save('talk.jsonl')\nVoiceAgent.replay('talk.jsonl')"


async def test_a_replayed_session_says_that_it_is_a_recording_and_offers_nothing_to_press(open_notebook):
    async with open_notebook(SHOW, REPLAY) as notebook:
        await go_live(notebook)
        await notebook.page.get_by_test_id("say-input").fill("Good morning.")
        await notebook.page.get_by_test_id("say-send").click()
        reply = notebook.page.locator("[data-testid=turn][data-role=assistant][data-status=completed]")
        await expect(reply).to_have_count(1, timeout=PATIENCE_MS)
        await notebook.page.get_by_test_id("stop").click()
        await notebook.run(1)
        recording = notebook.page.locator(".genmb-voice", has_text="This agent shows a recording.")
        await expect(recording).to_have_count(1)
        await expect(recording.get_by_test_id("status")).to_have_text("Recording")
        await expect(recording.get_by_test_id("turn").first).to_contain_text("Good morning.")
        await expect(recording.locator("button, input, [role=alert], .gv-banner")).to_have_count(0)


async def test_a_recording_with_half_an_emoji_is_shown(open_notebook):
    """JSON may hold half a surrogate pair, UTF-8 may not: the kernel has to send the page what it can read."""
    said = {
        "id": "a",
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "Hello \ud83d"}],
    }
    event = {"type": "conversation.item.added", "item": said}
    lines = [{"genmb_voice": 1}, {"seq": 1, "t": 0, "dir": "in", "event": event}]
    written = "\n".join(json.dumps(line) for line in lines) + "\n"
    cell = (
        "from genmb_voice_widget import VoiceAgent\n"
        f"with open('half.jsonl', 'w') as file: file.write({written!r})\n"
        "agent = VoiceAgent.replay('half.jsonl')\nagent"
    )
    async with open_notebook(cell, "print(agent.turns[0].text)") as notebook:
        await notebook.run(0)
        await expect(notebook.page.get_by_test_id("turn")).to_contain_text("Hello \ufffd")
        await notebook.run(1)
        assert (await notebook.output(1)).strip() == "Hello \ufffd"
