"""The database on a server: when it is slow, locked, frozen, down and back; and its password stays hidden."""

import asyncio
import io
import logging
import time
import traceback

import psycopg
import pytest
from harness.postgres import PASSWORD

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.database import FOR_UPDATE
from genmb_voice_widget.service.database.postgres import PostgresDatabase
from genmb_voice_widget.service.problems import Refusal

pytest_plugins = ["harness.postgres_plugin"]

WRONG = "canary-wrong-9f2c"
SLACK = 0.5
"""Seconds by which a busy machine may be late."""


@pytest.fixture
def url(postgres):
    return postgres.database()


@pytest.fixture
async def database(url):
    made = PostgresDatabase(Secret(url))
    await made.transact(
        lambda tx: tx.rows("CREATE TABLE words (word TEXT PRIMARY KEY, times INTEGER DEFAULT 0)")
    )
    yield made
    await made.close()


def add(word):
    return lambda tx: tx.rows("INSERT INTO words (word) VALUES (?)", word)


def written(url):
    """What another node would find."""
    with psycopg.connect(url) as other:
        return [word for (word,) in other.execute("SELECT word FROM words ORDER BY word")]


class Relay:
    """A way to the server that can lose the connections it has, as a firewall does, and still takes new ones."""

    def __init__(self, port):
        self._port = port
        self._tasks = set()
        self._forgotten = asyncio.Event()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def forget(self):
        """From now on nothing passes on the connections that there are; neither end is told."""
        self._forgotten.set()
        self._forgotten = asyncio.Event()

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        forgotten = self._forgotten
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            await asyncio.gather(_pass_on(reader, back, forgotten), _pass_on(there, writer, forgotten))
        finally:
            back.close()
            writer.close()


async def _pass_on(reader, writer, forgotten):
    while data := await reader.read(65536):
        if not forgotten.is_set():
            writer.write(data)
    writer.close()


async def refused(work, within):
    """Await a refusal, and that it comes in time."""
    began = time.monotonic()
    with pytest.raises(Refusal) as caught:
        await work
    assert time.monotonic() - began < within
    assert caught.value.code == "service_unavailable"
    assert caught.value.retry_after
    return caught.value


async def test_what_was_acknowledged_is_there_for_others(database, url):
    await database.transact(add("100 % a?"))
    assert written(url) == ["100 % a?"]


async def test_work_that_fails_leaves_nothing_and_the_next_is_served(database, url):
    async def fail(tx):
        await tx.rows("INSERT INTO words (word) VALUES ('never')")
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await database.transact(fail)
    with pytest.raises(psycopg.errors.UndefinedTable):
        await database.transact(lambda tx: tx.rows("SELECT * FROM nowhere"))
    await database.transact(add("a"))
    assert written(url) == ["a"]


async def test_work_that_goes_on_after_a_failed_statement_is_not_acknowledged(database, url):
    async def swallow(tx):
        await tx.rows("INSERT INTO words (word) VALUES ('never')")
        try:
            await tx.rows("SELECT * FROM nowhere")
        except psycopg.Error:
            return "done"

    with pytest.raises(RuntimeError, match="went on"):
        await database.transact(swallow)
    assert written(url) == []


async def test_work_that_has_begun_comes_to_its_end_though_its_caller_has_gone(database, url):
    begun, go = asyncio.Event(), asyncio.Event()

    async def slow(tx):
        begun.set()
        await go.wait()
        await tx.rows("INSERT INTO words (word) VALUES ('begun')")

    task = asyncio.create_task(database.transact(slow))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    go.set()
    await database.close()
    assert task.cancelled()
    assert written(url) == ["begun"]


async def test_its_time_is_the_servers(database, url):
    async def look(tx):
        [(server,)] = await tx.rows("SELECT extract(epoch FROM clock_timestamp())::float8")
        return server - tx.now

    assert 0 <= await database.transact(look) < SLACK


async def test_two_who_lock_each_other_out_both_come_to_their_end(database, url):
    for word in ("a", "b"):
        await database.transact(add(word))
    alert = PostgresDatabase(Secret(f"{url}%20-cdeadlock_timeout%3D10ms"))
    first = {"a": asyncio.Event(), "b": asyncio.Event()}
    begun = []

    def both(one, other):
        async def work(tx):
            begun.append(one)
            await tx.rows("SELECT times FROM words WHERE word = ?" + FOR_UPDATE, one)
            first[one].set()
            await first[other].wait()
            await tx.rows("UPDATE words SET times = times + 1 WHERE word = ?", other)

        return alert.transact(work)

    await asyncio.gather(both("a", "b"), both("b", "a"))
    await alert.close()
    assert await database.transact(lambda tx: tx.rows("SELECT times FROM words")) == [(1,), (1,)]
    assert len(begun) > 2


async def test_a_row_that_another_keeps_locked_is_waited_for_and_then_refused(database, url):
    await database.transact(add("a"))
    with psycopg.connect(url) as other:
        other.execute("SELECT * FROM words FOR UPDATE")
        await refused(database.transact(lambda tx: tx.rows("UPDATE words SET times = 1")), 1 + SLACK)
    await database.transact(lambda tx: tx.rows("UPDATE words SET times = 1"))


