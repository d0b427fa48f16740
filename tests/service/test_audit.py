"""A line for every decision: which ones, what they hold, and that keeping them costs no request anything."""

import asyncio
import sqlite3
import time

import pytest

from genmb_voice_widget.service.audit import Decision
from genmb_voice_widget.service.audit.requests import action_of, session_of
from genmb_voice_widget.service.audit.sql import AuditSql
from genmb_voice_widget.service.database.sqlite import SqliteDatabase
from genmb_voice_widget.service.problems import Refusal

BODY = {"session": {"type": "realtime"}, "sdp": "v=0\r\ns=-\r\n"}
CANARY = "canary-5b21"


# Which decisions


async def test_a_sessions_whole_life_is_a_line_for_each_request(service, register, audit):
    key, page = register.bearer("shop"), {"Origin": "https://shop.example"}
    id = (await service.http.post("/v1/sessions", json=BODY, headers=key)).json()["id"]
    await service.http.post(f"/v1/sessions/{id}/connected?app=shop", json={}, headers=page)
    await service.http.get(f"/v1/sessions/{id}", headers=key)
    await service.http.post(f"/v1/sessions/{id}/offer", json=BODY, headers=register.token("shop"))
    await service.http.post(f"/v1/sessions/{id}/ended", json={}, headers=key)
    await service.http.post("/v1/app-tokens", json={"seconds": 60}, headers=key)

    assert audit.decisions == [
        Decision("open", "ok", "shop", "key", id),
        Decision("connected", "ok", "shop", "page", id),
        Decision("offer", "ok", "shop", "token", id),
        Decision("ended", "ok", "shop", "key", id),
        Decision("token", "ok", "shop", "key", None),
    ]


async def test_every_refusal_is_a_line_with_its_code(service, register, audit):
    key, unknown = register.bearer("shop"), "vs_" + "0" * 32
    post = service.http.post
    await post("/v1/sessions", json=BODY)
    await post("/v1/sessions", json=BODY, headers=key | {"Origin": "https://evil.example"})
    await post("/v1/sessions", json=BODY, headers=register.bearer("free"))
    await post("/v1/sessions", json=BODY | {"provider": "nobody"}, headers=key)
    await post("/v1/sessions", json={}, headers=key)
    await post("/v1/sessions", content="{", headers=key | {"Content-Type": "application/json"})
    await post("/v1/sessions", content="x", headers=key | {"Content-Type": "text/plain"})
    await post("/v1/sessions", content=b"x" * 70_000, headers=key)
    await post(f"/v1/sessions/{unknown}/ended", json={}, headers=key)
    await post("/v1/app-tokens", json={"seconds": 60, "origin": "https://evil.example"}, headers=key)
    await service.http.get("/v1/allowance")
    await service.http.get(
        f"/v1/sessions/{unknown}", headers={"Origin": "https://evil.example"}, params={"app": "shop"}
    )

    assert audit.decisions == [
        Decision("open", "unauthorized", None, None),
        Decision("open", "origin_refused", None, None),
        Decision("open", "plan_required", "free", "key"),
        Decision("open", "unknown_provider", "shop", "key"),
        Decision("open", "bad_request", "shop", "key"),
        Decision("open", "bad_request", None, None),
        Decision("open", "bad_request", None, None),
        Decision("open", "bad_request", None, None),
        Decision("ended", "session_not_found", "shop", "key", unknown),
        Decision("token", "origin_refused", "shop", "key"),
        Decision("other", "unauthorized", None, None),
        Decision("other", "origin_refused", None, None, unknown),
    ]


async def test_a_bug_and_a_refusal_of_the_provider_are_lines_too(service, register, audit):
    async def stumble():
        raise RuntimeError(CANARY)

    async def refuse():
        raise Refusal("provider_refused", "No.")

    for before in (stumble, refuse):
        service.provider.before = before
        await service.http.post("/v1/sessions", json=BODY, headers=register.bearer("shop"))

    assert [each.outcome for each in audit.decisions] == ["internal", "provider_refused"]


async def test_a_request_that_was_cut_off_before_its_answer_is_a_line_that_says_so(service, register, audit):
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def pause():
        asked.set()
        await go_on.wait()

    service.provider.before = pause
    start = asyncio.create_task(service.http.post("/v1/sessions", json=BODY, headers=register.bearer("shop")))
    await asyncio.wait_for(asked.wait(), 20)
    start.cancel()
    await asyncio.wait([start])
    go_on.set()

    assert audit.decisions == [Decision("open", "cut_off", "shop", "key")]


async def test_what_a_stranger_writes_into_an_address_is_in_no_line(service, audit):
    for path in (
        CANARY,
        "x" * 5000,
        "vs_" + CANARY,
        f"{CANARY}/ended",
        f"vs_{'0' * 32}{CANARY}/ended",
        "%00/ended",
    ):
        await service.http.post(f"/v1/sessions/{path}", json={"reason": CANARY}, headers={"Origin": CANARY})
        await service.http.get(f"/v1/sessions/{path}?app={CANARY}", headers={"Authorization": CANARY})

    assert len(audit.decisions) >= 6
    assert CANARY not in repr(audit.decisions)
    assert {each.session for each in audit.decisions} == {None}


