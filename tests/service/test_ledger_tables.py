"""What the tables themselves refuse, whoever writes to them, and how they come to be; in both databases."""

import asyncio
import sqlite3

import psycopg
import pytest
from harness.ledgers import PostgresBook, SqliteBook, wish

from genmb_voice_widget.service.database.schema import VERSION
from genmb_voice_widget.service.ledger import Balance
from genmb_voice_widget.service.problems import Refusal

pytest_plugins = ["harness.postgres_plugin"]

REFUSED = (sqlite3.IntegrityError, psycopg.errors.IntegrityError)


@pytest.fixture(params=["sqlite", "postgres"])
async def book(request, tmp_path):
    if request.param == "sqlite":
        made = SqliteBook(tmp_path / "ledger.db")
    else:
        made = PostgresBook(request.getfixturevalue("postgres"))
    await made.ledger.grant("owner", 100)
    yield made
    await made.close()


async def charged(book):
    await book.ledger.hold(wish())
    await book.ledger.step("s", "capture")
    await book.rows("INSERT INTO audit (at, action, outcome) VALUES (1.0, 'open', 'ok')")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET credits = 0",
        "UPDATE entries SET at = at WHERE kind = 'grant'",
        "DELETE FROM entries",
        "DELETE FROM entries WHERE kind = 'capture'",
        "UPDATE audit SET outcome = 'ok'",
        "DELETE FROM audit",
    ],
)
async def test_what_was_written_down_is_neither_changed_nor_removed(book, statement):
    await charged(book)
    before = await book.entries(), await book.rows("SELECT * FROM audit")
    with pytest.raises(REFUSED, match="only ever added"):
        await book.rows(statement)
    assert (await book.entries(), await book.rows("SELECT * FROM audit")) == before


@pytest.mark.parametrize("table", ["entries", "audit"])
async def test_what_was_written_down_is_not_replaced_or_emptied_in_one_go(book, table):
    await charged(book)
    before = await book.rows(f"SELECT * FROM {table}")
    if isinstance(book, SqliteBook):
        statement = f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"
    else:
        statement = f"TRUNCATE {table} CASCADE"
    with pytest.raises(REFUSED, match="only ever added"):
        await book.rows(statement)
    assert await book.rows(f"SELECT * FROM {table}") == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts SET reserved = -1",
        "UPDATE accounts SET captured = -1",
        "UPDATE accounts SET granted = -1",
        "UPDATE accounts SET reserved = 96",
        "UPDATE accounts SET captured = 101",
        "UPDATE accounts SET granted = 4",
        "UPDATE holds SET phase = 'gone'",
        "UPDATE holds SET phase = 'over'",
        "UPDATE holds SET phase = 'reserved'",
        "UPDATE holds SET ended = 1.0",
        "UPDATE holds SET credits = -5",
        "UPDATE holds SET owner = 'nobody'",
        "DELETE FROM accounts",
        "DELETE FROM holds",
        "INSERT INTO entries (kind, session, owner, credits, at) VALUES ('capture', 's', 'owner', 5, 1.0)",
        "INSERT INTO entries (kind, session, owner, credits, at) VALUES ('release', 's', 'owner', 5, 1.0)",
        "INSERT INTO entries (kind, session, owner, credits, at) VALUES ('reserve', 's', 'owner', 5, 1.0)",
        "INSERT INTO entries (kind, session, owner, credits, at) VALUES ('grant', 's', 'owner', 5, 1.0)",
        "INSERT INTO entries (kind, session, owner, credits, at) VALUES ('capture', NULL, 'owner', 5, 1.0)",
        "INSERT INTO entries (kind, session, owner, credits, at) VALUES ('grant', NULL, 'nobody', 5, 1.0)",
        "INSERT INTO calls (provider, call_id, session) VALUES ('here', 'rtc_1', 'nobody')",
    ],
)
async def test_no_account_can_be_made_wrong(book, statement):
    await charged(book)
    with pytest.raises(REFUSED):
        await book.rows(statement)
    assert await book.ledger.balance("owner") == Balance(100, 0, 5)


async def test_what_was_written_is_there_after_it_was_opened_again(book):
    await charged(book)
    await book.reopen()
    assert (await book.ledger.find("s")).phase == "live"
    assert await book.ledger.balance("owner") == Balance(100, 0, 5)


async def test_the_tables_of_a_newer_release_are_refused_with_a_sentence(book):
    await book.rows("UPDATE schema_version SET version = version + 1")
    with pytest.raises(Refusal, match=rf"newer release's \(version {VERSION + 1}\)") as caught:
        await book.reopen()
        await book.ledger.ready()
    assert caught.value.code == "service_unavailable"
    with pytest.raises(Refusal, match="newer release's"):
        await book.ledger.balance("owner")


async def test_the_tables_of_an_older_release_are_refused_with_a_sentence(book):
    await book.rows("UPDATE schema_version SET version = version - 1")
    with pytest.raises(Refusal, match=rf"an older release's \(version {VERSION - 1}\)"):
        await book.reopen()
        await book.ledger.ready()


async def test_many_who_open_a_new_place_at_once_make_its_tables_once(book, tmp_path, postgres):
    if isinstance(book, SqliteBook):
        books = [SqliteBook(tmp_path / "another.db") for _ in range(8)]
    else:
        first = PostgresBook(postgres)
        books = [first]
        for _ in range(7):
            other = PostgresBook(postgres)
            other.url = first.url
            other.ledger = other.open()
            books.append(other)
    await asyncio.gather(*(each.ledger.ready() for each in books))
    assert await books[0].rows("SELECT version FROM schema_version") == [(VERSION,)]
    for each in books:
        await each.close()


async def test_apps_keep_the_order_in_which_they_were_entered(book):
    for name in "cab":
        await book.rows(
            "INSERT INTO apps (id, owner, plan, key_hash, created) VALUES (?, 'o', 'pro', 'h', 1.0)",
            name,
        )
    assert await book.rows("SELECT id, revoked FROM apps ORDER BY n") == [("c", 0), ("a", 0), ("b", 0)]
    with pytest.raises(REFUSED):
        await book.rows("UPDATE apps SET revoked = 2")
