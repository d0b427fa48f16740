"""The agent in a notebook page, as a person sees it: shown, started, watched."""

import asyncio
from pathlib import Path
from typing import Any

from harness.hearing import Sound, sounds
from harness.lab import Notebook
from playwright.async_api import expect

SHOW = "from genmb_voice_widget import VoiceAgent\nagent = VoiceAgent(provider='local')\nagent"
OVER = "print(agent.status, *[error.code for error in agent.errors])"
READ = "for turn in agent.turns:\n    print(f'{turn.role}: {turn.text}')"
PROBE = (Path(__file__).parent / "probe.js").read_text()
PATIENCE_MS = 30_000


def show_at(url: str) -> str:
    """The cell that shows an agent of this endpoint."""
    return SHOW.replace("'local'", f"'local', endpoint={url!r}")


async def measured(notebook: Notebook) -> dict[str, Any]:
    """What the cell shows of a call, the first error first, and what has become of the page's microphone."""
    page = notebook.page
    codes = page.locator("[data-testid=error], [data-testid=notice]")
    return {
        "status": await page.get_by_test_id("status").first.get_attribute("data-status"),
        "codes": await codes.evaluate_all("(shown) => shown.map(({ dataset }) => dataset.code)"),
        "microphone": await page.evaluate("probe.state()"),
    }


async def in_python(notebook: Notebook, agent: str = "agent") -> dict[str, Any]:
    """The same as an agent in the kernel knows it, whose cell may be gone."""
    status, *codes = (await notebook.python(OVER.replace("agent", agent))).split()
    return {"status": status, "codes": codes, "microphone": await notebook.page.evaluate("probe.state()")}


async def show(notebook: Notebook, *, listen: bool = False) -> None:
    """Load the probe (with `listen` it records both sides' loudness) and run the cell that shows the agent."""
    await notebook.page.evaluate(PROBE)
    if listen:
        await notebook.page.evaluate("probe.listen()")
    await notebook.run(0)


async def press_start(notebook: Notebook) -> None:
    """Start a call and wait until it is live."""
    await notebook.page.get_by_test_id("start").click(timeout=PATIENCE_MS)
    await has_status(notebook, "live")


async def go_live(notebook: Notebook, *, listen: bool = False) -> None:
    """Show the agent and start a call."""
    await show(notebook, listen=listen)
    await press_start(notebook)


async def has_status(notebook: Notebook, status: str) -> None:
    """Wait until the widget says so."""
    label = notebook.page.get_by_test_id("status").first
    await expect(label).to_have_attribute("data-status", status, timeout=PATIENCE_MS)


async def heard(notebook: Notebook, side: str) -> list[Sound]:
    """What the page heard of this side so far."""
    return sounds(await notebook.page.evaluate("probe.levels"), side)


async def microphone_closes(notebook: Notebook, *, within: float) -> None:
    """Wait until every track that was opened has ended; `within` is in seconds."""
    closed = "probe.microphones.length > 0 && probe.openMicrophones() === 0"
    await notebook.page.wait_for_function(closed, timeout=within * 1000)


async def prints(notebook: Notebook, code: str, expected: str, *, within: float = 30) -> None:
    """Wait until the code prints this in the kernel; `within` is in seconds."""
    printed = ""
    try:
        async with asyncio.timeout(within):
            while (printed := (await notebook.python(code)).strip()) != expected:
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{code!r} printed {printed!r}, not {expected!r}") from None
