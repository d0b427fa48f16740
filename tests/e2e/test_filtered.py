"""A service that keeps most events from pages: the cell is right all the same, for its kernel hears the rest."""

from pathlib import Path

import pytest
from harness.agent import PATIENCE_MS, go_live, prints
from playwright.async_api import expect

from genmb_voice_widget import spoken

TESTS = Path(__file__).parents[1]
SHOW = f"""
import sys
sys.path.append({str(TESTS)!r})
from harness.filtered import endpoint
from genmb_voice_widget import VoiceAgent
agent = VoiceAgent(endpoint=endpoint())
agent
"""
CHANNEL = """
const types = (window.channelTypes = []);
const create = RTCPeerConnection.prototype.createDataChannel;
RTCPeerConnection.prototype.createDataChannel = function (...how) {
  const channel = create.apply(this, how);
  channel.addEventListener("message", ({ data }) => types.push(JSON.parse(data).type));
  return channel;
};
"""
TURNS = (
    "print([(turn.role, turn.status) for turn in agent.turns], agent.usage.total_tokens > 0, agent.activity)"
)
BAD = "agent._link.do(lambda bridge: bridge._tell_leader('update', session={'type': 'realtime', 'nonsense': 1}))"


@pytest.mark.parametrize("kernel", ["python3", "ipykernel6"])
async def test_a_spoken_turn_its_usage_its_end_and_an_error_are_right_in_the_page_and_in_python(
    open_notebook, tmp_path, kernel
):
    question = spoken("Who are you?", tmp_path / "question.wav", lead_in=3.0, tail=1.0)

    async def listen(page):
        await page.add_init_script(CHANNEL)

    async with open_notebook(SHOW, microphone=question, kernel=kernel, prepare=listen) as notebook:
        page = notebook.page
        await go_live(notebook)
        turn = "[data-testid=turn][data-status=completed]"
        await expect(page.locator(f"{turn}[data-role=user]")).to_contain_text(
            "Who are you?", timeout=PATIENCE_MS
        )
        reply = page.locator(f"{turn}[data-role=assistant]")
        await expect(reply).to_have_count(1, timeout=PATIENCE_MS)
        await expect(reply).to_contain_text("I am the demo agent")
        await prints(notebook, TURNS, "[('user', 'completed'), ('assistant', 'completed')] True listening")
        types = set(await page.evaluate("channelTypes"))
        assert "response.output_audio_transcript.delta" in types
        assert types.isdisjoint({"response.done", "response.created", "session.created", "error"})
        await notebook.python(BAD)
        await expect(page.get_by_test_id("error").first).to_have_attribute(
            "data-code", "provider_error", timeout=PATIENCE_MS
        )
        await prints(notebook, "print([error.code for error in agent.errors])", "['provider_error']")
        await page.get_by_test_id("stop").click()
        await prints(
            notebook,
            "ids = [e.event.get('event_id') for e in agent.events if e.dir == 'in']; "
            "print(agent.status, len(ids) == len(set(ids)), agent._conversation.told == len(agent.events))",
            "ended True True",
        )
