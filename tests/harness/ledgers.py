"""The ledgers, each with a clock that is set by hand, to be held to the same page; and wishes to ask them for."""

from dataclasses import replace
from pathlib import Path

import psycopg
from harness.postgres import PostgresServer

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.database import Database
from genmb_voice_widget.service.database.postgres import PostgresDatabase
from genmb_voice_widget.service.database.sqlite import SqliteDatabase
from genmb_voice_widget.service.ledger import Entry, Ledger, Wish
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.ledger.sql import SqlLedger

BEGINNING = 1_000_000.0
PATIENT = 20.0
"""Seconds within which PostgreSQL may be slow here, on a machine that others use; what is soon has its own tests."""

WISH = Wish("s", "app", "owner", "here", "webrtc", 5, within=45.0)

_CLOCK = f"""
CREATE TABLE test_clock (at float8 NOT NULL);
INSERT INTO test_clock VALUES ({BEGINNING});
CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT to_timestamp(at) FROM test_clock';
"""


def wish(session: str = "s", **other) -> Wish:
    return replace(WISH, session=session, **other)


class Book:
    """One ledger, its clock, and what it has written down."""

    def __init__(self) -> None:
        self.now = BEGINNING
        self.ledger: Ledger = self.open()

    def open(self) -> Ledger:
        """Open what is kept, as a new process would."""
        raise NotImplementedError

    def advance(self, seconds: float) -> None:
        self.now += seconds

    async def entries(self) -> list[Entry]:
        """Every entry, oldest first."""
        raise NotImplementedError

    async def kinds(self, session: str = "s") -> list[str]:
        return [entry.kind for entry in await self.entries() if entry.session == session]

    async def close(self) -> None:
        await self.ledger.close()


class MemoryBook(Book):
    def open(self) -> Ledger:
        return MemoryLedger(lambda: self.now, 0)

    async def entries(self) -> list[Entry]:
        return list(self.ledger.entries)


class SqlBook(Book):
    database: Database

    def open(self) -> Ledger:
        self.database = self.connect()
        return SqlLedger(self.database)

    def connect(self) -> Database:
        raise NotImplementedError

    async def reopen(self) -> None:
        """Close it, and open it again."""
        await self.close()
        self.ledger = self.open()

    async def rows(self, statement: str, *values: object) -> list[tuple]:
        return await self.database.transact(lambda tx: tx.rows(statement, *values))

    async def entries(self) -> list[Entry]:
        rows = await self.rows("SELECT kind, session, app, owner, credits, at FROM entries ORDER BY id")
        return [Entry(*row) for row in rows]


class SqliteBook(SqlBook):
    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__()

    def connect(self) -> Database:
        return SqliteDatabase(self.path, lambda: self.now)


class PostgresBook(SqlBook):
    """Its server's clock is one of its own: functions are looked for here before they are in the catalogue."""

    def __init__(self, server: PostgresServer) -> None:
        self.url = server.database()
        self._hand = psycopg.connect(self.url, autocommit=True)
        self._hand.execute(_CLOCK)
        super().__init__()

    def connect(self) -> Database:
        return PostgresDatabase(Secret(self.url), within=PATIENT)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._hand.execute("UPDATE test_clock SET at = %s", (self.now,))

    async def close(self) -> None:
        await super().close()
        self._hand.close()

    async def reopen(self) -> None:
        await super().close()
        self.ledger = self.open()
