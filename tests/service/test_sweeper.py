"""What only time can end, by a clock that the test sets."""

import asyncio
from dataclasses import replace

import pytest

from genmb_voice_widget.service.ledger import Wish
from genmb_voice_widget.service.policy import Plan
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.sessions import Sessions
from genmb_voice_widget.service.sessions.sweeper import LEASE, Sweeper
from genmb_voice_widget.service.settings import Timing


async def nothing_else_runs():
    async with asyncio.timeout(2):
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)


async def test_without_a_proof_the_call_is_hung_up_and_released_after_thirty_seconds_and_not_before(desk):
    hold = await desk.open()
    desk.clock.advance(29.9)
    await desk.sweeper.sweep()
    assert (desk.provider.hung_up, await desk.slots()) == ([], 1)

    desk.clock.advance(0.1)
    await desk.sweeper.sweep()
    released = await desk.sessions.find(desk.caller, hold.session)
    assert (released.phase, released.reason) == ("released", "no_proof")
    assert (desk.provider.hung_up, await desk.slots()) == (["rtc_1"], 0)
    assert [entry.kind for entry in desk.ledger.entries] == ["reserve", "release"]


async def test_a_session_with_a_proof_is_left_alone_for_good(desk):
    hold = await desk.open()
    await desk.sessions.connected(desk.caller, hold.session)
    desk.clock.advance(7200)
    await desk.sweeper.sweep()

    assert desk.provider.live == {"rtc_1"}
    assert (await desk.sessions.find(desk.caller, hold.session)).phase == "live"


async def test_a_proof_that_comes_between_the_deadline_and_the_sweep_still_counts(desk):
    hold = await desk.open()
    desk.clock.advance(31)
    await desk.sessions.connected(desk.caller, hold.session)
    await desk.sweeper.sweep()

    assert desk.provider.live == {"rtc_1"}


async def test_a_proof_that_comes_while_the_sweeper_is_on_its_way_still_counts(desk):
    hold = await desk.open()
    desk.clock.advance(30)
    look, looks = desk.ledger.due, []

    async def look_and_be_overtaken():
        looks.append(await look())
        if len(looks) == 2:
            await desk.sessions.connected(desk.caller, hold.session)
        return looks[-1]

    desk.ledger.due = look_and_be_overtaken
    await desk.sweeper.sweep()

    assert looks == [(hold,), (hold,)]
    assert desk.provider.live == {"rtc_1"}
    assert (await desk.sessions.find(desk.caller, hold.session)).phase == "live"


async def test_a_proof_that_comes_while_the_call_is_being_hung_up_costs_nothing(desk):
    hold = await desk.open()
    hanging_up, go_on = asyncio.Event(), asyncio.Event()

    async def pause():
        hanging_up.set()
        await go_on.wait()

    desk.provider.before_hang_up = pause
    desk.clock.advance(30)
    sweep = asyncio.create_task(desk.sweeper.sweep())
    await asyncio.wait_for(hanging_up.wait(), 20)
    refused = None
    try:
        await desk.sessions.connected(desk.caller, hold.session)
    except Refusal as refusal:
        refused = refusal.code
    go_on.set()
    await asyncio.wait_for(sweep, 2)

    assert refused == "session_over"
    assert (await desk.ledger.balance("owner")).captured == 0
    assert [entry.kind for entry in desk.ledger.entries] == ["reserve", "release"]


async def test_a_hang_up_that_fails_keeps_the_credits_held_and_is_tried_again(desk, caplog):
    hold = await desk.open()

    async def fail():
        raise Refusal("provider_unreachable", "It is away.")

    desk.provider.before_hang_up = fail
    desk.clock.advance(30)
    await desk.sweeper.sweep()
    assert (await desk.sessions.find(desk.caller, hold.session)).phase == "closing"
    assert (await desk.ledger.balance("owner")).reserved == 5

    async def work():
        pass

    desk.provider.before_hang_up = work
    desk.clock.advance(5)
    await desk.sweeper.sweep()
    assert (await desk.sessions.find(desk.caller, hold.session)).phase == "released"
    assert desk.provider.hung_up == ["rtc_1"]
    assert "could not be hung up: provider_unreachable" in caplog.text


