"""A call of half an hour in JupyterLab: what the kernel and the page hold in memory meanwhile, and what crosses between them.

    cd tests && ../.venv/bin/python -m soak.long_call [minutes]

speaks a question every half minute to the local peer and prints, in the end, the slope of each process's memory over the time
after the first fifth, and the messages from page to kernel in a second. It fails when the call did not last or a turn is missing.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import wave
from itertools import pairwise
from pathlib import Path

from harness.agent import SHOW, go_live
from harness.browser import chromium
from harness.lab import Notebook, jupyter_lab
from playwright.async_api import CDPSession

from genmb_voice_widget import spoken

EVERY = 30.0
"""Seconds from one question to the next."""
COUNT = """
import os, threading
_received, _receive = [], agent._link.receive
def _count(message):
    _received.append(message.get("op"))
    _receive(message)
agent._link.receive = _count
def _memory():
    fields = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(fields["VmRSS"].split()[0])
"""
READ = """
import json
print(json.dumps({"rss": _memory(), "messages": len(_received), "turns": len(agent.turns), "status": agent.status}))
"""


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


def resident(pid: int) -> int:
    """The memory of a process, in kB."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0])


async def page_process(browser: CDPSession) -> int:
    """The id of the renderer that shows JupyterLab: the largest one."""
    found = await browser.send("SystemInfo.getProcessInfo")
    return max((each["id"] for each in found["processInfo"] if each["type"] == "renderer"), key=resident)


def slope(samples: list[tuple[float, float]]) -> float:
    """Units a minute, by least squares."""
    xs, ys = zip(*samples, strict=True)
    x, y = statistics.fmean(xs), statistics.fmean(ys)
    return sum((a - x) * (b - y) for a, b in samples) / sum((a - x) ** 2 for a in xs) * 60


async def main(minutes: float = 30.0) -> None:
    seconds = minutes * 60
    with tempfile.TemporaryDirectory() as scratch:
        microphone = questions(Path(scratch), seconds)
        async with jupyter_lab(Path(scratch) / "lab") as lab, chromium(microphone) as browser:
            page = await browser.new_page(viewport={"width": 1100, "height": 900})
            notebook = await Notebook.open(page, lab, lab.write("long.ipynb", SHOW))
            await go_live(notebook)
            await notebook.python(COUNT)
            cdp = await browser.new_browser_cdp_session()
            pid = await page_process(cdp)
            heap = await page.context.new_cdp_session(page)
            rows: list[dict[str, float]] = []
            began = asyncio.get_running_loop().time()
            while (passed := asyncio.get_running_loop().time() - began) < seconds:
                read = json.loads(await notebook.python(READ))
                await heap.send(
                    "HeapProfiler.collectGarbage"
                )  # else it shows when the browser likes to tidy up
                used = await heap.send("Runtime.getHeapUsage")
                rows.append({"at": passed, "page": resident(pid), "heap": used["usedSize"] / 1024, **read})
                print(json.dumps(rows[-1]), flush=True)
                await asyncio.sleep(min(30.0, max(0.5, seconds - passed)))
            await lab.end_kernels()
    report(rows)
    assert all(row["status"] == "live" for row in rows), "the call did not last"
    wanted = 2 * int(rows[-1]["at"] / EVERY)
    assert rows[-1]["turns"] >= wanted - 2, f"{rows[-1]['turns']} turns of {wanted}"


def report(rows: list[dict[str, float]]) -> None:
    late = [row for row in rows if row["at"] >= rows[-1]["at"] / 5]
    for who, member in (("kernel", "rss"), ("page", "page"), ("page's JavaScript", "heap")):
        growth = slope([(row["at"], row[member] / 1000) for row in late])
        first, last = late[0][member] / 1000, late[-1][member] / 1000
        print(f"{who}: {first:.1f} MB, {last:.1f} MB in the end, {60 * growth:+.1f} MB an hour")
    rates = [(b["messages"] - a["messages"]) / (b["at"] - a["at"]) for a, b in pairwise(rows)]
    middle, most = statistics.median(rates), max(rates)
    print(
        f"messages from page to kernel: {middle:.1f} a second (at most {most:.1f} over half a minute, n={len(rates)})"
    )
    print(f"{rows[-1]['turns']:.0f} turns in {rows[-1]['at'] / 60:.1f} minutes")


if __name__ == "__main__":
    asyncio.run(main(*map(float, sys.argv[1:])))