async def test_work_that_is_too_slow_is_refused_and_leaves_nothing(database, url):
    async def slow(tx):
        await tx.rows("INSERT INTO words (word) VALUES ('never')")
        await tx.rows("SELECT 1 FROM pg_sleep(5)")

    await refused(database.transact(slow), 1 + SLACK)
    assert written(url) == []


async def test_more_than_there_are_connections_for_wait_their_turn(database, url):
    await asyncio.gather(*(database.transact(add(f"{number:02}")) for number in range(60)))
    assert len(written(url)) == 60
    with psycopg.connect(url) as other:
        [(count,)] = other.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres' AND pid <> pg_backend_pid()"
        )
        assert count <= 8


async def test_where_no_server_is_it_refuses_at_once(postgres):
    postgres.stop()
    try:
        database = PostgresDatabase(Secret(postgres.url()))
        await refused(database.ready(), SLACK)
    finally:
        postgres.start()
    await database.ready()
    await database.close()


async def test_a_server_that_was_restarted_meanwhile_is_not_even_noticed(database, url, postgres):
    await asyncio.gather(*(database.transact(add(str(number))) for number in range(8)))
    postgres.restart()
    await asyncio.gather(*(database.transact(add(str(number))) for number in range(10, 18)))
    assert len(written(url)) == 16


async def test_a_server_that_crashes_is_a_refusal_for_those_it_served_and_used_again_when_it_is_back(
    database, url, postgres, caplog
):
    begun = asyncio.Event()

    async def slow(tx):
        await tx.rows("INSERT INTO words (word) VALUES ('never')")
        begun.set()
        await tx.rows("SELECT 1 FROM pg_sleep(5)")

    task = asyncio.create_task(database.transact(slow))
    await begun.wait()
    await asyncio.to_thread(postgres.stop, "immediate")
    await refused(task, 1 + SLACK)
    for _ in range(3):
        await refused(database.transact(add("never")), SLACK)
    await asyncio.to_thread(postgres.start)
    await database.transact(add("a"))
    assert written(url) == ["a"]
    assert [record.message.split(":")[0] for record in caplog.records] == [
        "the database cannot be asked",
        "the database can be asked again",
    ]


async def test_a_server_that_hangs_is_a_refusal_in_time_with_and_without_a_connection(
    database, url, postgres
):
    fresh = PostgresDatabase(Secret(url))
    postgres.freeze()
    try:
        asked = [
            refused(each.transact(add("never")), 1 + SLACK) for each in (database, fresh) for _ in range(12)
        ]
        await asyncio.gather(*asked)
    finally:
        postgres.thaw()
    await database.transact(add("a"))
    await fresh.transact(add("b"))
    await fresh.close()
    assert set(written(url)) >= {"a", "b"}


async def test_connections_that_were_lost_on_the_way_cost_one_refusal_and_not_one_each(url, postgres):
    async with Relay(postgres.port) as relay:
        database = PostgresDatabase(Secret(url.replace(f":{postgres.port}/", f":{relay.port}/")))

        async def look(tx):
            return await tx.rows("SELECT 1 FROM pg_sleep(0.05)")

        await asyncio.gather(*(database.transact(look) for _ in range(8)))
        relay.forget()
        await refused(database.transact(look), 1 + SLACK)
        assert await asyncio.gather(*(database.transact(look) for _ in range(8)))
        await database.close()


def told(error):
    """All that a traceback could show: the locals of every frame too."""
    page = io.StringIO()
    traceback.TracebackException.from_exception(error, capture_locals=True).print(file=page)
    return page.getvalue()


@pytest.mark.parametrize(
    "address",
    [Secret(f"postgresql://genmb:{PASSWORD}@host:port:/x?nonsense=1"), Secret(f"{PASSWORD} is the password")],
)
async def test_an_address_that_is_none_is_told_without_its_password(address):
    with pytest.raises(ValueError, match="no PostgreSQL connection URI") as caught:
        PostgresDatabase(address)
    assert PASSWORD not in told(caught.value)


async def test_its_password_is_in_no_repr_log_or_traceback(postgres, caplog):
    caplog.set_level(logging.DEBUG)
    page = ""
    wrong = Secret(postgres.url().replace(PASSWORD, WRONG))
    gone = Secret(postgres.url().replace(f":{postgres.port}/", ":1/"))
    for address in (wrong, gone, Secret(postgres.url())):
        database = PostgresDatabase(address)
        page += f"{database!r} {vars(database)}"
        try:
            await database.ready()
            await database.transact(lambda tx: tx.rows("SELECT * FROM nowhere"))
        except (Refusal, psycopg.errors.UndefinedTable) as error:
            assert error.__context__ is None
            page += f"{told(error)} {error!r} {error}"
        await database.close()
    assert "password authentication failed" in caplog.text
    assert "Connection refused" in caplog.text
    assert "nowhere" in page
    for password in (PASSWORD, WRONG):
        assert password not in page
        assert password not in caplog.text