async def test_a_provider_that_stays_away_does_not_hold_the_credits_for_ever(desk):
    hold = await desk.open()

    async def fail():
        raise ConnectionError

    desk.provider.before_hang_up = fail
    await desk.sessions.ended(desk.caller, hold.session)
    desk.clock.advance(299)
    await desk.sweeper.sweep()
    assert (await desk.sessions.find(desk.caller, hold.session)).phase == "closing"
    desk.clock.advance(1)
    await desk.sweeper.sweep()

    assert (await desk.sessions.find(desk.caller, hold.session)).phase == "released"
    assert await desk.slots() == 0
    assert not await desk.ledger.unsettled()


async def test_a_captured_session_whose_hang_up_failed_is_hung_up_later_too(desk):
    hold = await desk.open()
    await desk.sessions.connected(desk.caller, hold.session)

    async def fail():
        raise ConnectionError

    desk.provider.before_hang_up = fail
    await desk.sessions.ended(desk.caller, hold.session)

    async def work():
        pass

    desk.provider.before_hang_up = work
    desk.clock.advance(2)
    await desk.sweeper.sweep()

    over = await desk.sessions.find(desk.caller, hold.session)
    assert (over.phase, over.money, desk.provider.hung_up) == ("over", "captured", ["rtc_1"])


async def test_a_hang_up_that_never_answers_is_given_up_in_time(make_desk):
    desk = make_desk(timing=Timing(hang_up_within=0.02))
    hold = await desk.open()
    desk.provider.before_hang_up = asyncio.Event().wait

    ended = await asyncio.wait_for(desk.sessions.ended(desk.caller, hold.session), 2)
    assert ended.phase == "closing"


async def test_one_session_that_cannot_be_ended_keeps_none_of_the_others(desk, caplog):
    holds = [await desk.open() for _ in range(3)]
    step = desk.ledger.step

    async def stumble(session, *step_and_reason):
        if session == holds[0].session:
            raise RuntimeError
        return await step(session, *step_and_reason)

    desk.ledger.step = stumble
    desk.clock.advance(30)
    await desk.sweeper.sweep()

    phases = [(await desk.sessions.find(desk.caller, hold.session)).phase for hold in holds]
    assert phases == ["reserved", "released", "released"]
    assert "could not be ended yet: RuntimeError" in caplog.text


async def test_while_one_sweeps_another_leaves_it_alone_and_afterwards_it_may(desk):
    other = Sweeper(desk.sessions, desk.ledger, Timing())
    await desk.open()
    hanging_up, go_on = asyncio.Event(), asyncio.Event()

    async def pause():
        hanging_up.set()
        await go_on.wait()

    desk.provider.before_hang_up = pause
    desk.clock.advance(30)
    sweep = asyncio.create_task(desk.sweeper.sweep())
    await asyncio.wait_for(hanging_up.wait(), 20)
    assert not await asyncio.wait_for(other.sweep(), 2)
    go_on.set()
    assert await asyncio.wait_for(sweep, 2)
    assert desk.provider.hung_up == ["rtc_1"]

    await desk.open()
    desk.clock.advance(30)
    assert await asyncio.wait_for(other.sweep(), 2)
    assert desk.provider.hung_up == ["rtc_1", "rtc_2"]


async def test_who_died_while_it_swept_holds_up_the_others_for_a_moment_alone(desk):
    await desk.open()
    desk.clock.advance(30)
    timing = Timing()
    assert await desk.ledger.lease(LEASE, "dead", timing.sweep_every + timing.hang_up_within)
    assert not await desk.sweeper.sweep()
    desk.clock.advance(timing.sweep_every + timing.hang_up_within)
    assert await desk.sweeper.sweep()


async def test_where_others_share_the_ledger_it_looks_on_though_nothing_can_become_due(make_endpoint):
    async with make_endpoint(timing=Timing(sweep_every=0.005), shared=True) as endpoint:
        look, looks = endpoint.ledger.due, asyncio.Queue()

        async def count():
            looks.put_nowait(None)
            return await look()

        endpoint.ledger.due = count
        async with endpoint.app.router.lifespan_context(endpoint.app):
            for _ in range(3):
                await asyncio.wait_for(looks.get(), 2)


