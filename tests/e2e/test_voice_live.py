"""Azure Voice Live in JupyterLab, with the peer that stands in for it: two channels, one conversation."""

import pytest
from harness.agent import PATIENCE_MS, go_live, has_status, press_start, prints, show
from harness.blackout import network_of
from playwright.async_api import expect

from genmb_voice_widget import spoken
from genmb_voice_widget.peer.testing import running_peer

SHOW = """
import os
os.environ |= {environ!r}
from genmb_voice_widget import VoiceAgent
agent = VoiceAgent(provider='voice-live', model='local', turn_detection='azure_semantic_vad')
agent
"""
READ = """
for turn in agent.turns:
    print(f'{turn.role}: {turn.text}')
seen = [e.event['event_id'] for e in agent.events if e.dir == 'in']
print(len(seen) == len(set(seen)), agent.errors, agent.usage.responses)
kinds = {e.event['type'] for e in agent.events if e.dir == 'in'}
print('session.updated' in kinds, 'response.content_part.added' in kinds, 'response.done' in kinds)
"""


@pytest.fixture(scope="module")
def environ():
    with running_peer() as peer:
        yield {"AZURE_VOICELIVE_ENDPOINT": peer.url, "AZURE_VOICELIVE_API_KEY": peer.secret.reveal()}


async def test_a_spoken_turn_and_a_typed_one_are_answered_though_the_page_hears_and_says_only_half(
    open_notebook, tmp_path, environ
):
    question = spoken("Who are you?", tmp_path / "question.wav", lead_in=3.0, tail=1.0)
    show = SHOW.format(environ=environ)
    async with open_notebook(show, "agent.say('What can you do?')", READ, microphone=question) as notebook:
        await go_live(notebook)
        reply = notebook.page.locator("[data-testid=turn][data-role=assistant][data-status=completed]")
        await expect(reply).to_have_count(1, timeout=PATIENCE_MS)
        await prints(notebook, "print(agent.activity)", "listening")  # else what is typed would cut it short
        await notebook.run(1)
        await expect(reply).to_have_count(2, timeout=PATIENCE_MS)
        await prints(notebook, "print(agent.status, agent.activity, agent.errors)", "live listening ()")
        await notebook.run(2)
        printed = (await notebook.output(2)).splitlines()
        assert printed[0] == "user: Who are you?"
        assert printed[1].startswith("assistant: I am the demo agent")
        assert printed[2] == "user: What can you do?"
        assert printed[3].startswith("assistant: I can tell you a story")
        assert printed[4:] == ["True () 2", "True True True"]
        await notebook.page.get_by_test_id("stop").click()
        await has_status(notebook, "ended")


async def test_after_a_blackout_another_call_takes_the_lost_ones_place_and_what_was_typed_meanwhile_is_answered(
    open_notebook, environ
):
    async with open_notebook(SHOW.format(environ=environ)) as notebook:
        network = await network_of(notebook.page)
        await show(notebook)
        await press_start(notebook)
        await notebook.python("agent.say('Who are you?')")
        turns = "print([turn.status for turn in agent.turns])"
        await prints(notebook, turns, "['completed', 'completed']")
        async with network.blackout():
            await has_status(notebook, "reconnecting")
            await notebook.python("agent.say('What can you do?')")
            await notebook.page.wait_for_timeout(16_000)
        await has_status(notebook, "live")
        reopened = "[event.event['type'] for event in agent.events].count('genmb.reopened')"
        await prints(notebook, f"print(agent.status, agent.errors, {reopened})", "live () 1")
        await prints(notebook, turns, str(["completed"] * 4))
        said = "print([turn.text[:20] for turn in agent.turns][2:])"
        await prints(notebook, said, "['What can you do?', 'I can tell you a sto']")
