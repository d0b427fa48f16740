"""Gzipped size of our front end, beside what others' clients weigh when bundled the same way."""

import gzip
import subprocess
from pathlib import Path

from report import Row

ROOT = Path(__file__).resolve().parents[1]
INTEROP = ROOT / "tests" / "interop"
OTHERS = {
    "agents-realtime, transport only": 'export { OpenAIRealtimeWebRTC } from "@openai/agents-realtime";',
    "agents-realtime, session": 'export { RealtimeAgent, RealtimeSession } from "@openai/agents-realtime";',
    "livekit-client, Room": 'export { Room } from "livekit-client";',
}


def gzipped_kb(data: bytes) -> float:
    """Kilobytes of 1,000."""
    return len(gzip.compress(data, 9)) / 1000


def bundled_kb(source: str) -> float:
    """A one-line program, bundled and minified as our own front end is."""
    esbuild = INTEROP / "node_modules" / ".bin" / "esbuild"
    command = [esbuild, "--bundle", "--minify", "--format=esm", "--target=es2022", "--log-level=error"]
    done = subprocess.run(command, cwd=INTEROP, input=source.encode(), capture_output=True, check=True)
    return gzipped_kb(done.stdout)


def measure() -> list[Row]:
    """Ours with its style sheet, since both are needed."""
    static = ROOT / "genmb_voice_widget" / "static"
    ours = gzipped_kb((static / "widget.js").read_bytes()) + gzipped_kb((static / "widget.css").read_bytes())
    rows = [Row("front end, gzip", [ours], "the aim of 45 kB", [45.0], "kB", 1.0)]
    return rows + [
        Row("front end, gzip", [ours], name, [bundled_kb(source)], "kB") for name, source in OTHERS.items()
    ]
