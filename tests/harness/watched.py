"""An endpoint with apps, Redis, a database and every provider, whose every secret is a canary, set up as an operator does."""

import asyncio
import contextlib
import io
import os
import re
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import harness.upstream
import psycopg
import redis
from harness.canaries import Net
from harness.lab import ROOT
from harness.postgres import PASSWORD, PostgresServer
from harness.redis_server import RedisServer, redis_server
from harness.upstream import (
    AZURE_KEY,
    DEPLOYMENT,
    ENDPOINT,
    ENTRA_SECRET,
    ENTRA_TOKEN,
    LOGIN,
    OPENAI,
    OPENAI_KEY,
    RESOURCE,
    Cloud,
    certificates,
)
from pytest import MonkeyPatch

from genmb_voice_widget.service import app_command

T = TypeVar("T")
PAGE = "https://shop.example"
PLANS = {"shop": "business", "azure": "business", "entra": "business", "openai": "business", "busy": "business",
         "full": "pro", "poor": "pro", "free": "free", "gone": "pro", "stumble": "business"}  # fmt: skip
MODELS = ("gpt-realtime-1.5", "gpt-realtime-mini")
SETTINGS = """
access = "apps"
signing_key = "{signing}"
metrics_key = "{metrics}"
site_hook = "owners_site:who"
hand_out_secrets = true
drain_seconds = 4
[providers.azure]
endpoint = "{endpoint}"
key = "{azure}"
deployment = "{deployment}"
[providers.entra]
[providers.openai]
model = "gpt-realtime-1.5"
"""
SITE = """
import logging
def who(headers, cookies):
    if "planted" in cookies:
        logging.getLogger("owners_site").debug("is signed in: %s", cookies["planted"])
    if "broken" in cookies:
        raise ValueError(f"{headers} {cookies}")
    shown = cookies.get("sid"), headers.get("authorization")
    return "shop" if shown[0] == "COOKIE" or shown[1] == "Bearer HEADER" else None
"""
"""The owner's function: it gives away what the cookie `planted` holds, so that there is a leak to be found."""


@dataclass
class Watched:
    """The running program, what is around it, and the net."""

    net: Net
    cloud: Cloud
    redis: RedisServer
    process: asyncio.subprocess.Process
    folder: Path
    database: str
    keys: dict[str, str]
    own: dict[str, str]
    postgres: PostgresServer | None
    url: str = ""

    def output(self) -> str:
        """What it has written to its standard output and error."""
        return (self.folder / "output").read_text()

    def noted(self) -> str:
        """What it has shown of its log and of its objects."""
        return (self.folder / "watched.jsonl").read_text()

    @contextlib.contextmanager
    def database_gone(self) -> Iterator[None]:
        """Have the database not answer: PostgreSQL is stopped, SQLite's file is held by somebody else."""
        if self.postgres is not None:
            self.postgres.stop("immediate")
            yield
            self.postgres.start()
            return
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield

    def rows(self, statement: str, *values: object) -> list[dict]:
        """Ask the database, beside the program."""
        if self.postgres is not None:
            with psycopg.connect(self.database) as connection:
                return _rows(connection.execute(statement.replace("?", "%s"), values))
        with contextlib.closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            return _rows(connection.execute(statement, values))

    def tables(self) -> dict[str, list[dict]]:
        """Every row of every table."""
        lists = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        if self.postgres is not None:
            lists = "SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()"
        return {row["name"]: self.rows(f"SELECT * FROM {row['name']}") for row in self.rows(lists)}

    def look_beside(self) -> None:
        """Take what is in Redis, the command lines, and what the local peer was given."""
        with redis.Redis.from_url(self.redis.url) as client:
            self.net.catch("redis", *((key, client.zrange(key, 0, -1)) for key in client.scan_iter()))
        of = Path(f"/proc/{self.process.pid}")
        self.net.catch("command line", (of / "cmdline").read_text())
        for task in (of / "task").iterdir():
            for child in (task / "children").read_text().split():
                given = Path(f"/proc/{child}/environ").read_bytes().decode().split("\0")
                own = [each for each in given if each.startswith("GENMB_VOICE_PEER_SECRET=")]
                self.net.know("peer's own secret", own[0].partition("=")[2])
                self.net.catch("peer", *(each for each in given if each not in own))
                self.net.catch("peer", Path(f"/proc/{child}/cmdline").read_text())


def _rows(cursor: sqlite3.Cursor | psycopg.Cursor) -> list[dict]:
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []


def _write_files(net: Net, folder: Path) -> dict[str, str]:
    """Write the settings and, beside them, the owner's function; returns the secrets in them."""
    for name, value in (
        ("azure key", AZURE_KEY), ("openai key", OPENAI_KEY), ("entra token", ENTRA_TOKEN),
        ("entra secret", ENTRA_SECRET), ("azure resource", RESOURCE), ("database password", PASSWORD),
    ):  # fmt: skip
        net.know(name, value)
    own = {name: net.make(name) for name in ("signing key", "metrics key", "cookie", "sites header")}
    filled = {"endpoint": ENDPOINT, "azure": AZURE_KEY, "deployment": DEPLOYMENT}
    keys = {"signing": own["signing key"], "metrics": own["metrics key"]}
    (folder / "voice.toml").write_text(SETTINGS.format(**filled, **keys))
    site = SITE.replace("COOKIE", own["cookie"]).replace("HEADER", own["sites header"])
    (folder / "owners_site.py").write_text(site)
    return own


def _enter_apps(net: Net, environ: dict[str, str], patch: MonkeyPatch) -> dict[str, str]:
    """Enter the apps by the operator's command; returns their keys."""
    keys = {}

    def run(*words: str) -> str:
        with (
            contextlib.redirect_stdout(io.StringIO()) as out,
            contextlib.redirect_stderr(io.StringIO()) as err,
        ):
            assert app_command.main(words) == 0, err.getvalue()
        net.catch("output of genmb-voice app add" if words[0] == "add" else "output", out.getvalue())
        net.catch("output", err.getvalue())
        return out.getvalue().strip()

    with patch.context() as patched:
        for name in ("GENMB_VOICE_ACCESS", "GENMB_VOICE_DATABASE"):
            patched.setenv(name, environ[name])
        for app, plan in PLANS.items():
            keys[app] = net.know(
                "app key", run("add", app, "--owner", f"owner-{app}", "--plan", plan, "--origin", PAGE)
            )
            if app not in ("poor", "free"):
                run("credit", app, "500")
        run("revoke", "gone")
        run("list")
        run("change", "busy", "--plan", "business", "--origin", "https://busy.example")
    return keys


@asynccontextmanager
async def watched(
    net: Net, folder: Path, first: str, postgres: PostgresServer | None, patch: MonkeyPatch
) -> AsyncIterator[Watched]:
    """Run the program, with this provider for those who name none; without PostgreSQL on SQLite."""
    private = folder / net.make("path of the database")
    private.mkdir()
    own = _write_files(net, folder)
    patch.setattr(harness.upstream, "ANSWER", f"v=0\r\ns=-\r\na=ice-pwd:{net.make('answer')}\r\n")
    tls, trusted = certificates(folder, RESOURCE, OPENAI, LOGIN)
    order = [first, *sorted({"azure", "entra", "openai", "local", "faulty"} - {first})]
    with redis_server(folder, password=net.make("redis password")) as window:
        environ = {
            "GENMB_VOICE_ACCESS": "apps",
            "GENMB_VOICE_DATABASE": postgres.database() if postgres else str(private / "voice.db"),
            "GENMB_VOICE_REDIS": window.url,
            "GENMB_VOICE_PROVIDERS": ",".join(order),
            "GENMB_VOICE_OPENAI_KEY": OPENAI_KEY,
            "SSL_CERT_FILE": str(trusted),
            "WATCHED": str(folder / "watched.jsonl"),
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        }
        keys = await asyncio.to_thread(_enter_apps, net, environ, patch)
        async with Cloud(deployments={DEPLOYMENT, *MODELS}).listening(tls) as cloud:
            command = ["-m", "harness.watched_program", "--config", "voice.toml", "--port", "0"]
            with (folder / "output").open("w") as output:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *command,
                    cwd=folder,
                    env=os.environ | environ | {"CLOUD": str(cloud.port)},
                    stdout=output,
                    stderr=output,
                )
            try:
                made = Watched(
                    net, cloud, window, process, folder, environ["GENMB_VOICE_DATABASE"], keys, own, postgres
                )
                found = await until(lambda: re.search(r"running on (\S+)", made.output()))
                made.url = found[1]
                yield made
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


async def until(condition: Callable[[], T | None], seconds: float = 15.0) -> T:
    """Wait for a condition, and return what it gave."""
    async with asyncio.timeout(seconds):
        while not (found := condition()):
            await asyncio.sleep(0.02)
    return found