async def test_the_sweeper_begins_with_the_first_session_and_stops_when_nothing_can_become_due(make_endpoint):
    async with make_endpoint(timing=Timing(sweep_every=0.005)) as endpoint:
        await endpoint.start()
        hung_up = asyncio.Event()

        async def note():
            hung_up.set()

        endpoint.provider.before_hang_up = note
        endpoint.clock.advance(30)
        await asyncio.wait_for(hung_up.wait(), 20)
        await nothing_else_runs()
        assert endpoint.provider.live == set()


async def test_a_session_that_is_renewed_after_the_sweeper_had_stopped_still_ends_in_time(make_endpoint):
    async with make_endpoint(Plan("timed", max_seconds=100.0), timing=Timing(sweep_every=0.005)) as endpoint:
        id = (await endpoint.start()).json()["id"]
        await endpoint.connected(id)
        await endpoint.ended(id)
        await nothing_else_runs()
        body = {"session": {"type": "realtime"}, "sdp": "v=0\r\n"}
        assert (await endpoint.http.post(f"/v1/sessions/{id}/offer", json=body)).status_code == 200
        endpoint.clock.advance(100)
        await nothing_else_runs()
        assert endpoint.provider.live == set()


async def test_a_hang_up_that_failed_after_the_sweeper_had_stopped_is_tried_again(make_endpoint):
    async with make_endpoint(timing=Timing(sweep_every=0.005)) as endpoint:
        id = (await endpoint.start()).json()["id"]
        await endpoint.connected(id)
        await nothing_else_runs()
        hung_up = asyncio.Event()

        async def fail_once():
            endpoint.provider.before_hang_up = note
            raise ConnectionError

        async def note():
            hung_up.set()

        endpoint.provider.before_hang_up = fail_once
        await endpoint.ended(id)
        endpoint.clock.advance(2)
        await asyncio.wait_for(hung_up.wait(), 20)


async def test_the_call_of_an_offer_that_was_refused_after_the_sweeper_had_stopped_is_hung_up_by_it(
    make_endpoint,
):
    async with make_endpoint(timing=Timing(sweep_every=0.005)) as endpoint:
        id = (await endpoint.start()).json()["id"]
        await endpoint.connected(id)
        await endpoint.ended(id)
        await nothing_else_runs()
        hung_up = asyncio.Event()

        async def come_late():
            endpoint.clock.advance(60)

        async def fail_once():
            endpoint.provider.before_hang_up = note
            raise ConnectionError

        async def note():
            hung_up.set()

        endpoint.provider.before, endpoint.provider.before_hang_up = come_late, fail_once
        body = {"session": {"type": "realtime"}, "sdp": "v=0\r\n"}
        refused = await endpoint.http.post(f"/v1/sessions/{id}/offer", json=body)
        assert refused.json()["code"] == "session_over"
        endpoint.clock.advance(10)
        await asyncio.wait_for(hung_up.wait(), 20)


async def test_a_sweeper_that_is_asked_while_it_finds_nothing_left_to_do_looks_again(desk):
    unsettled, looked = desk.ledger.unsettled, asyncio.Event()
    sweeper = Sweeper(desk.sessions, desk.ledger, Timing(sweep_every=0.001))

    async def be_overtaken():
        found = await unsettled()
        desk.ledger.unsettled = look_again
        sweeper.ensure_running()
        return found

    async def look_again():
        looked.set()
        return await unsettled()

    desk.ledger.unsettled = be_overtaken
    sweeper.ensure_running()
    await asyncio.wait_for(looked.wait(), 20)
    await nothing_else_runs()


async def test_a_ledger_that_is_away_for_a_while_does_not_end_the_sweeper(make_endpoint, caplog):
    async with make_endpoint(timing=Timing(sweep_every=0.005)) as endpoint:
        await endpoint.start()
        look, hung_up = endpoint.ledger.due, asyncio.Event()

        async def fail_once():
            endpoint.ledger.due = look
            raise ConnectionError

        async def note():
            hung_up.set()

        endpoint.ledger.due = fail_once
        endpoint.provider.before_hang_up = note
        endpoint.clock.advance(30)
        await asyncio.wait_for(hung_up.wait(), 20)
    assert "sessions whose time is over cannot be looked for: ConnectionError" in caplog.text


