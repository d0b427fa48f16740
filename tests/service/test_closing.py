"""What becomes of decisions that are made while the endpoint is being closed, in both databases."""

import asyncio
import time

import httpx
import pytest
from harness.ledgers import PostgresBook, SqliteBook

from genmb_voice_widget.service.access import OWNER, OpenAccess
from genmb_voice_widget.service.app import make_app, shut_down
from genmb_voice_widget.service.audit import Decision
from genmb_voice_widget.service.audit.sql import AuditSql
from genmb_voice_widget.service.drain import Drain
from genmb_voice_widget.service.policy import NOTEBOOK
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.service.window import MemoryWindow

pytest_plugins = ["harness.postgres_plugin"]

BODY = {"session": {"type": "realtime"}, "sdp": "v=0\r\ns=-\r\n"}


class Unreliable:
    """A database that refuses as often as a test says, and then works."""

    def __init__(self, database):
        self.database = database
        self.refuses = 0

    async def transact(self, work):
        if self.refuses:
            self.refuses -= 1
            raise Refusal("service_unavailable", "Not now.")
        return await self.database.transact(work)


class Held:
    """A ledger whose steps are done at once, and told when the test lets it."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.stepped, self.go_on = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name):
        return getattr(self.ledger, name)

    async def step(self, *what):
        after = await self.ledger.step(*what)
        self.stepped.set()
        await self.go_on.wait()
        return after


@pytest.fixture(params=["sqlite", "postgres"])
async def book(request, tmp_path):
    if request.param == "sqlite":
        made = SqliteBook(tmp_path / "ledger.db")
    else:
        made = PostgresBook(request.getfixturevalue("postgres"))
    await made.ledger.grant(OWNER, 100)
    yield made
    await made.close()


class Node:
    """One endpoint on a database, whose audit can be told to fail."""

    def __init__(self, book, provider, ledger=None, drain=None, timing=None):
        self.provider = provider
        self.database = Unreliable(book.database)
        self.audit = AuditSql(self.database, pause=0.01)
        self.app = make_app(
            providers={"here": provider},
            access=OpenAccess(NOTEBOOK),
            window=MemoryWindow(),
            ledger=ledger or book.ledger,
            clock=time.time,
            timing=timing,
            watch=True,
            audit=self.audit,
            drain=drain,
        )

    async def post(self, path, body):
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as http:
            return (await http.post(path, json=body)).json()

    async def open(self) -> str:
        opened = await self.post("/v1/sessions", BODY)
        await self.audit.close()
        return opened["id"]


async def lines(book):
    return await book.rows("SELECT action, outcome, via, session FROM audit ORDER BY id")


async def test_what_a_provider_proves_while_the_endpoint_is_closed_is_kept(book, make_provider):
    seen, provider = asyncio.Event(), make_provider()

    async def proven(call_id):
        return await seen.wait()

    provider.proven = proven
    node = Node(book, provider)
    id = await node.open()
    node.database.refuses = 2
    seen.set()
    await shut_down(node.app)

    assert await lines(book) == [("open", "ok", "open", id), ("connected", "ok", "provider", id)]


async def test_what_time_ended_while_the_endpoint_is_closed_is_kept(book, make_provider):
    held = Held(book.ledger)
    node = Node(book, make_provider(), held, timing=Timing(sweep_every=0.01))
    id = await node.open()
    book.advance(3600)
    await asyncio.wait_for(held.stepped.wait(), 10)
    closing = asyncio.create_task(shut_down(node.app))
    await asyncio.sleep(0)
    held.go_on.set()
    await closing

    assert await lines(book) == [("open", "ok", "open", id), ("expired", "ok", "sweeper", id)]


async def test_work_that_does_not_end_leaves_the_audit_time_to_write(book, make_provider, caplog):
    provider, drain = make_provider(), Drain(1.0)
    node = Node(book, provider, drain=drain)
    id = await node.open()
    reached, never = asyncio.Event(), asyncio.Event()

    async def hang_up():
        reached.set()
        await never.wait()

    provider.before_hang_up = hang_up
    asking = asyncio.create_task(node.post(f"/v1/sessions/{id}/ended", {}))
    await reached.wait()
    late = Decision("connected", "ok", "owner", "provider", id)
    asyncio.get_running_loop().call_later(0.1, node.audit.record, late)
    node.database.refuses = 2
    drain.begin()
    await shut_down(node.app)

    assert await lines(book) == [("open", "ok", "open", id), ("connected", "ok", "provider", id)]
    assert "what was still under way is left to the sweeper" in caplog.text
    never.set()
    await asking
    await node.audit.close()


async def test_an_audit_that_cannot_be_written_lets_the_rest_be_closed_in_time(book, make_provider, caplog):
    provider, drain = make_provider(), Drain(1.0)
    node = Node(book, provider, drain=drain)
    await node.open()
    node.database.refuses = 1_000_000
    node.audit.record(Decision("other", "unauthorized", None, None))
    drain.begin()
    await shut_down(node.app)

    assert provider.closed
    assert "1 decisions could not be written" in caplog.text