async def test_no_key_token_secret_offer_or_answer_is_in_any_line(service, register, audit):
    secret = {"session": {"type": "realtime"}, "transport": "websocket"}
    key, token = register.bearer("shop"), register.token("shop")
    for shown, bodies in ((key, (BODY, secret)), (token, (BODY,))):
        for body in bodies:
            answer = await service.http.post("/v1/sessions", json=body, headers=shown)
            assert answer.status_code == 201
            said = repr(audit.decisions)
            for secret in (shown["Authorization"].split()[1], answer.json().get("token"), "v=0"):
                assert secret is None or secret not in said


async def test_a_session_that_only_time_ended_is_a_line_of_the_sweeper(desk, audit):
    hold = await desk.open()
    await desk.sweeper.sweep()
    assert audit.decisions == []
    desk.clock.advance(60)
    await desk.sweeper.sweep()
    await desk.sweeper.sweep()

    assert audit.decisions == [Decision("expired", "ok", "owner", "sweeper", hold.session)]


async def failing_hang_ups():
    raise ConnectionError


async def working_hang_ups():
    pass


async def test_a_session_that_time_ended_is_one_line_though_its_hang_up_takes_several_tries(desk, audit):
    hold = await desk.open()
    desk.provider.before_hang_up = failing_hang_ups
    for seconds in (30, 2, 2):
        desk.clock.advance(seconds)
        await desk.sweeper.sweep()
    desk.provider.before_hang_up = working_hang_ups
    desk.clock.advance(60)
    await desk.sweeper.sweep()

    assert (await desk.ledger.find(hold.session)).phase == "released"
    assert audit.decisions == [Decision("expired", "ok", "owner", "sweeper", hold.session)]


@pytest.mark.parametrize("proven", [True, False])
async def test_a_session_that_its_page_ended_is_not_said_to_have_expired_though_it_was_hung_up_later(
    desk, audit, proven
):
    hold = await desk.open()
    if proven:
        await desk.sessions.connected(desk.caller, hold.session)
    desk.provider.before_hang_up = failing_hang_ups
    await desk.sessions.ended(desk.caller, hold.session, "user")
    desk.provider.before_hang_up = working_hang_ups
    desk.clock.advance(2)
    await desk.sweeper.sweep()

    assert (await desk.ledger.find(hold.session)).ended is not None
    assert audit.decisions == []


async def test_a_session_that_goes_on_when_its_replaced_call_is_hung_up_is_no_line(desk, audit):
    hold = await desk.open()
    await desk.sessions.connected(desk.caller, hold.session)
    await desk.ledger.renew(hold.session, "rtc_2", 60.0)
    desk.clock.advance(10)
    await desk.sweeper.sweep()
    assert desk.provider.hung_up == ["rtc_1"]
    assert audit.decisions == []


async def test_a_session_that_its_provider_proved_is_a_line_of_the_provider(desk, audit):
    proofs = asyncio.Queue()

    async def proven(call_id):
        return await proofs.get()

    desk.provider.proven = proven
    first, second = await desk.open(), await desk.open()
    await desk.sessions.connected(desk.caller, second.session)
    for _ in range(2):
        proofs.put_nowait(True)
    async with asyncio.timeout(2):
        while (await desk.ledger.find(first.session)).phase != "live" or not proofs.empty():
            await asyncio.sleep(0)
    await desk.parts.flights.drain()

    assert [(await desk.ledger.find(each.session)).phase for each in (first, second)] == ["live", "live"]
    assert audit.decisions == [Decision("connected", "ok", "owner", "provider", first.session)]


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("POST", "/v1/sessions", "open"),
        ("POST", "/v1/sessions/x/offer", "offer"),
        ("POST", "/v1/app-tokens", "token"),
        ("GET", "/v1/sessions", None),
        ("POST", "/v1/sessions/x", None),
        ("POST", "/v1/sessions/a/b/ended", None),
        ("POST", "/v1/sessions/ended", None),
        ("POST", "/", None),
    ],
)
def test_what_is_decided_is_told_by_the_address(method, path, action):
    assert action_of(method, path) == action


def test_a_session_is_read_from_an_address_only_if_it_could_be_one():
    id = "vs_" + "0f" * 16
    assert [session_of(f"/v1/sessions/{id}{end}") for end in ("", "/ended", "/offer")] == [id] * 3
    assert [
        session_of(f"/v1/sessions/{each}") for each in (id.upper(), id[:-1], id + "0", f"{id}/x", "")
    ] == [None] * 5


# In a database


def rows(path):
    with sqlite3.connect(path) as connection:
        return connection.execute(
            "SELECT action, outcome, app, via, session FROM audit ORDER BY id"
        ).fetchall()


