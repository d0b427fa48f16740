"""The command `genmb-voice`: hands the arguments to the program that is meant.

It must not know the programs' options.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

PROGRAMS = {
    "peer": ("peer.__main__", "the local realtime peer: a voice service on this computer, without a key"),
    "serve": ("service.serve", "the token endpoint, for pages and notebooks of others"),
    "app": ("service.app_command", "the apps that may ask the token endpoint, and their owners' credits"),
    "say": ("say", "a WAV file of a spoken sentence"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one of the programs.

    Args:
        argv: the program's name and its arguments; by default the command line's.

    Returns:
        The exit status.
    """
    name, *rest = [*(sys.argv[1:] if argv is None else argv)] or ["--help"]
    if name in ("-h", "--help"):
        print(_usage())
        return 0
    if name == "--version":
        from importlib.metadata import version

        print(f"genmb-voice {version('genmb-voice-widget')}")
        return 0
    if name not in PROGRAMS:
        print(f"genmb-voice: there is no {name!r}\n\n{_usage()}", file=sys.stderr)
        return 2
    module = import_module(f"{__package__}.{PROGRAMS[name][0]}")
    return int(module.main(rest) or 0)


def _usage() -> str:
    lines = [f"  genmb-voice {name:<6} {about}" for name, (_, about) in PROGRAMS.items()]
    return "\n".join(["usage: genmb-voice PROGRAM [--help] …", "       genmb-voice --version", "", *lines])
