"""Click to connected and click to first sound: our widget in JupyterLab, a bare page and a stock client, on one peer."""

import os
import subprocess
import tempfile
from pathlib import Path

from harness.blank import blank_page
from harness.browser import chromium
from harness.lab import Notebook, jupyter_lab
from playwright.async_api import Page
from report import Row

HERE = Path(__file__).parent
INTEROP = HERE.parent / "tests" / "interop"
RUNS = 20
WARM_UP = 2
SHOW = "from genmb_voice_widget import VoiceAgent\nagent = VoiceAgent(provider='local')\nagent"
PEER = """
import gc
from genmb_voice_widget.peer.launch import PeerProcess
address = next(found for found in gc.get_objects() if type(found) is PeerProcess).start_now()
print(address.url, address.secret.reveal())
"""
MINT = """
import httpx
headers = {"Authorization": f"Bearer {address.secret.reveal()}"}
session = {"session": {"type": "realtime", "model": "demo"}}
print(httpx.post(f"{address.url}/v1/realtime/client_secrets", headers=headers, json=session).json()["value"])
"""
# Jupyter Server leaves Nagle's algorithm on: a message to the page that follows another within some 40 ms, as a quick
# answer follows the kernel's "busy", waits for the page's acknowledgement. This shows what that costs.
NO_DELAY = """
from jupyter_server.services.kernels.websocket import KernelWebsocketHandler as Handler
opened = Handler.open
async def open_without_delay(self, *args, **kwargs):
    self.set_nodelay(True)
    await opened(self, *args, **kwargs)
Handler.open = open_without_delay
"""
Times = dict[str, float]


def agents_bundle(folder: Path) -> Path:
    """The stock client, bundled for a page."""
    bundle = folder / "agents.js"
    esbuild = INTEROP / "node_modules" / ".bin" / "esbuild"
    how = ["--bundle", "--format=iife", "--log-level=error", f"--outfile={bundle}"]
    environment = os.environ | {"NODE_PATH": str(INTEROP / "node_modules")}
    subprocess.run([esbuild, HERE / "agents.mjs", *how], check=True, env=environment)
    return bundle


async def widget_times(page: Page) -> Times:
    """Press Start, wait for sound, press Stop."""
    await page.locator("[data-testid=start]:enabled").wait_for()
    times: Times = await page.evaluate(
        """async () => {
            marks.begin();
            document.querySelector('[data-testid=start]').click();
            return await marks.finished;
        }"""
    )
    await page.locator("[data-testid=status][data-status=live]").wait_for()
    await page.get_by_test_id("stop").click()
    await page.locator("[data-testid=status][data-status=ended]").wait_for()
    return times


async def measure() -> list[Row]:
    """JupyterLab as it is, and with its socket told not to wait."""
    return [*await rounds("", ""), *await rounds(NO_DELAY, ", Jupyter with TCP_NODELAY")]


async def rounds(config: str, remark: str) -> list[Row]:
    """Interleaved rounds of the three, after a warm-up of each."""
    bare, agents, ours = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        async with jupyter_lab(Path(scratch), config) as lab, chromium() as browser, blank_page() as address:
            notebook = await Notebook.open(await browser.new_page(), lab, lab.write("bench.ipynb", SHOW))
            page = await browser.new_page()
            await page.goto(address)
            for target in (page, notebook.page):
                await target.add_script_tag(path=HERE / "marks.js")
            await page.add_script_tag(path=HERE / "bare.js")
            await page.add_script_tag(path=agents_bundle(Path(scratch)))
            await notebook.run(0)
            await widget_times(notebook.page)
            url, secret = (await notebook.python(PEER)).split()
            for round_ in range(RUNS + WARM_UP):
                ek = (await notebook.python(MINT)).strip()
                found = (
                    await page.evaluate("how => connectBare(...how)", [url, secret]),
                    await page.evaluate("how => connectAgents(...how)", [url, ek]),
                    await widget_times(notebook.page),
                )
                if round_ >= WARM_UP:
                    for times, one in zip((bare, agents, ours), found, strict=True):
                        times.append(one)
    rows = []
    for moment, aim in (("connected", 1.15), ("audio", 1.15)):
        mine = [times[moment] for times in ours]
        what = f"click to {moment}{remark}"
        rows.append(Row(what, mine, "a bare page", [times[moment] for times in bare], "ms", aim))
        rows.append(Row(what, mine, "agents-realtime", [times[moment] for times in agents], "ms"))
    return rows
