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
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from genmb_voice_widget.secret import Secret

from .access.app_keys import hash_key, new_key
from .access.apps import App, Apps
from .access.apps_cached import SECONDS
from .access.apps_sql import SqlApps
from .app_options import parser
from .audit import Audit, Decision
from .audit.sql import AuditSql
from .database.choice import open_database
from .ledger import Ledger
from .ledger.sql import SqlLedger
from .problems import Refusal
from .settings import SettingsError
from .settings.file import read_settings

UNTIL_HEARD = SECONDS + 1.0
"""Seconds after which no endpoint lets a revoked app start a session, requests under way included."""


class Failed(Exception):
    """Why a command did nothing, in a sentence."""


@dataclass(frozen=True)
class Desk:
    """What the commands work with."""

    apps: Apps
    ledger: Ledger
    audit: Audit
    signs: bool

    def note(self, action: str, app: str) -> None:
        """Have a change noted."""
        self.audit.record(Decision(action, "ok", app, "command"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the command line without the program's name; by default this process's own.

    Returns:
        0, 1 when the command could not do what it says, 2 when it was not understood.
    """
    options = parser().parse_args(argv)
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
    settings = read_settings(options.config, os.environ, {"access": "apps"})
    database = open_database(settings)
    desk = Desk(SqlApps(database), SqlLedger(database), AuditSql(database), settings.signing_key is not None)
    try:
        await database.ready()
        await _COMMANDS[options.command](desk, options)
    finally:
        await desk.audit.close()
        await database.close()


async def add(desk: Desk, options: argparse.Namespace) -> None:
    """Enter an app; print its key."""
    id = options.id or f"app-{secrets.token_hex(4)}"
    key = new_key(id)
    app = App(id, options.owner, options.plan, _distinct(options.origin), hash_key(key), options.tokens_only)
    if not await desk.apps.add(app):
        raise Failed(f"There is an app {id} already: genmb-voice app change {id} changes it.")
    desk.note("app_added", id)
    _say_if_no_tokens(desk, app)
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
        tokens_only=app.tokens_only if options.tokens_only is None else options.tokens_only,
    )
    if changed == app:
        raise Failed(f"That is how the app {app.id} is already.")
    if not await desk.apps.change(changed):
        raise Failed(f"The app {app.id} was revoked meanwhile.")
    desk.note("app_changed", app.id)
    _say(f"The app {app.id} is changed. It counts within seconds.")
    _say_if_no_tokens(desk, changed)
    if key:
        _say("This is its new key, the former opens nothing any more; it is not kept and not shown again:")
        _show(key)


async def revoke(desk: Desk, options: argparse.Namespace) -> None:
    """Let an app in no more, and have the endpoints end its sessions."""
    app = await _known(desk, options.id)
    if not app.revoked:
        await desk.apps.revoke(app.id)
        desk.note("app_revoked", app.id)
    _say(f"The app {app.id} is revoked: within seconds its key and tokens open nothing any more.")
    ended = await desk.ledger.close_app(app.id)
    # Endpoints that remember the app may have let it start others until now.
    await asyncio.sleep(UNTIL_HEARD)
    ended += await desk.ledger.close_app(app.id)
    _say(
        f"Its sessions that stood are hung up by the endpoints: {ended}."
        if ended
        else "None of its sessions stood."
    )


async def credit(desk: Desk, options: argparse.Namespace) -> None:
    """Give an app's owner credits."""
    app = await _found(desk, options.id)
    balance = await desk.ledger.grant(app.owner, options.credits)
    desk.note("grant", app.id)
    _say(f"{app.owner}, the owner of {app.id}, has {balance.available} credits.")


async def show(desk: Desk, options: argparse.Namespace) -> None:
    """List the apps, one a line, with tabs between; what stands where is said on standard error."""
    _say("id\towner\tplan\tcredits left\tpages ask by\torigins")
    for app in await desk.apps.all():
        left = (await desk.ledger.balance(app.owner)).available
        state = "revoked" if app.revoked else app.plan
        columns = (app.id, app.owner, state, str(left), _pages(app), " ".join(app.origins))
        print("\t".join(columns))  # noqa: T201


_COMMANDS: Mapping[str, Callable[[Desk, argparse.Namespace], Awaitable[None]]] = {
    "add": add,
    "change": change,
    "list": show,
    "credit": credit,
    "revoke": revoke,
}


async def _known(desk: Desk, id: str) -> App:
    app = await desk.apps.find(id)
    if app is None:
        raise Failed(f"There is no app {id}: genmb-voice app list shows those there are.")
    return app


async def _found(desk: Desk, id: str) -> App:
    app = await _known(desk, id)
    if app.revoked:
        raise Failed(f"The app {id} is revoked, which is for good: genmb-voice app add enters a new one.")
    return app


def _pages(app: App) -> str:
    """Tell what a page of the app's must show."""
    if not app.origins:
        return "none"
    return "token" if app.tokens_only else "origin"


def _say_if_no_tokens(desk: Desk, app: App) -> None:
    if app.tokens_only and not desk.signs:
        _say(
            "Its pages need a token, and there are none before signing_key is set (GENMB_VOICE_SIGNING_KEY)."
        )


def _distinct(origins: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(origins))


def _show(key: Secret) -> None:
    print(key.reveal(), flush=True)  # noqa: T201


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # noqa: T201
