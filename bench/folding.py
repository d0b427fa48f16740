"""What an event costs to fold with 10,000 turns in the conversation, beside what it costs with 100; both languages."""

import json
import subprocess
import tempfile
import time
from pathlib import Path

from bundle import bundle_for_node
from report import Row
from talk import conversation

from genmb_voice_widget.protocol import Envelope
from genmb_voice_widget.state import State

SMALL, LARGE = 100, 10_000
MEASURED_TURNS = 100
RUNS = 7


def python_us(envelopes: list[Envelope], before: int) -> list[float]:
    """Microseconds an event, over the last MEASURED_TURNS turns of the conversation."""
    found = []
    for _ in range(RUNS):
        state = State()
        for envelope in envelopes[:before]:
            state.apply(envelope)
        began = time.perf_counter()
        for envelope in envelopes[before:]:
            state.apply(envelope)
        found.append((time.perf_counter() - began) / (len(envelopes) - before) * 1e6)
    return found


def typescript_us(log: Path, before: int, folder: Path) -> list[float]:
    """The same in Node."""
    bundle = folder / "folding.mjs"
    bundle_for_node(Path(__file__).with_suffix(".ts"), bundle)
    done = subprocess.run(
        ["node", bundle, log, str(before), str(RUNS)], capture_output=True, text=True, check=True
    )
    return [float(value) for value in json.loads(done.stdout)]


def measure() -> list[Row]:
    """The floor is the cost at 100 turns; a flat cost is a ratio of 1."""
    python, typescript = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for turns in (SMALL, LARGE):
            events = conversation(turns + MEASURED_TURNS)
            before = len(conversation(turns))
            log = Path(scratch) / f"{turns}.json"
            log.write_text(json.dumps(events))
            python[turns] = python_us([Envelope.from_json(event) for event in events], before)
            typescript[turns] = typescript_us(log, before, Path(scratch))
    name = f"fold an event at {LARGE:,} turns"
    return [
        Row(f"{name}, Python", python[LARGE], f"at {SMALL} turns", python[SMALL], "µs"),
        Row(f"{name}, TypeScript", typescript[LARGE], f"at {SMALL} turns", typescript[SMALL], "µs"),
    ]
