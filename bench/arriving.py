"""From an event on the data channel to a Python trait, beside a bare custom message of a ten-line widget; and a burst."""

import json
import tempfile
from pathlib import Path

from harness.browser import chromium
from harness.lab import Notebook, jupyter_lab
from report import Row

RUNS = 60
EVERY_MS = 200
KERNELS = ("python3", "ipykernel6")

BARE = """
import time, anywidget
class Bare(anywidget.AnyWidget):
    _esm = "export default { render({ model }) { window.bare = () => model.send({ t: performance.timeOrigin + performance.now() }); } }"
bare, bare_ms = Bare(), []
bare.on_msg(lambda _, content, buffers: bare_ms.append(time.time() * 1000 - content["t"]))
bare
"""
OURS = """
from genmb_voice_widget import VoiceAgent
agent, ours_ms, seen = VoiceAgent(provider="local"), [], set()
def arrived(change):
    now = time.time() * 1000
    for turn in change.new[-1:]:
        if turn.text.isdigit() and turn.id not in seen:
            seen.add(turn.id)
            ours_ms.append(now - int(turn.text) / 1000)
agent.observe(arrived, "turns")
agent
"""
# The event is put on the channel as the service would have sent it; its text is the moment, in microseconds.
CHANNEL = """
const create = RTCPeerConnection.prototype.createDataChannel;
RTCPeerConnection.prototype.createDataChannel = function (...how) {
    const channel = create.apply(this, how);
    let count = 0;
    window.ours = () => {
        const text = String(Math.round((performance.timeOrigin + performance.now()) * 1000));
        const item = { id: `bench_${count++}`, type: 'message', role: 'user', content: [{ type: 'input_text', text }] };
        const data = JSON.stringify({ type: 'conversation.item.added', event_id: `event_${count}`, item });
        channel.dispatchEvent(new MessageEvent('message', { data }));
    };
    return channel;
};
"""
PLAY = """async ([runs, every]) => {
    for (let i = 0; i < runs; i++) {
        bare();
        await new Promise(next => setTimeout(next, every / 2));
        ours();
        await new Promise(next => setTimeout(next, every / 2));
    }
}"""


async def measure() -> list[Row]:
    """One notebook a kernel; the two kinds of message take turns."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        async with jupyter_lab(Path(scratch)) as lab:
            for kernel in KERNELS:
                async with chromium() as browser:
                    name = lab.write(f"{kernel}.ipynb", BARE, OURS, kernel=kernel)
                    notebook = await Notebook.open(await browser.new_page(), lab, name)
                    await notebook.page.add_script_tag(content=CHANNEL)
                    await notebook.run(0)
                    await notebook.run(1)
                    await notebook.page.get_by_test_id("start").click()
                    await notebook.page.locator("[data-testid=status][data-status=live]").wait_for()
                    await notebook.page.evaluate(PLAY, [RUNS, EVERY_MS])
                    found = json.loads(
                        await notebook.python("import json; print(json.dumps([ours_ms, bare_ms]))")
                    )
                    version = (
                        await notebook.python("import ipykernel; print(ipykernel.__version__)")
                    ).strip()
                    ours, bare = found
                    rows.append(
                        Row(
                            f"event to trait, ipykernel {version}",
                            ours,
                            "a bare custom message",
                            bare,
                            "ms",
                            1.5,
                        )
                    )
    return rows
