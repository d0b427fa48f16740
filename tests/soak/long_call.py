"""A call of half an hour in JupyterLab: what the kernel and the page hold in memory meanwhile, and what crosses between them.

    cd tests && ../.venv/bin/python -m soak.long_call [minutes]

speaks a question every half minute to the local peer and prints, in the end, the slope of each process's memory over the time
after the first fifth, and the messages from page to kernel in a second. Two more pages of the same browser show what is not ours:
JupyterLab with the agent idle, and a page that holds a call with a peer connection and nothing else. It fails when the call did
not last or a turn is missing.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import wave
from itertools import pairwise
from pathlib import Path

from harness.agent import SHOW, go_live, show
from harness.blank import blank_page
from harness.browser import chromium
from harness.lab import Notebook, jupyter_lab
from playwright.async_api import Browser, CDPSession, Page

from genmb_voice_widget import spoken
from genmb_voice_widget.peer.launch import PeerProcess

EVERY = 30.0
"""Seconds from one question to the next."""
COUNT = """
import os, threading
_received, _receive = [], agent._link.receive
def _count(message, *sound):
    _received.append(message.get("op"))
    _receive(message, *sound)
agent._link.receive = _count
def _memory():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(fields["VmRSS"].split()[0]) / 1000
"""
BARE = """async ([url, secret]) => {
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: true });
  const speaker = Object.assign(new Audio(), { autoplay: true });
  const pc = (window.pc = new RTCPeerConnection());
  const channel = pc.createDataChannel("oai-events");
  pc.ontrack = ({ streams: [stream] }) => { speaker.srcObject = stream; };
  pc.addTrack(microphone.getAudioTracks()[0], microphone);
  await pc.setLocalDescription();
  const headers = { Authorization: `Bearer ${secret}`, "Content-Type": "application/sdp" };
  const answer = await fetch(`${url}/v1/realtime/calls`, { method: "POST", headers, body: pc.localDescription.sdp });
  await pc.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  await new Promise((resolve) => { channel.onopen = resolve; });
}"""
NO_ICON = """document.addEventListener("DOMContentLoaded", () => {
  for (const link of document.querySelectorAll("link.favicon")) link.remove();
});"""
"""JupyterLab fetches its icon anew whenever the kernel becomes busy or idle, and Chromium keeps each for who debugs the page: us."""
SETTLE = 10.0
"""Seconds after a collection until the browser has given back to the system what was collected."""
READ = """
import json
print(json.dumps({"rss": _memory(), "messages": len(_received), "turns": len(agent.turns), "status": agent.status}))
"""
WHY = "print(agent.status, agent.errors, [e.to_json() for e in agent.events if e.dir == 'own'])"


def questions(folder: Path, seconds: float) -> Path:
    """Write a file in which the same question is asked again and again."""
    with wave.open(str(spoken("Who are you?", folder / "one.wav")), "rb") as file:
        form, sound = file.getparams(), file.readframes(file.getnframes())
    rate, width = form.framerate, form.sampwidth * form.nchannels
    period = sound.ljust(int(EVERY * rate) * width, b"\0")
    path = folder / "microphone.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams(form)
        file.writeframes(bytes(3 * rate * width))
        for _ in range(int(seconds / EVERY)):
            file.writeframes(period)
    return path


def memory(pid: int) -> tuple[float, float]:
    """A process's memory in MB: resident, and that which is its own and written to."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    fields = {name: int(size.split()[0]) / 1000 for name, size in (line.split(":") for line in lines)}
    return fields["Rss"], fields["Private_Dirty"]


class Watched:
    """A page and the process that draws it."""

    def __init__(self, cdp: CDPSession, pid: int) -> None:
        self._cdp = cdp
        self._pid = pid

    async def collect(self) -> None:
        await self._cdp.send("HeapProfiler.collectGarbage")  # else it shows when the browser likes to tidy up

    async def row(self, name: str) -> dict[str, float]:
        resident, own = memory(self._pid)
        heap = await self._cdp.send("Runtime.getHeapUsage")
        dom = await self._cdp.send("Memory.getDOMCounters")
        used = {"resident": resident, "own": own, "heap": heap["usedSize"] / 1e6, **dom}
        return {f"{name} {what}": value for what, value in used.items()}


