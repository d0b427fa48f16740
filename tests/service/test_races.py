"""Many at once: sessions do not mix, and the same words said by several callers at the same moment count once."""

import asyncio
import http.client
import json
import threading
import time
from urllib.parse import urlsplit

import pytest

from genmb_voice_widget.service.access import OpenAccess
from genmb_voice_widget.service.app import make_app
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.policy import Plan, Rate
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.service.window import MemoryWindow

OFFER = "v=0\r\ns=-\r\n"


async def test_a_hundred_sessions_at_once_each_get_their_own_answer_call_and_charge(endpoint):
    async def whole_life(number):
        session = {"type": "realtime", "model": f"model {number}"}
        ticket = (await endpoint.start(session=session)).json()
        assert ticket["sdp"] == f"v=0\r\ns=answer to model {number}\r\n"
        if number % 2:
            assert (await endpoint.connected(ticket["id"], call_id=ticket["call_id"])).json()[
                "state"
            ] == "captured"
        assert (await endpoint.ended(ticket["id"])).json()["state"] == (
            "captured" if number % 2 else "released"
        )
        return ticket["id"], ticket["call_id"]

    async def yield_to_the_others():
        for _ in range(3):
            await asyncio.sleep(0)

    endpoint.provider.before = endpoint.provider.before_hang_up = yield_to_the_others
    lives = await asyncio.gather(*(whole_life(number) for number in range(100)))

    assert len({id for id, _ in lives}) == len({call for _, call in lives}) == 100
    assert endpoint.provider.live == set()
    balance = await endpoint.ledger.balance("owner")
    assert (balance.reserved, balance.captured) == (0, 250)


async def test_a_proof_said_fifty_times_at_once_captures_once(endpoint):
    id = (await endpoint.start()).json()["id"]
    answers = await asyncio.gather(*(endpoint.connected(id) for _ in range(50)))

    assert [answer.json() for answer in answers] == [{"id": id, "state": "captured"}] * 50
    assert [entry.kind for entry in endpoint.ledger.entries] == ["reserve", "capture"]


@pytest.mark.parametrize("proven", [True, False])
async def test_an_end_said_fifty_times_at_once_hangs_up_once_and_everyone_hears_how_it_ended(
    endpoint, proven
):
    id = (await endpoint.start()).json()["id"]
    if proven:
        await endpoint.connected(id)
    go_on = asyncio.Event()
    endpoint.provider.before_hang_up = go_on.wait
    ends = asyncio.gather(*(endpoint.ended(id) for _ in range(50)))
    await asyncio.sleep(0)
    go_on.set()

    state = "captured" if proven else "released"
    assert [end.json() for end in await asyncio.wait_for(ends, 2)] == [{"id": id, "state": state}] * 50
    assert endpoint.provider.hung_up == ["rtc_1"]


@pytest.mark.parametrize("first", ["connected", "ended"])
async def test_a_proof_and_an_end_at_the_same_moment_leave_a_charge_or_a_release_and_never_both(
    endpoint, first
):
    async def yield_to_the_others():
        await asyncio.sleep(0)

    endpoint.provider.before_hang_up = yield_to_the_others
    for _ in range(20):
        id = (await endpoint.start()).json()["id"]
        calls = [endpoint.connected(id), endpoint.ended(id), endpoint.connected(id), endpoint.ended(id)]
        answers = await asyncio.gather(*(calls if first == "connected" else reversed(calls)))
        kinds = [entry.kind for entry in endpoint.ledger.entries if entry.session == id]
        assert kinds in (["reserve", "capture"], ["reserve", "release"])
        states = {answer.json().get("state") for answer in answers if answer.is_success}
        assert states == {"captured" if kinds[1] == "capture" else "released"}
    assert endpoint.provider.live == set()


async def test_the_last_slot_goes_to_one_of_many_and_the_others_hold_nothing(make_endpoint):
    async with make_endpoint(Plan("pro", rate=Rate(3)), granted=1000) as endpoint:
        go_on = asyncio.Event()
        endpoint.provider.before = go_on.wait
        starts = asyncio.gather(*(endpoint.start() for _ in range(30)))
        await asyncio.sleep(0)
        go_on.set()
        codes = [start.status_code for start in await asyncio.wait_for(starts, 5)]

        assert (codes.count(201), codes.count(429)) == (3, 27)
        assert (await endpoint.ledger.balance("owner")).reserved == 15


