"""`genmb-voice app`: enters, lists, changes and revokes apps, and gives their owners credits.

It works on the database of the same settings as the endpoint, beside endpoints that run: what it changes
counts there within seconds. An app's key is printed once, alone on standard output; everything else is said
on standard error. Each change is one row of the audit.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from genmb_voice_widget.secret import Secret

from .access.app_keys import APP_ID, hash_key, new_key
from .access.apps import App, Apps
from .access.apps_sql import SqlApps
from .audit import Audit, Decision
from .audit.sql import AuditSql
from .database.choice import open_database
from .ledger import Ledger
from .ledger.sql import SqlLedger
from .policy import PLANS
from .problems import Refusal
from .settings import SettingsError
from .settings import values as read
from .settings.file import read_settings


class Failed(Exception):
    """Why a command did nothing, in a sentence."""


@dataclass(frozen=True)
class Desk:
    """What the commands work with."""

    apps: Apps
    ledger: Ledger
    audit: Audit

    def note(self, action: str, app: str) -> None:
        """Have a change noted."""
        self.audit.record(Decision(action, "ok", app, "command"))


Command = Callable[[Desk, argparse.Namespace], Awaitable[None]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the command line without the program's name; by default this process's own.

    Returns:
        0, 1 when the command could not do what it says, 2 when it was not understood.
    """
    options = _parser().parse_args(argv)
    try:
        asyncio.run(_run(options))
    except SettingsError as error:
        for sentence in error.sentences:
            _say(sentence)
        return 2
    except Failed as error:
        _say(str(error))
        return 1
    except Refusal as refusal:
        _say(refusal.detail)
        return 1
    return 0


async def _run(options: argparse.Namespace) -> None:
    database = open_database(read_settings(options.config, os.environ, {"access": "apps"}))
    desk = Desk(SqlApps(database), SqlLedger(database), AuditSql(database))
    try:
        await database.ready()
        await options.run(desk, options)
    finally:
        await desk.audit.close()
        await database.close()


async def add(desk: Desk, options: argparse.Namespace) -> None:
    """Enter an app; print its key."""
    id = options.id or f"app-{secrets.token_hex(4)}"
    key = new_key(id)
    app = App(id, options.owner, options.plan, _distinct(options.origin), hash_key(key))
    if not await desk.apps.add(app):
        raise Failed(f"There is an app {id} already: genmb-voice app change {id} changes it.")
    desk.note("app_added", id)
    _say(f"The app {id} is entered. This is its key; it is not kept and not shown again:")
    _show(key)


async def change(desk: Desk, options: argparse.Namespace) -> None:
    """Give an app another plan, other origins or another key."""
    app = await _found(desk, options.id)
    origins = [origin for origin in app.origins if origin not in options.without_origin]
    key = new_key(app.id) if options.new_key else None
    changed = replace(
        app,
        plan=options.plan or app.plan,
        origins=_distinct([*origins, *options.origin]),
        key_hash=hash_key(key) if key else app.key_hash,
    )
    if changed == app:
        raise Failed(f"That is how the app {app.id} is already.")
    if not await desk.apps.change(changed):
        raise Failed(f"The app {app.id} was revoked meanwhile.")
    desk.note("app_changed", app.id)
    _say(f"The app {app.id} is changed. It counts within seconds.")
    if key:
        _say("This is its new key, the former opens nothing any more; it is not kept and not shown again:")
        _show(key)


async def revoke(desk: Desk, options: argparse.Namespace) -> None:
    """Let an app in no more."""
    await _found(desk, options.id)
    await desk.apps.revoke(options.id)
    desk.note("app_revoked", options.id)
    _say(f"The app {options.id} is revoked: within seconds its key and tokens open nothing any more.")


async def credit(desk: Desk, options: argparse.Namespace) -> None:
    """Give an app's owner credits."""
    app = await _found(desk, options.id)
    balance = await desk.ledger.grant(app.owner, options.credits)
    desk.note("grant", app.id)
    _say(f"{app.owner}, the owner of {app.id}, has {balance.available} credits.")


async def show(desk: Desk, options: argparse.Namespace) -> None:
    """List the apps: id, owner, plan, credits that are left, origins; one a line, with tabs between."""
    for app in await desk.apps.all():
        left = (await desk.ledger.balance(app.owner)).available
        state = "revoked" if app.revoked else app.plan
        columns = (app.id, app.owner, state, str(left), " ".join(app.origins))
        print("\t".join(columns))  # noqa: T201


async def _found(desk: Desk, id: str) -> App:
    app = await desk.apps.find(id)
    if app is None:
        raise Failed(f"There is no app {id}: genmb-voice app list shows those there are.")
    if app.revoked:
        raise Failed(f"The app {id} is revoked, which is for good: genmb-voice app add enters a new one.")
    return app


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="genmb-voice app", description="Manage the apps of a token endpoint."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Command, about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about[0].upper() + about[1:] + ".")
        made.add_argument(
            "--config", type=Path, metavar="FILE", help="the endpoint's TOML file with settings"
        )
        made.set_defaults(run=run)
        return made

    pages = "a web origin, as https://app.example, whose pages may ask for the app; repeat for several"
    added = command("add", add, "enter an app and print its key")
    added.add_argument("id", nargs="?", type=read.option(_id), help="what the app is called (made up)")
    added.add_argument("--owner", required=True, type=read.option(read.text), help="whose credits it spends")
    added.add_argument("--plan", required=True, choices=list(PLANS), help="what it may do")
    _add_origins(added, "--origin", pages)
    changed = command("change", change, "give an app another plan, other origins or another key")
    changed.add_argument("id", type=read.option(_id))
    changed.add_argument("--plan", choices=list(PLANS), help="what it may do")
    _add_origins(changed, "--origin", pages)
    _add_origins(changed, "--without-origin", "a web origin whose pages may ask no more; repeat for several")
    changed.add_argument("--new-key", action="store_true", help="print another key; the former opens nothing")
    command("list", show, "list the apps")
    credited = command("credit", credit, "give an app's owner credits")
    credited.add_argument("id", type=read.option(_id))
    credited.add_argument("credits", type=read.option(_credits), help="how many, a whole number")
    command("revoke", revoke, "let an app in no more").add_argument("id", type=read.option(_id))
    return parser


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


def _distinct(origins: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(origins))


def _show(key: Secret) -> None:
    print(key.reveal(), flush=True)  # noqa: T201


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # noqa: T201