class Slow:
    """A database that does its work when a test says so, and fails when a test says so."""

    def __init__(self, database):
        self.database = database
        self.go_on = asyncio.Event()
        self.failing = 0
        self.asked = asyncio.Event()

    async def transact(self, work):
        self.asked.set()
        await self.go_on.wait()
        if self.failing:
            self.failing -= 1
            raise Refusal("service_unavailable", CANARY)
        return await self.database.transact(work)


@pytest.fixture
async def database(tmp_path):
    database = SqliteDatabase(tmp_path / "voice.db")
    await database.ready()
    yield database
    await database.close()


@pytest.fixture
async def slow(database):
    return Slow(database)


def decisions(count, start=0):
    return [Decision("open", "ok", "shop", "key", f"vs_{number}") for number in range(start, start + count)]


async def test_decisions_are_written_in_their_order_and_all_of_them_at_the_end(database, tmp_path):
    audit = AuditSql(database)
    for decision in decisions(1234):
        audit.record(decision)
    await audit.close()

    assert [row[4] for row in rows(tmp_path / "voice.db")] == [f"vs_{number}" for number in range(1234)]
    assert audit.lost == 0


async def test_noting_a_decision_waits_for_nothing(slow):
    audit = AuditSql(slow, close_within=0.05)
    began = time.thread_time()
    for decision in decisions(10_000):
        audit.record(decision)

    assert time.thread_time() - began < 0.5
    assert not slow.asked.is_set()
    await audit.close()


async def test_a_database_that_cannot_be_asked_gets_them_when_it_can_again(slow, tmp_path, caplog):
    slow.failing = 3
    slow.go_on.set()
    audit = AuditSql(slow, pause=0.001)
    for decision in decisions(250):
        audit.record(decision)
    await audit.close()

    assert [row[4] for row in rows(tmp_path / "voice.db")] == [f"vs_{number}" for number in range(250)]
    assert [record.getMessage() for record in caplog.records] == [
        "decisions cannot be written yet: service_unavailable",
        "decisions are written again",
    ]


async def test_what_could_not_be_kept_is_counted_and_the_count_is_kept(slow, tmp_path):
    audit = AuditSql(slow, waiting=100)
    for decision in decisions(150):
        audit.record(decision)
    assert audit.lost == 50
    slow.go_on.set()
    await audit.close()
    audit.record(Decision("ended", "ok", "shop", "key"))
    await audit.close()

    written = rows(tmp_path / "voice.db")
    assert [row[4] for row in written[:100]] == [f"vs_{number}" for number in range(100)]
    assert written[100:] == [("lost", "50", None, "audit", None), ("ended", "ok", "shop", "key", None)]


async def test_decisions_that_come_while_others_are_written_are_neither_lost_nor_written_twice(
    slow, tmp_path
):
    audit = AuditSql(slow, waiting=100)
    for decision in decisions(100):
        audit.record(decision)
    await asyncio.wait_for(slow.asked.wait(), 20)
    for decision in decisions(10, start=100):
        audit.record(decision)
    slow.go_on.set()
    await audit.close()

    written = [row[4] for row in rows(tmp_path / "voice.db")]
    assert written == [*(f"vs_{number}" for number in range(100)), None]
    assert audit.lost == 10


async def test_the_moment_is_that_of_the_decision_by_the_databases_clock(tmp_path, clock):
    database = SqliteDatabase(tmp_path / "voice.db", clock)
    audit = AuditSql(slow := Slow(database), clock=clock)
    audit.record(decisions(1)[0])
    clock.advance(30)
    slow.go_on.set()
    await audit.close()
    await database.close()

    with sqlite3.connect(tmp_path / "voice.db") as connection:
        assert connection.execute("SELECT at FROM audit").fetchone() == (1_000_000.0,)


async def test_an_end_does_not_wait_for_ever_for_a_database_that_is_gone(slow, caplog):
    audit = AuditSql(slow, close_within=0.05)
    for decision in decisions(7):
        audit.record(decision)
    await asyncio.wait_for(audit.close(), 2)

    assert "7 decisions could not be written" in caplog.text


async def test_a_request_is_answered_while_the_database_of_the_audit_hangs(make_endpoint, register, slow):
    audit = AuditSql(slow, close_within=0.05)
    async with make_endpoint(granted=100, access=register.access(), audit=audit) as endpoint:
        for _ in range(5):
            answer = endpoint.http.post("/v1/sessions", json=BODY, headers=register.bearer("shop"))
            assert (await asyncio.wait_for(answer, 2)).status_code == 201


async def test_lines_can_be_added_and_never_changed_or_taken_away(database, tmp_path):
    audit = AuditSql(database)
    audit.record(decisions(1)[0])
    await audit.close()

    with sqlite3.connect(tmp_path / "voice.db") as connection:
        for statement in ("UPDATE audit SET outcome = 'x'", "DELETE FROM audit"):
            with pytest.raises(sqlite3.Error):
                connection.execute(statement)
    assert len(rows(tmp_path / "voice.db")) == 1