async def test_the_last_credits_go_to_one_of_many(make_endpoint):
    async with make_endpoint(Plan("pro"), granted=12) as endpoint:
        go_on = asyncio.Event()
        endpoint.provider.before = go_on.wait
        starts = asyncio.gather(*(endpoint.start() for _ in range(10)))
        await asyncio.sleep(0)
        go_on.set()
        codes = [start.status_code for start in await asyncio.wait_for(starts, 5)]

        assert (codes.count(201), codes.count(402)) == (2, 8)


async def test_a_start_that_is_cancelled_while_the_provider_answers_leaves_no_call_hold_or_slot(
    make_endpoint,
):
    async with make_endpoint(Plan("pro", rate=Rate(1)), granted=5) as endpoint:
        answering, go_on, hung_up = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def pause():
            answering.set()
            await go_on.wait()

        async def note():
            hung_up.set()

        endpoint.provider.before, endpoint.provider.before_hang_up = pause, note
        caller = asyncio.create_task(endpoint.start())
        await asyncio.wait_for(answering.wait(), 20)
        caller.cancel()
        await asyncio.wait([caller])
        assert caller.cancelled()
        assert endpoint.provider.live == set()
        go_on.set()
        await asyncio.wait_for(hung_up.wait(), 20)
        assert (await endpoint.start()).status_code == 201
        assert endpoint.provider.hung_up == ["rtc_1"]


async def test_a_start_that_is_cancelled_before_a_refusal_leaves_nothing_either(make_endpoint):
    async with make_endpoint(granted=5) as endpoint:
        answering, go_on = asyncio.Event(), asyncio.Event()

        async def refuse():
            answering.set()
            await go_on.wait()
            raise RuntimeError

        endpoint.provider.before = refuse
        caller = asyncio.create_task(endpoint.start())
        await asyncio.wait_for(answering.wait(), 20)
        caller.cancel()
        await asyncio.wait([caller])
        go_on.set()
    assert [entry.kind for entry in endpoint.ledger.entries] == ["reserve", "release"]


def test_a_client_that_goes_away_while_the_provider_answers_leaves_its_session_to_the_sweeper(
    running, make_provider
):
    answering, go_on, hung_up = threading.Event(), threading.Event(), threading.Event()
    provider, ledger = make_provider(), MemoryLedger(time.time)

    async def pause():
        answering.set()
        await asyncio.to_thread(go_on.wait, 5)

    async def note():
        hung_up.set()

    provider.before, provider.before_hang_up = pause, note
    app = make_app(
        providers={"here": provider},
        access=OpenAccess(Plan("pro")),
        window=MemoryWindow(),
        ledger=ledger,
        clock=time.time,
        timing=Timing(connect_within=0.1, sweep_every=0.02),
    )
    body = json.dumps({"session": {"type": "realtime"}, "sdp": OFFER})
    with running(app) as url:
        at = urlsplit(url)
        client = http.client.HTTPConnection(at.hostname, at.port)
        client.request("POST", "/v1/sessions", body, {"Content-Type": "application/json"})
        assert answering.wait(5)
        client.close()
        go_on.set()
        assert hung_up.wait(5)
    assert [entry.kind for entry in ledger.entries] == ["reserve", "release"]
    assert provider.live == set()


async def test_an_end_whose_caller_goes_away_is_carried_out_for_those_who_wait_for_it_too(endpoint):
    id = (await endpoint.start()).json()["id"]
    hanging_up, go_on = asyncio.Event(), asyncio.Event()

    async def pause():
        hanging_up.set()
        await go_on.wait()

    endpoint.provider.before_hang_up = pause
    caller, other = (asyncio.create_task(endpoint.ended(id)) for _ in range(2))
    await asyncio.wait_for(hanging_up.wait(), 20)
    caller.cancel()
    await asyncio.wait([caller])
    go_on.set()

    assert (await asyncio.wait_for(other, 2)).json()["state"] == "released"
    assert endpoint.provider.hung_up == ["rtc_1"]


