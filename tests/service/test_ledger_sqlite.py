"""The database in one file: many writers, one commit, and what happens when the file cannot be written."""

import asyncio
import sqlite3
import threading
import time

import pytest

from genmb_voice_widget.service.database.sqlite import BUSY, SqliteDatabase
from genmb_voice_widget.service.problems import Refusal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "some.db"


@pytest.fixture
async def database(path):
    made = SqliteDatabase(path)
    await made.transact(lambda tx: tx.rows("CREATE TABLE words (word TEXT PRIMARY KEY)"))
    yield made
    await made.close()


def add(word):
    return lambda tx: tx.rows("INSERT INTO words VALUES (?)", word)


def written(path):
    """What another process would find in the file."""
    with sqlite3.connect(path) as other:
        return [word for (word,) in other.execute("SELECT word FROM words ORDER BY word")]


class Doorkeeper:
    """Keeps the writer busy until it is let go, so that what is asked meanwhile waits for one commit."""

    def __init__(self, database):
        self.begun, self.go = threading.Event(), threading.Event()
        self.task = asyncio.create_task(database.transact(self._wait))

    async def _wait(self, tx):
        self.begun.set()
        assert self.go.wait(10)

    async def __aenter__(self):
        assert await asyncio.to_thread(self.begun.wait, 10)
        return self

    async def __aexit__(self, *_):
        self.go.set()
        await self.task


async def queued(database, *works):
    """Ask for all of it; it waits behind what the writer does now."""
    tasks = [asyncio.create_task(database.transact(work)) for work in works]
    await asyncio.sleep(0)
    return tasks


async def test_what_was_acknowledged_is_in_the_file(database, path):
    for word in ("a", "b"):
        await database.transact(add(word))
        assert word in written(path)


async def test_what_waits_is_committed_together(database, path):
    seen = []

    async def look(tx):
        seen.append(([word for (word,) in await tx.rows("SELECT word FROM words")], written(path)))

    async with Doorkeeper(database):
        tasks = await queued(database, add("a"), look, add("b"))
    await asyncio.gather(*tasks)
    assert seen == [(["a"], [])]
    assert written(path) == ["a", "b"]


async def test_the_event_loop_is_woken_once_for_all_that_was_committed_together(database, monkeypatch):
    loop, wakes = asyncio.get_running_loop(), []
    wake = loop.call_soon_threadsafe
    async with Doorkeeper(database):
        tasks = await queued(database, add("a"), add("a"), add("b"))
        monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *call: wakes.append(call) or wake(*call))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [list, sqlite3.IntegrityError, list]
    assert len(wakes) == 2, "for the doorkeeper, and for those who waited behind it"


async def test_work_that_fails_takes_back_its_own_doing_alone(database, path):
    async def fail(tx):
        await tx.rows("INSERT INTO words VALUES ('never')")
        raise LookupError("mine")

    async with Doorkeeper(database):
        tasks = await queued(database, add("a"), fail, add("a"), add("b"))
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in ended] == [list, LookupError, sqlite3.IntegrityError, list]
    assert written(path) == ["a", "b"]


async def test_work_that_waits_for_anything_else_is_an_error_and_leaves_nothing(database, path):
    async def wait(tx):
        await tx.rows("INSERT INTO words VALUES ('never')")
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="awaits nothing"):
        await database.transact(wait)
    await database.transact(add("a"))
    assert written(path) == ["a"]


async def test_a_caller_who_goes_away_before_its_turn_is_not_served_and_harms_nobody(database, path):
    async with Doorkeeper(database):
        tasks = await queued(database, add("a"), add("gone"), add("b"))
        tasks[1].cancel()
        await asyncio.wait([tasks[1]])
    await asyncio.gather(tasks[0], tasks[2])
    assert written(path) == ["a", "b"]


async def test_work_that_has_begun_comes_to_its_end_though_its_caller_has_gone(database, path):
    begun, go = threading.Event(), threading.Event()

    async def slow(tx):
        begun.set()
        assert go.wait(10)
        await tx.rows("INSERT INTO words VALUES ('begun')")

    task = asyncio.create_task(database.transact(slow))
    assert await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.wait([task])
    go.set()
    await database.transact(add("b"))
    assert task.cancelled()
    assert written(path) == ["b", "begun"]


async def test_closing_waits_for_what_is_under_way(database, path):
    tasks = await queued(database, *(add(str(number)) for number in range(300)))
    await database.close()
    await asyncio.gather(*tasks)
    assert len(written(path)) == 300


async def test_one_transaction_has_one_time(path):
    moments = iter(range(1000))
    database = SqliteDatabase(path, lambda: float(next(moments)))

    async def look(tx):
        first = tx.now
        await tx.rows("SELECT 1")
        return first == tx.now, first

    same, first = await database.transact(look)
    assert same
    assert (await database.transact(look))[1] > first
    await database.close()


