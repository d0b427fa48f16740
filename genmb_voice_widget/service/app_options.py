"""The command line of `genmb-voice app`: which commands there are, and how what follows them is read."""

from __future__ import annotations

import argparse
from pathlib import Path

from .access.app_keys import APP_ID
from .policy import PLANS
from .settings import values as read


def parser() -> argparse.ArgumentParser:
    """Make the parser; it leaves the command's name in `command`."""
    made = argparse.ArgumentParser(prog="genmb-voice app", description="Manage the apps of a token endpoint.")
    commands = made.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, about: str) -> argparse.ArgumentParser:
        one = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        one.add_argument("--config", type=Path, metavar="FILE", help="the endpoint's TOML file with settings")
        one.set_defaults(command=name)
        return one

    pages = "a web origin, as https://app.example, whose pages may ask for the app; repeat for several"
    added = command("add", "enter an app and print its key")
    added.add_argument("id", nargs="?", type=read.option(_id), help="what the app is called (made up)")
    added.add_argument("--owner", required=True, type=read.option(read.text), help="whose credits it spends")
    added.add_argument("--plan", required=True, choices=list(PLANS), help="what it may do")
    _add_origins(added, "--origin", pages)
    shown = "its pages must show a token that its server had made; by default their origin is enough"
    added.add_argument("--tokens-only", action="store_true", help=shown)
    changed = command("change", "give an app another plan, other origins or another key")
    changed.add_argument("id", type=read.option(_id))
    changed.add_argument("--plan", choices=list(PLANS), help="what it may do")
    _add_origins(changed, "--origin", pages)
    _add_origins(changed, "--without-origin", "a web origin whose pages may ask no more; repeat for several")
    changed.add_argument("--tokens-only", action=argparse.BooleanOptionalAction, help=shown)
    changed.add_argument("--new-key", action="store_true", help="print another key; the former opens nothing")
    command("list", "list the apps")
    credited = command("credit", "give an app's owner credits")
    credited.add_argument("id", type=read.option(_id))
    credited.add_argument("credits", type=read.option(_credits), help="how many, a whole number")
    command("revoke", "let an app in no more").add_argument("id", type=read.option(_id))
    return made


def _add_origins(parser: argparse.ArgumentParser, option: str, about: str) -> None:
    parser.add_argument(
        option, action="append", default=[], type=read.option(read.origin), metavar="ORIGIN", help=about
    )


def _id(text: str) -> str:
    if not APP_ID.fullmatch(text):
        raise ValueError("must be an app's id: small letters, digits and hyphens, at most 40")
    return text


def _credits(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 1_000_000_000):
        raise ValueError("must be credits, a whole number from 1 to 1000000000")
    return int(text)
