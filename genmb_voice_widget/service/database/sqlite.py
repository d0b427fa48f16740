"""A `Database` in one SQLite file, for one machine; several processes may share the file.

One thread has the connection. It takes all the work that waits, does each in a savepoint of one transaction,
and commits once for all of them before it answers any: what was acknowledged is on the disk, and one sync of
the disk, the dearest part, serves many. It knows no table.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from genmb_voice_widget.service.outage import Outage
from genmb_voice_widget.service.problems import Refusal

from . import FOR_UPDATE, Row, T, Work, storable, unavailable
from .schema import prepare

BUSY = 1.0
"""Seconds that a transaction waits for another process's."""
_NAP = 0.01
_BATCH = 128
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",
)
_OURS = frozenset(
    {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_RANGE}
)
"""The result codes for which the statement is to blame, not file or machine (sqlite.org/rescode.html)."""


@dataclass(frozen=True)
class _Job:
    work: Work[Any]
    done: asyncio.Future[Any]


@dataclass(frozen=True)
class _Failed:
    error: BaseException


class SqliteDatabase:
    """A `Database` in the file at `path`, which is made if it is missing.

    Args:
        clock: unix seconds.
    """

    def __init__(self, path: Path | str, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._outage = Outage("the database cannot be asked", "the database can be asked again")

    async def transact(self, work: Work[T]) -> T:
        """See `Database.transact`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="sqlite", daemon=True)
            self._thread.start()
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put(_Job(work, done))
        return await done

    async def ready(self) -> None:
        """See `Database.ready`."""
        await self.transact(_look)

    async def close(self) -> None:
        """See `Database.close`."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(thread.join)

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        last = False
        while not last:
            jobs, last = _all_waiting(self._jobs)
            connection = self._commit(connection, [job for job in jobs if not job.done.cancelled()])
        if connection is not None:
            connection.close()

    def _commit(
        self, connection: sqlite3.Connection | None, jobs: Sequence[_Job]
    ) -> sqlite3.Connection | None:
        """Do the jobs in one transaction, then answer them; a connection that failed is not used again."""
        try:
            connection = connection or _patiently(self._open)
            _patiently(partial(connection.execute, "BEGIN IMMEDIATE"))
            outcomes = [self._attempt(connection, job.work) for job in jobs]
            connection.execute("COMMIT")
        except BaseException as error:
            why = error.code if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
            self._outage.failed(why)
            if connection is not None:
                with suppress(sqlite3.Error):
                    connection.close()
            _answer(jobs, [_Failed(_refusal(error)) for _ in jobs])
            return None
        self._outage.worked()
        _answer(jobs, outcomes)
        return connection

    def _attempt(self, connection: sqlite3.Connection, work: Work[Any]) -> Any:
        """Do one work in a savepoint; what fails takes back its own doing alone."""
        connection.execute("SAVEPOINT work")
        try:
            outcome = _drive(work(_SqliteTransaction(connection, self._clock())))
        except BaseException as error:
            # Where SQLite itself has taken everything back, the others' work too, this fails and so do all.
            connection.execute("ROLLBACK TO work")
            outcome = _Failed(_refusal(error) if _is_fault(error) else error)
        connection.execute("RELEASE work")
        return outcome

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=_NAP, isolation_level=None)
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            connection.execute("BEGIN IMMEDIATE")
            _drive(prepare(_SqliteTransaction(connection, self._clock()), "sqlite"))
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection


class _SqliteTransaction:
    def __init__(self, connection: sqlite3.Connection, now: float) -> None:
        self._connection = connection
        self.now = now

    async def rows(self, statement: str, *values: object) -> list[Row]:
        statement = statement.removesuffix(FOR_UPDATE)
        return self._connection.execute(statement, tuple(map(storable, values))).fetchall()


def _drive(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing to its end."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise RuntimeError("work in a transaction awaits nothing but its statements")


def _patiently(do: Callable[[], T]) -> T:
    """Do it, again and again while another process has the file, until `BUSY` is over.

    SQLite's own wait sleeps ever longer, up to 100 ms at a time, in which others are always faster.
    """
    until = time.monotonic() + BUSY
    while True:
        try:
            return do()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise


def _all_waiting(jobs: SimpleQueue[_Job | None]) -> tuple[list[_Job], bool]:
    """Wait for a job, and take those that wait behind it; and whether there will be no more."""
    found = [jobs.get()]
    with suppress(Empty):
        while found[-1] is not None and len(found) < _BATCH:
            found.append(jobs.get_nowait())
    return [job for job in found if job is not None], found[-1] is None


def _answer(jobs: Sequence[_Job], outcomes: Sequence[Any]) -> None:
    """Tell the callers; one wake of their event loop, which costs as much as a statement, is for all."""
    answers = zip((job.done for job in jobs), outcomes, strict=True)
    for loop, theirs in groupby(answers, lambda answer: answer[0].get_loop()):
        with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
            loop.call_soon_threadsafe(_settle, list(theirs))


def _settle(answers: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for done, outcome in answers:
        if done.cancelled():
            continue
        if isinstance(outcome, _Failed):
            done.set_exception(outcome.error)
        else:
            done.set_result(outcome)


async def _look(tx: _SqliteTransaction | Any) -> None:
    await tx.rows("SELECT version FROM schema_version")


def _is_fault(error: BaseException) -> bool:
    """Whether the file or the machine is to blame: full, locked, damaged, gone."""
    code = getattr(error, "sqlite_errorcode", None) if isinstance(error, sqlite3.Error) else None
    return code is not None and code & 0xFF not in _OURS


def _refusal(error: BaseException) -> Refusal:
    return error if isinstance(error, Refusal) else unavailable()
