"""A call whose sound goes through the kernel: chosen, and by itself where UDP is blocked; also while a cell computes."""

import pytest
from harness.agent import PATIENCE_MS, go_live, has_status, heard, prints
from harness.hearing import peer_connections
from playwright.async_api import expect

from genmb_voice_widget import spoken

NO_UDP = "--webrtc-ip-handling-policy=disable_non_proxied_udp"
BY_KERNEL = "from genmb_voice_widget import VoiceAgent\nagent = VoiceAgent(transport='kernel')\nagent"
LIMITED = """
from genmb_voice_widget import VoiceAgent
from genmb_voice_widget.service import Plan, in_process
agent = VoiceAgent(endpoint=in_process(plan=Plan("class"), credits=100))
agent
"""
REPLIES = "[data-testid=turn][data-role=assistant]"
DONE = f"{REPLIES}[data-status=completed]"
KINDS = "sorted({event.event['type'] for event in agent.events if event.event['type'].startswith('genmb.')})"


@pytest.mark.parametrize("kernel", ["python3", "ipykernel6"])
async def test_speaking_over_the_reply_truncates_it_at_what_was_played(open_notebook, tmp_path, kernel):
    sentences = ["Tell me a story.", "Who are you?"]
    speech = spoken(sentences, tmp_path / "speech.wav", lead_in=3.0, pause=6.0, tail=1.0)
    async with open_notebook(BY_KERNEL, microphone=speech, kernel=kernel) as notebook:
        await go_live(notebook, listen=True)
        assert await peer_connections(notebook.page) == 0
        await expect(notebook.page.locator(DONE)).to_have_count(1, timeout=2 * PATIENCE_MS)
        await prints(
            notebook, "print([turn.text for turn in agent.turns if turn.role == 'user'])", str(sentences)
        )
        over = (await heard(notebook, "user"))[-1]
        cut = next(sound for sound in await heard(notebook, "agent") if sound.start < over.start <= sound.end)
        print(f"barge-in through the kernel: {cut.end - over.start:.0f} ms")
        assert cut.end - over.start < 1_000
        await prints(
            notebook,
            "story = next(turn for turn in agent.turns if turn.role == 'assistant')\n"
            "print(story.status, 20 < len(story.heard) < len(story.text), story.text.startswith(story.heard), agent.errors)",
            "interrupted True True ()",
        )
        sizes = "print(max(len(repr(event.event)) for event in agent.events) < 20_000)"
        await prints(notebook, sizes, "True")
        await notebook.page.get_by_test_id("stop").click()
        await prints(notebook, "print(agent.status, agent.errors)", "ended ()")


async def test_where_udp_is_blocked_the_kernel_carries_the_call_by_itself_for_one_charge(
    open_notebook, tmp_path
):
    question = spoken("Who are you?", tmp_path / "question.wav", lead_in=25.0, tail=1.0)
    async with open_notebook(LIMITED, microphone=question, flags=(NO_UDP,)) as notebook:
        await go_live(notebook)
        await expect(notebook.page.locator(DONE)).to_have_count(1, timeout=2 * PATIENCE_MS)
        await prints(notebook, f"print({KINDS})", "['genmb.detour', 'genmb.session', 'genmb.status']")
        await prints(notebook, "print((await agent.allowance()).credits)", "95")


@pytest.mark.parametrize(
    ("kernel", "heard_of", "errors"),
    [
        ("python3", ["Tell me a story.", "Who are you?"], []),
        ("ipykernel6", ["Who are you?"], ["kernel_deaf"]),
    ],
)
async def test_what_is_spoken_while_a_cell_computes(open_notebook, tmp_path, kernel, heard_of, errors):
    """A newer kernel hears it. An older one takes three seconds of it, the rest is lost, and the page says so."""
    sentences = ["Tell me a story.", "Who are you?"]
    speech = spoken(sentences, tmp_path / "speech.wav", lead_in=7.0, pause=8.0, tail=1.0)
    busy = "import time\nuntil = time.monotonic() + 10\nwhile time.monotonic() < until: pass"
    async with open_notebook(BY_KERNEL, busy, microphone=speech, kernel=kernel) as notebook:
        await go_live(notebook)
        await notebook.run(1)
        await expect(notebook.page.locator(DONE)).to_have_count(1, timeout=2 * PATIENCE_MS)
        turns = "[turn.text for turn in agent.turns if turn.role == 'user']"
        await prints(
            notebook, f"print({turns}, [error.code for error in agent.errors])", f"{heard_of} {errors}"
        )
        await has_status(notebook, "live")
