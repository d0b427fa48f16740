"""What a session's start costs the endpoint, beside a bare route and the sample that guides show, all in one run.

Each is a process of its own, as are the voice service's stand-in and the load. The endpoint does everything that
it does for an operator: apps with keys, a SQLite file that is synced, a real Redis, the audit, the counts.
"""

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.redis_server import RedisServer, redis_server
from report import Row

from genmb_voice_widget.service.access.app_keys import hash_key, new_key
from genmb_voice_widget.service.access.apps import App
from genmb_voice_widget.service.access.apps_sql import SqlApps
from genmb_voice_widget.service.database.sqlite import SqliteDatabase
from genmb_voice_widget.service.ledger.sql import SqlLedger

HERE = Path(__file__).parent
Process = subprocess.Popen[str]
LOAD = HERE / "endpoint_load.py"
ROUNDS = 5
SECONDS = 1.5
CLIENTS = (1, 16, 64)
DELAY = 0.15
APPS = 800
"""Each may start 20 sessions: more than the load asks for."""


@dataclass(frozen=True)
class Case:
    """A server under a load: its numbers, round by round."""

    rounds: list[dict[str, float]]

    def __getitem__(self, name: str) -> list[float]:
        return [each[name] for each in self.rounds]

    @property
    def errors(self) -> str:
        """How many requests failed, of how many."""
        return f"{sum(self['errors']):,.0f} errors of {sum(self['requests']):,.0f}"


async def enter_apps(path: Path) -> list[str]:
    """Fill a database with apps that have credits, and return their keys."""
    database = SqliteDatabase(path)
    apps, ledger = SqlApps(database), SqlLedger(database)
    keys = {f"app-{number}": new_key(f"app-{number}") for number in range(APPS)}
    await asyncio.gather(*(apps.add(App(id, id, "business", (), hash_key(key))) for id, key in keys.items()))
    await asyncio.gather(*(ledger.grant(id, 1000) for id in keys))
    await database.close()
    return [key.reveal() for key in keys.values()]


class Range:
    """Where all is measured: a scratch folder with a database full of apps, and a Redis."""

    def __init__(self, folder: Path, redis: RedisServer) -> None:
        self.folder = folder
        self.redis = redis
        self._count = itertools.count()
        keys = asyncio.run(enter_apps(folder / "apps.db"))
        (folder / "keys").write_text("\n".join(keys))

    def direct(self, clients: int, delay: float) -> Case:
        """Load the voice service's stand-in itself: what the load and the stand-in take is in every number."""
        with upstream(delay) as (port, process):
            return self._load(f"http://127.0.0.1:{port}/v1/realtime/calls", process, clients)

    def measure(self, what: str, clients: int, delay: float = 0.0) -> Case:
        """Start the server anew, with a new account and an empty window, and load it."""
        print(f"  {what}, {clients} clients, {delay * 1000:.0f} ms …", file=sys.stderr)
        database = self.folder / f"{next(self._count)}.db"
        shutil.copy(self.folder / "apps.db", database)
        self.redis.ask("FLUSHALL")
        environ = {
            "GENMB_VOICE_ACCESS": "apps",
            "GENMB_VOICE_DATABASE": str(database),
            "GENMB_VOICE_REDIS": self.redis.url,
            "GENMB_VOICE_METRICS_KEY": "bench",
            "GENMB_VOICE_PROVIDERS": "standin",
        }
        with upstream(delay) as (port, _), served(what, port, environ) as (url, process):
            return self._load(url, process, clients)

    def _load(self, url: str, process: Process, clients: int) -> Case:
        words = [self.folder / "keys", url, process.pid, clients, ROUNDS, SECONDS]
        load = [sys.executable, LOAD, *map(str, words)]
        return Case(json.loads(subprocess.run(load, check=True, stdout=subprocess.PIPE, text=True).stdout))


@contextmanager
def upstream(delay: float) -> Iterator[tuple[str, Process]]:
    """Run the voice service's stand-in; yields its port and the process."""
    words = [sys.executable, HERE / "endpoint_upstream.py", str(delay)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().strip(), process
        process.stdin.close()


@contextmanager
def served(what: str, port: str, environ: Mapping[str, str]) -> Iterator[tuple[str, Process]]:
    """Run what is measured; yields the address that is asked and the process."""
    words = [sys.executable, HERE / "endpoint_served.py", what, port]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=os.environ | environ)
    said = ""
    try:
        for line in process.stderr:
            said += line
            if "running on " in line:
                break
        else:
            raise RuntimeError(said)
        yield line.partition("running on ")[2].split()[0] + "/v1/sessions", process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def measure() -> list[Row]:
    """Every load on the endpoint; the bare route and the sample under the same."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        redis_server(Path(scratch), "--appendonly", "yes") as redis,
    ):
        range_ = Range(Path(scratch), redis)
        bare = {clients: range_.measure("bare", clients) for clients in CLIENTS}
        full = {clients: range_.measure("full", clients) for clients in CLIENTS}
        direct = {clients: range_.direct(clients, DELAY) for clients in CLIENTS}
        slow = {clients: range_.measure("full", clients, DELAY) for clients in CLIENTS}
        watched = range_.measure("watched", 16)
        sample = range_.measure("sample", 16)
        crowd = range_.measure("sample", 64, DELAY)
    return [*_at_once(bare, full), *_beside(full, watched, sample), *_delayed(slow, direct, crowd)]


def _at_once(bare: dict[int, Case], full: dict[int, Case]) -> Iterator[Row]:
    for clients, case in full.items():
        what = f"start a session, {clients} at a time, {case.errors}"
        yield Row(f"{what}: CPU of the endpoint", case["cpu"], "the aim of 700 µs", [700], "µs", 1)
        yield Row(f"{what}: CPU of the endpoint", case["cpu"], "a bare route", bare[clients]["cpu"], "µs")
        yield Row(f"{what}: throughput", case["rate"], "a bare route", bare[clients]["rate"], "/s")
    yield Row("start a session, 1 at a time: p50", full[1]["p50"], "the aim of 5 ms", [5], "ms", 1)


def _beside(full: dict[int, Case], watched: Case, sample: Case) -> Iterator[Row]:
    what = f"start a session, 16 at a time, against {sample.errors}"
    against = "a new client for each request"
    yield Row(f"{what}: CPU", full[16]["cpu"], against, sample["cpu"], "µs")
    yield Row(f"{what}: throughput", full[16]["rate"], against, sample["rate"], "/s")
    what = f"… and have the service prove it, 16 at a time, {watched.errors}: CPU"
    yield Row(what, watched["cpu"], "the caller's word alone", full[16]["cpu"], "µs")


def _delayed(slow: dict[int, Case], direct: dict[int, Case], crowd: Case) -> Iterator[Row]:
    for clients, case in slow.items():
        what = f"start a session, the service answers after 150 ms, {clients} at a time, {case.errors}"
        yield Row(f"{what}: p50", case["p50"], "the service itself", direct[clients]["p50"], "ms")
        yield Row(f"{what}: throughput", case["rate"], "the service itself", direct[clients]["rate"], "/s")
    most, at = slow[CLIENTS[-1]], "150 ms × 64 clients"
    yield Row(f"{at}: throughput", most["rate"], "the aim of 300", [300], "/s", 1, at_least=True)
    yield Row(f"{at}: p99", most["p99"], "the aim of 350 ms", [350], "ms", 1)
    against = f"a new client for each request, {crowd.errors}"
    yield Row(f"{at}: throughput", most["rate"], against, crowd["rate"], "/s")
    yield Row(f"{at}: p99", most["p99"], against, crowd["p99"], "ms")
