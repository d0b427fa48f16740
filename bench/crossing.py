"""How many messages and bytes cross from page to kernel in 1,000 spoken turns, beside one message for each event."""

import json
import subprocess
import tempfile
from pathlib import Path

from bundle import bundle_for_node
from report import Row
from talk import SPOKEN_TURN_MS, conversation

TURNS = 1_000
HEADERS = 540
"""Bytes of a comm message besides its content, as measured on the wire between JupyterLab and a kernel."""


def measure() -> list[Row]:
    """The real outbox of the front end, run on a clock of its own."""
    events = conversation(TURNS)
    seconds = TURNS * SPOKEN_TURN_MS / 1000
    with tempfile.TemporaryDirectory() as scratch:
        log, bundle = Path(scratch) / "log.json", Path(scratch) / "crossing.mjs"
        log.write_text(json.dumps(events))
        bundle_for_node(Path(__file__).with_suffix(".ts"), bundle)
        done = subprocess.run(["node", bundle, log], capture_output=True, text=True, check=True)
    sent = json.loads(done.stdout)
    ours = sent["bytes"] + HEADERS * sent["messages"]
    single = sum(len(json.dumps(event)) for event in events) + HEADERS * len(events)
    against = "a message for each event"
    return [
        Row(
            f"page to kernel, {TURNS:,} turns",
            [sent["messages"] / seconds],
            against,
            [len(events) / seconds],
            "messages/s",
        ),
        Row(
            f"page to kernel, {TURNS:,} turns",
            [ours / seconds / 1000],
            against,
            [single / seconds / 1000],
            "kB/s",
        ),
    ]
