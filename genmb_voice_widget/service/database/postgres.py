"""A `Database` in PostgreSQL (14 or newer), for several nodes.

Transactions are READ COMMITTED and lock the rows that they decide by, so that nobody waits, or has to start
again, because of somebody else's account. Whatever happens, the caller knows within `within` seconds: one
limit is on the wait for a connection, on connecting and on the work together, and a connection that is past
it is cut off. Connections are opened when they are needed: a server that is down is known at once, one that
is back is used at once, and connections that a restart has broken are thrown away. It knows no table.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache

import psycopg
from psycopg.conninfo import conninfo_to_dict

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.flights import Flights
from genmb_voice_widget.service.outage import Outage
from genmb_voice_widget.service.problems import Refusal

from . import Row, T, Work, storable, unavailable
from .schema import prepare

_CONNECTIONS = 8
_TRIES = 5
_RACES = (psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected)
_FAULTS = (
    TimeoutError,
    psycopg.OperationalError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.ReadOnlySqlTransaction,
)
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT extract(epoch FROM clock_timestamp())::float8"
_MAKING_TABLES = "SELECT pg_advisory_xact_lock(7310975286425642346)"


class PostgresDatabase:
    """A `Database` in PostgreSQL. One event loop for its whole life.

    Args:
        url: a connection URI (PostgreSQL, libpq, "Connection URIs").
        within: seconds after which a transaction is given up.

    Raises:
        ValueError: it is no such URI.
    """

    def __init__(self, url: Secret, within: float = 1.0) -> None:
        self._url = url
        self._password = _password(url)
        self._within = within
        self._places = asyncio.Semaphore(_CONNECTIONS)
        self._idle: list[psycopg.AsyncConnection] = []
        self._has_tables = False
        self._flights = Flights()
        self._outage = Outage("the database cannot be asked", "the database can be asked again")

    async def transact(self, work: Work[T]) -> T:
        """See `Database.transact`."""
        return await self._flights.finish(self._transact(work))

    async def ready(self) -> None:
        """See `Database.ready`."""
        await self.transact(lambda tx: tx.rows("SELECT version FROM schema_version"))

    async def close(self) -> None:
        """See `Database.close`."""
        await self._flights.drain()
        await self._close_idle()

    async def _transact(self, work: Work[T]) -> T:
        deadline = asyncio.get_running_loop().time() + self._within
        try:
            async with asyncio.timeout_at(deadline):
                await self._places.acquire()
            try:
                return await self._race(work, deadline)
            finally:
                self._places.release()
        except _FAULTS as error:
            self._outage.failed(self._told(error))
        raise unavailable()  # Outside of `except`: what went wrong has frames that hold the password.

    async def _race(self, work: Work[T], deadline: float) -> T:
        """Do the work; again, if others were faster, though not for ever."""
        for left in reversed(range(_TRIES)):
            try:
                return await self._once(work, deadline)
            except _RACES:
                if not left:
                    raise
        raise AssertionError

    async def _once(self, work: Work[T], deadline: float) -> T:
        connection, now = await self._begin(deadline)
        with _cut_off_at(deadline, connection):
            try:
                outcome = await work(_PostgresTransaction(connection, now))
                await _commit(connection)
            except BaseException:
                await self._roll_back(connection)
                raise
        self._outage.worked()
        self._idle.append(connection)
        return outcome

    async def _begin(self, deadline: float) -> tuple[psycopg.AsyncConnection, float]:
        """Begin on a connection that still stands, or on a new one; nothing of the work has been done yet."""
        while self._idle:
            connection = self._idle.pop()
            try:
                with _cut_off_at(deadline, connection):
                    return connection, await _begin(connection)
            except _FAULTS:
                await connection.close()
        async with asyncio.timeout_at(deadline):
            connection = await psycopg.AsyncConnection.connect(self._url.reveal(), autocommit=True)
        try:
            with _cut_off_at(deadline, connection):
                await self._prepare(connection)
                return connection, await _begin(connection)
        except BaseException:
            await connection.close()
            raise

    async def _prepare(self, connection: psycopg.AsyncConnection) -> None:
        """Let the server, too, give up what nobody waits for; and make the tables if there are none."""
        ms = int(self._within * 1000)
        names = "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"
        await connection.execute("; ".join(f"SET {name} = {ms}" for name in names).encode())
        if not self._has_tables:
            now = await _begin(connection)
            await connection.execute(_MAKING_TABLES)
            try:
                await prepare(_PostgresTransaction(connection, now), "postgres")
            except Refusal as refusal:
                self._outage.failed(refusal.code)
                raise
            await _commit(connection)
            self._has_tables = True

    async def _roll_back(self, connection: psycopg.AsyncConnection) -> None:
        try:
            await connection.execute("ROLLBACK")
        except psycopg.Error:
            await connection.close()
        else:
            self._idle.append(connection)

    async def _close_idle(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    def _told(self, error: BaseException) -> str:
        """Say what is wrong in one line without the password, in which the server has no part anyway."""
        said = f"{type(error).__name__} {' '.join(str(error).split())}".strip()
        password = self._password.reveal()
        return said.replace(password, "****") if password else said


def _password(url: Secret) -> Secret:
    """Take the password out of a URI; an empty one where there is none."""
    with suppress(psycopg.Error):
        return Secret(str(conninfo_to_dict(url.reveal()).get("password") or ""))
    raise ValueError("the database's address is no PostgreSQL connection URI")


class _PostgresTransaction:
    def __init__(self, connection: psycopg.AsyncConnection, now: float) -> None:
        self._connection = connection
        self.now = now

    async def rows(self, statement: str, *values: object) -> list[Row]:
        cursor = await self._connection.execute(_translated(statement), tuple(map(storable, values)))
        return await cursor.fetchall() if cursor.description else []


async def _begin(connection: psycopg.AsyncConnection) -> float:
    """Begin a transaction, and tell the server's time; in one round trip."""
    cursor = await connection.execute(_BEGIN, prepare=False)
    cursor.nextset()
    [(now,)] = await cursor.fetchall()
    return float(now)


async def _commit(connection: psycopg.AsyncConnection) -> None:
    cursor = await connection.execute("COMMIT")
    if cursor.statusmessage != "COMMIT":  # After a failed statement, COMMIT rolls back and is no error.
        raise RuntimeError("work in a transaction went on after a statement that had failed")


@contextmanager
def _cut_off_at(deadline: float, connection: psycopg.AsyncConnection) -> Iterator[None]:
    """End the connection's traffic then, so that whoever waits for the server is told that it is gone."""

    def cut() -> None:
        with suppress(OSError, psycopg.Error):
            twin = socket.fromfd(connection.fileno(), socket.AF_INET, socket.SOCK_STREAM)
            with twin:
                twin.shutdown(socket.SHUT_RDWR)

    timer = asyncio.get_running_loop().call_at(deadline, cut)
    try:
        yield
    finally:
        timer.cancel()


@lru_cache(maxsize=512)
def _translated(statement: str) -> bytes:
    return statement.replace("%", "%%").replace("?", "%s").encode()
