"""A Python function of the notebook is called from a conversation in its page, and what it gives back is said."""

from pathlib import Path

import pytest
from harness.agent import PATIENCE_MS, SHOW, go_live, heard, prints
from playwright.async_api import expect

from genmb_voice_widget import spoken
from genmb_voice_widget.peer.testing import running_peer

TESTS = Path(__file__).parents[1]
SHOW_FILTERED = f"""
import sys
sys.path.append({str(TESTS)!r})
from harness.filtered import endpoint
from genmb_voice_widget import VoiceAgent
agent = VoiceAgent(endpoint=endpoint())
agent
"""
SHOW_VOICE_LIVE = """
import os
os.environ |= {environ!r}
from genmb_voice_widget import VoiceAgent
agent = VoiceAgent(provider='voice-live', model='local')
agent
"""
TOOL = """
@agent.tool
def get_weather(city: str) -> str:
    "Look the weather up."
    print("asked about", city)
    return "sunny and warm"
"""
COMPUTE = "import time; time.sleep(20)"
TURNS = (
    "print([(turn.role, turn.text, turn.call and turn.call.output) for turn in agent.turns], agent.errors)"
)
SAID = "In Rome it is sunny and warm."
TALK = f"[('user', 'What is the weather in Rome?', None), ('tool', '', 'sunny and warm'), ('assistant', '{SAID}', None)] ()"


@pytest.mark.parametrize("show", [SHOW, SHOW_FILTERED], ids=["whole channel", "filtered channel"])
async def test_a_function_is_called_and_its_output_is_spoken_while_a_cell_computes(
    open_notebook, tmp_path, show
):
    question = spoken("What is the weather in Rome?", tmp_path / "question.wav", lead_in=4.0, tail=1.0)
    async with open_notebook(show, TOOL, COMPUTE, microphone=question, kernel="ipykernel6") as notebook:
        await go_live(notebook, listen=True)
        await notebook.run(1)
        await notebook.run(2, wait=False)
        reply = notebook.page.locator("[data-testid=turn][data-role=assistant][data-status=completed]")
        await expect(reply).to_contain_text(SAID, timeout=PATIENCE_MS)
        assert not await notebook.finished(2)
        await prints(notebook, TURNS, TALK)
        assert (await notebook.output(1)).strip() == "asked about Rome"
        spoken_for = sum(sound.end - sound.start for sound in await heard(notebook, "agent"))
        assert spoken_for > 1_000


async def test_voice_live_is_given_what_a_function_gave_back(open_notebook):
    with running_peer() as peer:
        environ = {"AZURE_VOICELIVE_ENDPOINT": peer.url, "AZURE_VOICELIVE_API_KEY": peer.secret.reveal()}
        show = SHOW_VOICE_LIVE.format(environ=environ)
        async with open_notebook(show, TOOL, "agent.say('What is the weather in Rome?')") as notebook:
            await go_live(notebook)
            await notebook.run(1)
            await notebook.run(2)
            reply = notebook.page.locator("[data-testid=turn][data-role=assistant][data-status=completed]")
            await expect(reply).to_contain_text(SAID, timeout=PATIENCE_MS)
            await prints(notebook, TURNS, TALK)
