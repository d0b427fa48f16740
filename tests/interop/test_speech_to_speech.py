"""Our front end in Chromium converses with a server that others wrote: huggingface/speech-to-speech, its models replaced."""

import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from harness.agent import PROBE
from harness.browser import chromium
from harness.hearing import sounds
from harness.lab import ROOT
from harness.served import served
from playwright.async_api import Page

from genmb_voice_widget import spoken

WHO = (
    "I am the demo agent of the local voice peer. I live on your own computer, I need no key and no network, "
    "and I follow a script that you can read."
)
COUNT = "One, two, three, four, five, six, seven, eight, nine, ten."
PATIENCE_MS = 30_000
PYTHON = ROOT / ".venvs" / "speech-to-speech" / "bin" / "python"
PAGE = """<!doctype html><script src="/sdk.js"></script><script>
  const { voice } = window.genmb;
  const told = { statuses: [], problems: [], turns: new Map() };
  voice.onstatus = (status) => told.statuses.at(-1) === status || told.statuses.push(status);
  voice.onerror = (problem) => told.problems.push(problem);
  voice.ontranscript = (turn) => told.turns.set(turn.id, turn);
  const turns = () => [...told.turns.values()].map(({ role, text, status }) => [role, text, status]);
  const answered = (count) =>
    turns().filter(([role, , status]) => role === "assistant" && status === "completed").length === count;
  const heard = () => 10 * probe.levels.filter(({ agent }) => agent > 0.01).length;
</script>"""


@pytest.fixture
def server() -> Iterator[str]:
    """Run the server; gives its address up to `/realtime`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [PYTHON, Path(__file__).with_name("stub_stages_server.py"), str(port)]
    environ = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(program, env=environ, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        assert any("running on" in line for line in process.stderr), "the server did not start"
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@asynccontextmanager
async def page_of(server: str, folder: Path, microphone: Path) -> AsyncIterator[Page]:
    """Open a page that our endpoint serves, and whose sessions it has from the server."""
    config = folder / "voice.toml"
    config.write_text(f'[providers.openai-compatible]\nbase_url = "{server}"\nsignaling = "sdp"\n')
    with served({}, "--config", str(config)) as endpoint:
        async with chromium(microphone) as browser:
            page = await browser.new_page()
            await page.route(
                f"{endpoint}/page", lambda route: route.fulfill(body=PAGE, content_type="text/html")
            )
            await page.add_init_script(PROBE)
            await page.goto(f"{endpoint}/page")
            await page.evaluate("probe.listen()")
            yield page


async def test_a_page_is_heard_and_typed_to_and_answered_in_sound(server, tmp_path):
    question = spoken("Who are you?", tmp_path / "question.wav", lead_in=3.0)
    async with page_of(server, tmp_path, question) as page:
        await page.evaluate("voice.start()")
        await page.wait_for_function("answered(1)", timeout=PATIENCE_MS)
        await page.evaluate("voice.say('Count to ten.')")
        await page.wait_for_function("answered(2)", timeout=PATIENCE_MS)
        await page.wait_for_function("heard() > 3000", timeout=PATIENCE_MS)
        await page.evaluate("voice.stop()")
        assert await page.evaluate("turns()") == [
            ["user", "Who are you?", "completed"],
            ["assistant", WHO, "completed"],
            ["user", "Count to ten.", "completed"],
            ["assistant", COUNT, "completed"],
        ]
        assert await page.evaluate("[told.statuses, told.problems]") == [["connecting", "live", "ended"], []]


async def test_speech_over_a_reply_stops_its_sound(server, tmp_path):
    said = ["Tell me a story.", "Count to ten."]
    async with page_of(server, tmp_path, spoken(said, tmp_path / "two.wav", lead_in=3.0, pause=5.0)) as page:
        await page.evaluate("voice.start()")
        await page.wait_for_function("answered(2)", timeout=PATIENCE_MS)
        levels = await page.evaluate("probe.levels")
        _, over_it = sounds(levels, "user", gap=1_000)
        story = [sound for sound in sounds(levels, "agent") if sound.start < over_it.start]
        assert story[-1].end < over_it.start + 2_000
        assert [text for role, text, _ in await page.evaluate("turns()") if role == "user"] == said
        assert (await page.evaluate("turns()"))[-1] == ["assistant", COUNT, "completed"]
        assert await page.evaluate("told.problems") == []