async def watch(browser: Browser, page: Page) -> Watched:
    """Find a page's process: the renderer that has taken as much of the CPU."""
    cdp = await page.context.new_cdp_session(page)
    await cdp.send("Performance.enable")
    metrics = {each["name"]: each["value"] for each in (await cdp.send("Performance.getMetrics"))["metrics"]}
    found = await (await browser.new_browser_cdp_session()).send("SystemInfo.getProcessInfo")
    renderers = [each for each in found["processInfo"] if each["type"] == "renderer"]
    its = min(renderers, key=lambda each: abs(each["cpuTime"] - metrics["ProcessTime"]))
    return Watched(cdp, its["id"])


def slope(samples: list[tuple[float, float]]) -> float:
    """Units a minute, by least squares."""
    xs, ys = zip(*samples, strict=True)
    x, y = statistics.fmean(xs), statistics.fmean(ys)
    return sum((a - x) * (b - y) for a, b in samples) / (sum((a - x) ** 2 for a in xs) or 1) * 60


async def main(minutes: float = 30.0) -> None:
    seconds = minutes * 60
    peer = PeerProcess()
    with tempfile.TemporaryDirectory() as scratch:
        microphone = questions(Path(scratch), seconds)
        async with (
            jupyter_lab(Path(scratch) / "lab") as lab,
            chromium(microphone) as browser,
            blank_page() as blank,
        ):
            size = {"width": 1100, "height": 900}

            async def lab_page(name: str) -> Notebook:
                page = await browser.new_page(viewport=size)
                await page.add_init_script(NO_ICON)
                return await Notebook.open(page, lab, lab.write(name, SHOW))

            idle = await lab_page("idle.ipynb")
            await show(idle)
            bare = await browser.new_page(viewport=size)
            await bare.goto(blank)
            address = peer.start_now()
            await bare.evaluate(BARE, [address.url, address.secret.reveal()])
            notebook = await lab_page("long.ipynb")
            await go_live(notebook)
            await notebook.python(COUNT)
            pages = {
                name: await watch(browser, page)
                for name, page in (("call", notebook.page), ("idle", idle.page), ("bare", bare))
            }
            rows: list[dict[str, float]] = []
            began = asyncio.get_running_loop().time()
            while (passed := asyncio.get_running_loop().time() - began) < seconds:
                row = {"at": passed, **json.loads(await notebook.python(READ))}
                assert row["status"] == "live", await notebook.python(WHY)
                await idle.python("print()")
                for watched in pages.values():
                    await watched.collect()
                await asyncio.sleep(SETTLE)
                for name, watched in pages.items():
                    row |= await watched.row(name)
                rows.append(row)
                print(json.dumps(row), flush=True)
                await asyncio.sleep(min(30.0 - SETTLE, max(0.5, seconds - passed - SETTLE)))
            bare_lasted = await bare.evaluate("pc.connectionState")
            await lab.end_kernels()
    report(rows)
    assert bare_lasted == "connected", "the bare page's call did not last"
    wanted = 2 * int(rows[-1]["at"] / EVERY)
    assert rows[-1]["turns"] >= wanted - 2, f"{rows[-1]['turns']} turns of {wanted}"


def report(rows: list[dict[str, float]]) -> None:
    late = [row for row in rows if row["at"] >= rows[-1]["at"] / 5]
    measured = [f"{page} {what}" for page in ("call", "idle", "bare") for what in ("resident", "own", "heap")]
    for name in ("rss", *measured):
        growth = slope([(row["at"], row[name]) for row in late])
        first, last = late[0][name], late[-1][name]
        print(f"{name}: {first:.1f} MB, {last:.1f} MB in the end, {60 * growth:+.1f} MB an hour")
    rates = [(b["messages"] - a["messages"]) / (b["at"] - a["at"]) for a, b in pairwise(rows)]
    middle, most = statistics.median(rates), max(rates)
    print(
        f"messages from page to kernel: {middle:.1f} a second (at most {most:.1f} over half a minute, n={len(rates)})"
    )
    print(f"{rows[-1]['turns']:.0f} turns in {rows[-1]['at'] / 60:.1f} minutes")


if __name__ == "__main__":
    asyncio.run(main(*map(float, sys.argv[1:])))