async def test_while_another_process_has_the_file_it_waits_and_then_refuses_and_recovers(
    database, path, caplog
):
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        tasks = await queued(database, add("a"), add("b"))
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert BUSY <= time.monotonic() - began < 3 * BUSY
        assert [each.code for each in ended] == ["service_unavailable"] * 2
        assert ended[0].retry_after
        waiting = asyncio.create_task(database.transact(add("c")))
        await asyncio.sleep(0)
        other.execute("COMMIT")
        await waiting
    assert written(path) == ["c"]
    assert [record.message for record in caplog.records] == [
        "the database cannot be asked: OperationalError: database is locked",
        "the database can be asked again",
    ]


async def test_when_the_disk_is_full_it_refuses_and_keeps_what_was_acknowledged(database, path):
    await database.transact(add("kept"))
    [(pages,)] = await database.transact(lambda tx: tx.rows("PRAGMA page_count"))
    await database.transact(lambda tx: tx.rows(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(Refusal) as caught:
        await database.transact(add("x" * 100_000))
    assert caught.value.code == "service_unavailable"
    await database.transact(add("small"))
    assert written(path) == ["kept", "small"]


async def test_what_may_not_be_written_is_refused_and_the_rest_is_served(database, path):
    async def write_where_one_may_only_read(tx):
        await tx.rows("PRAGMA query_only = 1")
        try:
            await tx.rows("INSERT INTO words VALUES ('never')")
        finally:
            await tx.rows("PRAGMA query_only = 0")

    async with Doorkeeper(database):
        tasks = await queued(database, add("a"), write_where_one_may_only_read, add("b"))
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [getattr(each, "code", each) for each in ended] == [[], "service_unavailable", []]
    assert written(path) == ["a", "b"]


@pytest.mark.parametrize("end", [None, LookupError, asyncio.CancelledError])
async def test_what_sqlite_takes_back_as_a_whole_is_acknowledged_to_nobody(database, path, end):
    async def lose_all(tx):
        await tx.rows("ROLLBACK")
        if end is not None:
            raise end

    async with Doorkeeper(database):
        tasks = await queued(database, add("a"), lose_all, add("b"))
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [getattr(each, "code", each) for each in ended] == ["service_unavailable"] * 3
    assert written(path) == []
    await database.transact(add("c"))
    assert written(path) == ["c"]


async def test_a_file_that_is_no_database_is_refused(path):
    path.write_bytes(b"This is a letter to my aunt. " * 400)
    database = SqliteDatabase(path)
    for _ in range(2):
        with pytest.raises(Refusal, match="service_unavailable"):
            await database.ready()
    path.unlink()
    await database.ready()
    await database.close()


async def test_what_lies_on_a_damaged_page_is_refused_and_the_rest_is_served(database, path):
    await database.transact(add("a"))
    where = "SELECT rootpage FROM sqlite_master WHERE name = 'words'"
    [(page,)] = await database.transact(lambda tx: tx.rows(where))
    await database.close()
    with path.open("r+b") as file:
        file.seek(4096 * (page - 1))
        file.write(b"\xff" * 4096)
    with pytest.raises(Refusal, match="service_unavailable"):
        await database.transact(lambda tx: tx.rows("SELECT * FROM words"))
    await database.ready()


async def test_a_folder_that_is_not_there_is_refused_until_it_is(tmp_path):
    database = SqliteDatabase(tmp_path / "sub" / "some.db")
    with pytest.raises(Refusal, match="service_unavailable"):
        await database.ready()
    (tmp_path / "sub").mkdir()
    await database.ready()
    await database.close()


async def test_what_is_wrong_in_a_statement_is_told_as_it_is(database):
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await database.transact(lambda tx: tx.rows("SELECT * FROM nowhere"))


async def test_it_waits_for_the_disk_at_every_commit_and_keeps_references_whole(database):
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "recursive_triggers": 1}
    for name, value in wanted.items():
        assert await database.transact(lambda tx, name=name: tx.rows(f"PRAGMA {name}")) == [(value,)]


def test_an_event_loop_that_is_closed_before_its_answer_is_there_harms_nobody(path):
    database = SqliteDatabase(path)
    begun, go = threading.Event(), threading.Event()

    async def leave():
        async def wait(tx):
            begun.set()
            assert go.wait(10)

        task = asyncio.create_task(database.transact(wait))
        assert await asyncio.to_thread(begun.wait, 10)
        assert not task.done()

    async def come():
        await database.ready()
        await database.close()

    asyncio.run(leave())
    go.set()
    asyncio.run(come())


def test_it_serves_one_event_loop_after_another(path):
    database = SqliteDatabase(path)
    for _ in range(2):
        asyncio.run(database.ready())
    asyncio.run(database.close())
