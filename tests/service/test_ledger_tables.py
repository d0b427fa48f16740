"""What the tables themselves refuse, whoever writes to them, and how they come to be; in both databases."""

import asyncio
import hashlib
import re
import sqlite3
from unittest.mock import Mock

import psycopg
import pytest
from harness.ledgers import PostgresBook, SqliteBook, wish

from genmb_voice_widget.service import serve
from genmb_voice_widget.service.database.schema import VERSION, statements
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


ANOTHERS = {
    "older": (
        "UPDATE schema_version SET version = version - 1",
        f"an older release's (version {VERSION - 1})",
    ),
    "newer": (
        "UPDATE schema_version SET version = version + 1",
        f"a newer release's (version {VERSION + 1})",
    ),
    "nobody's": ("DELETE FROM schema_version", "of no release that is known here"),
}


@pytest.mark.parametrize("case", ANOTHERS)
async def test_the_tables_of_another_release_are_refused_with_a_sentence_and_once_in_the_log(
    book, case, caplog
):
    statement, said = ANOTHERS[case]
    await book.rows(statement)
    await book.reopen()
    for asked in (
        book.ledger.ready,
        lambda: book.ledger.balance("owner"),
        lambda: book.ledger.grant("owner", 1),
    ):
        with pytest.raises(Refusal, match=re.escape(said)) as caught:
            await asked()
        assert (caught.value.code, caught.value.status) == ("database_of_another_release", 503)
    assert caplog.messages == ["the database cannot be asked: database_of_another_release"]


def start_at(database, monkeypatch):
    """Set what a node is started with."""
    given = {"ACCESS": "apps", "PORT": "0", "REDIS": "redis://127.0.0.1:1/0", "DATABASE": database}
    for name, value in given.items():
        monkeypatch.setenv(f"GENMB_VOICE_{name}", value)


@pytest.mark.parametrize("case", ANOTHERS)
async def test_a_node_does_not_start_on_the_tables_of_another_release(book, case, monkeypatch, capsys):
    statement, said = ANOTHERS[case]
    await book.rows(statement)
    start_at(str(book.path) if isinstance(book, SqliteBook) else book.url, monkeypatch)
    monkeypatch.setattr(serve, "_server", lambda *_: pytest.fail("it was started"))

    assert await asyncio.to_thread(serve.main, []) == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("genmb-voice serve: ")]
    assert said in line
    assert line.endswith(". (database_of_another_release)")


@pytest.mark.parametrize("away", [False, True])
async def test_a_node_starts_on_its_own_tables_and_where_the_database_is_away_just_now(
    book, away, monkeypatch, tmp_path
):
    there = str(book.path) if isinstance(book, SqliteBook) else book.url
    gone = str(tmp_path / "none" / "x.db") if isinstance(book, SqliteBook) else "postgresql://x@127.0.0.1:1/x"
    start_at(gone if away else there, monkeypatch)
    server = Mock()
    monkeypatch.setattr(serve, "_server", server)
    monkeypatch.setattr(serve, "gc", Mock())

    assert await asyncio.to_thread(serve.main, []) == 0
    server.return_value.run.assert_called_once_with()


def test_a_change_to_the_tables_is_a_new_version_of_them():
    texts = "\n".join(text for dialect in ("sqlite", "postgres") for text in statements(dialect))
    digest = hashlib.sha256(texts.encode()).hexdigest()[:16]
    assert (VERSION, digest) == (3, "fea1008945a6c735"), "count VERSION up, then write both down here"


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