async def test_the_log_tells_once_that_the_ledger_is_away_and_once_that_it_is_back(desk, caplog):
    looks, done = iter(["away"] * 3 + ["there"] * 3), asyncio.Event()

    async def look():
        match next(looks, None):
            case "away":
                raise Refusal("service_unavailable", "The account cannot be asked just now.")
            case None:
                done.set()
        return ()

    desk.ledger.due = look
    sweeper = Sweeper(desk.sessions, desk.ledger, Timing(sweep_every=0.001), shared=True)
    sweeper.ensure_running()
    await asyncio.wait_for(done.wait(), 20)
    await sweeper.close()
    assert [record.getMessage() for record in caplog.records] == [
        "sessions whose time is over cannot be looked for: service_unavailable",
        "sessions whose time is over are looked for again",
    ]


async def test_the_log_tells_once_of_each_session_that_cannot_be_ended_for_a_while(desk, caplog):
    first = await desk.open()

    async def fail(*_):
        raise Refusal("service_unavailable", "The account cannot be asked just now.")

    desk.ledger.step = desk.ledger.tried = fail
    desk.clock.advance(30)
    for _ in range(3):
        await desk.sweeper.sweep()
    second = await desk.open()
    desk.clock.advance(30)
    for _ in range(3):
        await desk.sweeper.sweep()
    assert [record.getMessage() for record in caplog.records] == [
        f"session {each.session} could not be ended yet: service_unavailable" for each in (first, second)
    ]


@pytest.mark.parametrize("stuck", [100, 150])
async def test_however_many_hang_ups_fail_the_sessions_of_other_providers_end_in_time(desk, stuck):
    for number in range(stuck):
        name = f"s{number}"
        await desk.ledger.hold(Wish(name, "other", "other", "away", "webrtc", 0, within=30.0))
        await desk.ledger.answered(name, f"rtc_away_{number}", 30.0)
    desk.clock.advance(1)
    hold = await desk.open()
    desk.clock.advance(30)
    while await desk.sweeper.sweep():
        pass

    assert (await desk.sessions.find(desk.caller, hold.session)).phase == "released"
    assert await desk.ledger.standing() == stuck


@pytest.mark.parametrize("stuck", [100, 150])
async def test_however_many_cannot_even_be_closed_the_others_are_reached_by_later_looks(desk, stuck):
    step = desk.ledger.step

    async def stumble(session, *step_and_reason):
        if session.startswith("s"):
            raise RuntimeError
        return await step(session, *step_and_reason)

    for number in range(stuck):
        await desk.ledger.hold(Wish(f"s{number}", "other", "other", "here", "webrtc", 0, within=0.0))
    hold = await desk.open()
    desk.ledger.step = stumble
    desk.clock.advance(30)
    for _ in range(2):
        await desk.sweeper.sweep()
    assert (await desk.sessions.find(desk.caller, hold.session)).phase == "released"


async def test_how_long_a_hang_up_was_tried_is_told_by_the_ledgers_clock_alone(desk):
    sessions = Sessions(replace(desk.parts, clock=lambda: desk.clock() + 360.0))
    hold = await desk.open()

    async def fail():
        raise ConnectionError

    desk.provider.before_hang_up = fail
    assert (await sessions.ended(desk.caller, hold.session)).phase == "closing"


async def test_an_end_while_the_window_is_away_is_answered_and_its_slot_given_back_later(desk, caplog):
    hold = await desk.open()
    give_back = desk.window.give_back

    async def fail(log, entry):
        raise Refusal("service_unavailable", "The store of the rate limits does not answer.")

    desk.window.give_back = fail
    assert (await desk.sessions.ended(desk.caller, hold.session)).phase == "closing"
    assert desk.provider.hung_up == ["rtc_1"]
    assert "its slot could not be given back: service_unavailable" in caplog.text

    desk.window.give_back = give_back
    desk.clock.advance(2)
    await desk.sweeper.sweep()
    assert (await desk.sessions.find(desk.caller, hold.session)).phase == "released"
    assert await desk.slots() == 0


async def test_a_window_that_stays_away_does_not_hold_the_credits_for_ever(desk):
    hold = await desk.open()

    async def fail(log, entry):
        raise Refusal("service_unavailable", "The store of the rate limits does not answer.")

    desk.window.give_back = fail
    await desk.sessions.ended(desk.caller, hold.session)
    desk.clock.advance(300)
    await desk.sweeper.sweep()
    assert (await desk.ledger.balance("owner")).reserved == 0


