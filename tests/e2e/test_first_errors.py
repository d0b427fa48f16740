"""The errors a person meets first: each ends in a status, a code, a sentence and a fix, with no open microphone."""

import socket

from harness.agent import PATIENCE_MS, SHOW, prints, show
from harness.lab import Notebook
from playwright.async_api import expect


async def fails_with(notebook: Notebook, code: str) -> None:
    """Press Start; the failure must be told in the widget and in Python, and nothing may be recording."""
    page = notebook.page
    await show(notebook)
    await page.get_by_test_id("start").click()
    error = page.get_by_test_id("error")
    await expect(error).to_have_attribute("data-code", code, timeout=PATIENCE_MS)
    await prints(notebook, "print(agent.status, *[error.code for error in agent.errors])", f"failed {code}")
    shown = await error.inner_text()
    told = "print(agent.errors[0].say, agent.errors[0].fix, sep='\\n')"
    sentences = (await notebook.python(told)).splitlines()
    assert len(sentences) == 2 and all(sentence in shown for sentence in sentences)
    assert await page.evaluate("probe.openMicrophones()") == 0
    await expect(page.get_by_test_id("start")).to_be_enabled()


async def test_a_denied_microphone(open_notebook):
    async with open_notebook(SHOW, allow_microphone=False) as notebook:
        await fails_with(notebook, "mic_denied")


async def test_no_microphone(open_notebook):
    async with open_notebook(SHOW, devices=False) as notebook:
        await fails_with(notebook, "mic_not_found")


async def test_an_insecure_page(open_notebook):
    async def hide(page):
        await page.add_init_script(
            "Object.defineProperty(window, 'isSecureContext', {value: false});"
            "Object.defineProperty(navigator, 'mediaDevices', {value: undefined});"
        )

    async with open_notebook(SHOW, prepare=hide) as notebook:
        await fails_with(notebook, "insecure_context")


async def test_the_peer_is_not_installed(open_notebook):
    hidden = "import sys\nsys.modules['aiortc'] = None\n"
    async with open_notebook(hidden + SHOW) as notebook:
        await fails_with(notebook, "peer_not_installed")


async def test_an_endpoint_that_does_not_answer(open_notebook):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with open_notebook(SHOW.replace("'local'", f"'local', endpoint={address!r}")) as notebook:
            await fails_with(notebook, "endpoint_unreachable")