async def test_a_session_that_time_ended_while_its_provider_still_answered_is_hung_up(desk):
    answering, go_on = asyncio.Event(), asyncio.Event()

    async def pause():
        answering.set()
        await go_on.wait()

    desk.provider.before = pause
    opening = asyncio.create_task(desk.open())
    await asyncio.wait_for(answering.wait(), 20)
    desk.clock.advance(3600)
    await desk.sweeper.sweep()
    go_on.set()
    await asyncio.wait([opening])

    assert opening.exception().code == "session_over"
    assert (desk.provider.live, desk.provider.hung_up) == (set(), ["rtc_1"])
    assert [entry.kind for entry in desk.ledger.entries] == ["reserve", "release"]


@pytest.mark.parametrize("plan", [Plan("pro", rate=Rate(1)), Plan("pro", rate=Rate(1), attempts=Rate(60))])
async def test_a_start_repeated_with_its_key_needs_no_second_slot_and_no_second_credits(make_endpoint, plan):
    async with make_endpoint(plan, granted=5) as endpoint:
        body = {"provider": "here", "session": {"type": "realtime"}, "sdp": OFFER}
        key = {"Idempotency-Key": "once"}
        first = await endpoint.http.post("/v1/sessions", json=body, headers=key)
        again = await endpoint.http.post("/v1/sessions", json=body, headers=key)

        assert [first.status_code, again.status_code] == [201, 201]
        assert first.json()["id"] == again.json()["id"]
        assert endpoint.provider.hung_up == ["rtc_1"]
        assert [entry.kind for entry in endpoint.ledger.entries] == ["reserve"]


KEYED = {"session": {"type": "realtime"}, "sdp": OFFER}
ONCE = {"Idempotency-Key": "once"}


async def test_a_start_repeated_after_a_refusal_that_says_so_is_another_session(endpoint):
    async def refuse():
        raise Refusal("provider_refused", "Not now.")

    async def work():
        pass

    endpoint.provider.before = refuse
    refused = await endpoint.http.post("/v1/sessions", json=KEYED, headers=ONCE)
    assert (refused.json()["code"], refused.json()["retryable"]) == ("provider_refused", True)
    endpoint.provider.before = work
    again = await endpoint.http.post("/v1/sessions", json=KEYED, headers=ONCE)
    assert again.status_code == 201
    assert endpoint.provider.live == {again.json()["call_id"]}
    kinds = [(entry.kind, entry.session == again.json()["id"]) for entry in endpoint.ledger.entries]
    assert kinds == [("reserve", False), ("release", False), ("reserve", True)]


async def test_a_start_repeated_after_the_hour_is_another_session(make_endpoint):
    async with make_endpoint(Plan("pro", rate=Rate(1)), granted=100) as endpoint:
        first = (await endpoint.start()).json()["id"]
        full = await endpoint.http.post("/v1/sessions", json=KEYED, headers=ONCE)
        assert full.json()["code"] == "rate_limited"
        await endpoint.ended(first)
        assert (await endpoint.http.post("/v1/sessions", json=KEYED, headers=ONCE)).status_code == 201


async def test_a_start_repeated_while_its_first_is_taken_back_waits_and_reaches_no_provider(endpoint):
    started = (await endpoint.http.post("/v1/sessions", json=KEYED, headers=ONCE)).json()
    hanging_up, go_on = asyncio.Event(), asyncio.Event()

    async def pause():
        hanging_up.set()
        await go_on.wait()

    endpoint.provider.before_hang_up = pause
    ending = asyncio.create_task(endpoint.ended(started["id"]))
    await asyncio.wait_for(hanging_up.wait(), 20)
    early = await endpoint.http.post("/v1/sessions", json=KEYED, headers=ONCE)
    assert (early.status_code, early.json()["code"], early.headers["retry-after"]) == (
        409,
        "session_opening",
        "1",
    )
    go_on.set()
    await ending
    assert len(endpoint.provider.sessions) == 1
    again = await endpoint.http.post("/v1/sessions", json=KEYED, headers=ONCE)
    assert again.status_code == 201
    assert again.json()["id"] != started["id"]


async def test_a_start_repeated_while_its_session_is_being_ended_reaches_no_provider(endpoint):
    started = (await endpoint.http.post("/v1/sessions", json=KEYED, headers=ONCE)).json()
    await endpoint.connected(started["id"])

    async def fail():
        raise ConnectionError

    endpoint.provider.before_hang_up = fail
    await endpoint.ended(started["id"])
    again = await endpoint.http.post("/v1/sessions", json=KEYED, headers=ONCE)
    assert (again.status_code, again.json()["code"]) == (409, "session_over")
    assert len(endpoint.provider.sessions) == 1