async def lose_the_first_call(desk):
    """Have a live session whose first call another took the place of, and could not be hung up."""
    hold = await desk.open()
    await desk.sessions.connected(desk.caller, hold.session)

    async def fail():
        raise Refusal("provider_refused", "Not now.")

    desk.provider.before_hang_up = fail
    opened = await desk.sessions.reoffer(desk.caller, hold.session, {"type": "realtime"}, "v=0\r\n")
    await desk.parts.flights.drain()
    assert desk.provider.live == {"rtc_1", "rtc_2"}
    return opened.hold


def well_again(desk):
    async def work():
        pass

    desk.provider.before_hang_up = work


async def test_a_replaced_call_whose_hang_up_failed_is_tried_again_while_the_session_goes_on(desk):
    hold = await lose_the_first_call(desk)
    desk.clock.advance(2)
    await desk.sweeper.sweep()
    assert desk.provider.live == {"rtc_1", "rtc_2"}

    well_again(desk)
    desk.clock.advance(2)
    await desk.sweeper.sweep()
    assert desk.provider.live == {"rtc_2"}
    assert (await desk.sessions.find(desk.caller, hold.session)).phase == "live"
    assert not await desk.ledger.unsettled()


async def test_an_end_hangs_up_every_call_that_the_session_still_has(desk):
    hold = await lose_the_first_call(desk)
    well_again(desk)
    over = await desk.sessions.ended(desk.caller, hold.session)
    assert (over.phase, over.former, desk.provider.live) == ("over", (), set())
    assert not await desk.ledger.unsettled()


async def test_a_session_is_not_settled_before_every_call_of_its_own_is_hung_up(desk):
    hold = await lose_the_first_call(desk)
    hang_up = desk.provider.hang_up

    async def fail_for_the_first(call_id):
        if call_id == "rtc_1":
            raise ConnectionError
        await hang_up(call_id)

    well_again(desk)
    desk.provider.hang_up = fail_for_the_first
    assert (await desk.sessions.ended(desk.caller, hold.session)).phase == "ending"
    desk.provider.hang_up = hang_up
    desk.clock.advance(2)
    await desk.sweeper.sweep()
    assert (await desk.sessions.find(desk.caller, hold.session)).phase == "over"
    assert desk.provider.live == set()


async def test_a_process_that_dies_before_it_hung_a_replaced_call_up_leaves_it_to_the_sweeper(desk):
    hold = await desk.open()
    await desk.sessions.connected(desk.caller, hold.session)
    desk.provider.live.add("rtc_2")
    await desk.ledger.renew(hold.session, "rtc_2", 60.0)
    desk.clock.advance(10)
    await desk.sweeper.sweep()
    assert desk.provider.live == {"rtc_2"}


async def test_a_new_call_that_was_refused_and_could_not_be_hung_up_is_tried_again(desk):
    hold = await desk.open()
    await desk.sessions.connected(desk.caller, hold.session)
    await desk.sessions.ended(desk.caller, hold.session)

    async def come_late():
        desk.clock.advance(60)

    async def fail():
        raise ConnectionError

    desk.provider.before, desk.provider.before_hang_up = come_late, fail
    with pytest.raises(Refusal, match="session_over"):
        await desk.sessions.reoffer(desk.caller, hold.session, {"type": "realtime"}, "v=0\r\n")
    assert desk.provider.live == {"rtc_2"}
    well_again(desk)
    desk.clock.advance(10)
    await desk.sweeper.sweep()
    assert desk.provider.live == set()
    assert not await desk.ledger.unsettled()


async def test_an_answer_that_came_too_late_and_could_not_be_hung_up_is_tried_again(desk):
    async def come_late():
        desk.clock.advance(45)
        await desk.sweeper.sweep()

    async def fail():
        raise ConnectionError

    desk.provider.before, desk.provider.before_hang_up = come_late, fail
    with pytest.raises(Refusal, match="session_over"):
        await desk.open()
    assert desk.provider.live == {"rtc_1"}
    well_again(desk)
    desk.clock.advance(10)
    await desk.sweeper.sweep()
    assert desk.provider.live == set()
