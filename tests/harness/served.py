"""The endpoint as the program that an operator runs, with apps of its own: `genmb-voice serve`, `genmb-voice app`."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from harness.lab import ROOT

CLI = "import sys; from genmb_voice_widget.cli import main; sys.exit(main(sys.argv[1:]))"


def run_app_command(environ: Mapping[str, str], *words: str) -> str:
    """Run `genmb-voice app …`; returns what it printed: an app's key, when one was added."""
    command = [sys.executable, "-c", CLI, "app", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@contextmanager
def served(environ: Mapping[str, str], *options: str) -> Iterator[str]:
    """Run `genmb-voice serve` on a free port; gives its address."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLI, "serve", "--port", "0", *options],
        cwd=ROOT,
        env=os.environ | environ,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = ""
        for line in process.stderr:
            said += line
            if "running on " in line:
                yield line.partition("running on ")[2].split()[0]
                return
        raise AssertionError(said)
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
