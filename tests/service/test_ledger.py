"""What the page `ledger/__init__.py` promises, of every ledger there is."""

import asyncio
from dataclasses import replace

import pytest
from harness.ledgers import MemoryBook, PostgresBook, SqliteBook, wish

from genmb_voice_widget.service.ledger import Balance, DuplicateCall, Former, Lacking

pytest_plugins = ["harness.postgres_plugin"]

PHASES = {
    "reserved": (),
    "live": ("capture",),
    "ending": ("capture", "close"),
    "over": ("capture", "close", "settle"),
    "closing": ("close",),
    "released": ("close", "settle"),
}
"""Each phase, and steps that lead to it."""


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def book(request, tmp_path):
    match request.param:
        case "memory":
            made = MemoryBook()
        case "sqlite":
            made = SqliteBook(tmp_path / "ledger.db")
        case _:
            made = PostgresBook(request.getfixturevalue("postgres"))
    await made.ledger.grant("owner", 100)
    yield made
    await made.close()


@pytest.fixture
def ledger(book):
    return book.ledger


async def bring(ledger, phase, session="s", call_id="rtc_1", **other):
    """Have a session in this phase."""
    await ledger.hold(wish(session, **other))
    hold = await ledger.answered(session, call_id, 30.0)
    for step in PHASES[phase]:
        hold = await ledger.step(session, step)
    assert hold.phase == phase
    return hold


# credits


async def test_an_owner_who_was_granted_nothing_has_no_credits(ledger):
    assert await ledger.balance("stranger") == Balance(0, 0, 0)
    assert await ledger.hold(wish(owner="stranger")) == Lacking("credits")


async def test_grants_add_up_and_each_is_an_entry(book, ledger):
    book.advance(7)
    assert await ledger.grant("owner", 11) == Balance(111, 0, 0)
    assert await ledger.balance("owner") == Balance(111, 0, 0)
    grants = [(entry.kind, entry.credits, entry.at, entry.session) for entry in await book.entries()]
    assert grants == [("grant", 100, book.now - 7, None), ("grant", 11, book.now, None)]


@pytest.mark.parametrize("credits", [0, -5])
async def test_fewer_than_one_credit_cannot_be_granted(ledger, credits):
    with pytest.raises(ValueError, match="above zero"):
        await ledger.grant("owner", credits)
    assert await ledger.balance("owner") == Balance(100, 0, 0)


# hold


async def test_a_hold_sets_its_credits_aside_and_is_due_when_the_wish_says(book, ledger):
    asked = wish(lasts=1800.0, key="k", transport="websocket")
    hold = await ledger.hold(asked)

    assert (hold.phase, hold.money, hold.due) == ("reserved", "reserved", book.now + 45)
    for name in ("session", "app", "owner", "provider", "transport", "credits", "lasts", "key"):
        assert getattr(hold, name) == getattr(asked, name)
    assert (hold.call_id, hold.reason, hold.answered, hold.began, hold.ended) == (None,) * 5
    assert await ledger.find("s") == hold
    assert await ledger.balance("owner") == Balance(100, 5, 0)
    [_, entry] = await book.entries()
    assert (entry.kind, entry.session, entry.app, entry.owner) == ("reserve", "s", "app", "owner")
    assert (entry.credits, entry.at) == (5, book.now)


async def test_asking_for_the_same_session_again_reserves_nothing_more(book, ledger):
    hold = await ledger.hold(wish())
    book.advance(3)
    assert await ledger.hold(wish()) == hold
    assert await book.kinds() == ["reserve"]


async def test_an_apps_same_key_is_the_same_session(book, ledger):
    first = await ledger.hold(wish("first", key="k"))
    assert await ledger.hold(wish("second", key="k")) == first
    assert await ledger.find("second") is None
    assert (await ledger.balance("owner")).reserved == 5


async def test_another_apps_same_key_is_another_session(ledger):
    await ledger.hold(wish("first", key="k"))
    other = await ledger.hold(wish("second", key="k", app="other"))
    assert other.session == "second"


async def test_sessions_without_a_key_are_different_ones(ledger):
    assert {(await ledger.hold(wish(name))).session for name in "abc"} == set("abc")


@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase != "released"])
async def test_a_key_stays_that_of_its_session_unless_that_is_released(ledger, phase):
    hold = await bring(ledger, phase, key="k")
    assert await ledger.hold(wish("second", key="k")) == hold


async def test_a_session_that_is_released_gives_its_key_up(book, ledger):
    first = await bring(ledger, "closing", "first", key="k")
    released = await ledger.step("first", "settle")
    assert (first.key, released.key) == ("k", None)
    second = await ledger.hold(wish("second", key="k"))
    assert (second.session, second.key) == ("second", "k")
    assert await ledger.hold(wish("third", key="k")) == second
    assert await ledger.hold(wish("first", key="k")) == released
    assert (await ledger.balance("owner")).reserved == 5
    assert await book.kinds("second") == ["reserve"]


async def test_what_was_tried_in_vain_until_it_was_released_gives_its_key_up_too(ledger):
    await bring(ledger, "closing", key="k")
    assert (await ledger.tried("s", (), 0.0)).key is None
    assert (await ledger.hold(wish("second", key="k"))).session == "second"


async def test_a_repeat_at_the_moment_of_the_release_is_the_first_session_or_a_whole_new_one(ledger):
    for number in range(20):
        name, key = f"a{number}", f"k{number}"
        await bring(ledger, "closing", name, f"rtc_{name}", key=key)
        others = [wish(f"{each}{number}", key=key) for each in "bcd"]
        *repeats, released = await asyncio.gather(*map(ledger.hold, others), ledger.step(name, "settle"))
        assert released.key is None
        ours = {hold.session for hold in repeats}
        assert len(ours - {name}) <= 1
        assert {hold.phase for hold in repeats if hold.session == name} <= {"closing"}
        for new in ours - {name}:
            for step in ("close", "settle"):
                await ledger.step(new, step)
    assert await ledger.balance("owner") == Balance(100, 0, 0)


async def test_a_known_key_is_answered_even_where_nothing_more_would_be_granted(ledger):
    first = await ledger.hold(wish("first", key="k", credits=100, max_live=1))
    assert await ledger.hold(wish("second", key="k", credits=100, max_live=1)) == first


async def test_a_hold_that_the_account_cannot_pay_leaves_no_trace(book, ledger):
    assert await ledger.hold(wish(credits=101, key="k")) == Lacking("credits")
    assert await ledger.find("s") is None
    assert await book.kinds() == []
    assert await ledger.balance("owner") == Balance(100, 0, 0)
    assert not await ledger.unsettled()
    await ledger.grant("owner", 1)
    assert (await ledger.hold(wish(credits=101, key="k"))).session == "s"


async def test_the_last_credits_can_be_reserved_and_not_one_more(ledger):
    assert (await ledger.hold(wish("a", credits=98))).phase == "reserved"
    assert await ledger.hold(wish("b", credits=3)) == Lacking("credits")
    assert (await ledger.hold(wish("c", credits=2))).phase == "reserved"
    assert (await ledger.balance("owner")).available == 0


async def test_a_session_that_costs_nothing_needs_no_account(ledger):
    hold = await ledger.hold(wish(owner="stranger", credits=0))
    assert (await ledger.step(hold.session, "capture")).phase == "live"
    assert await ledger.balance("stranger") == Balance(0, 0, 0)


async def test_released_credits_can_be_reserved_again_and_captured_ones_cannot(ledger):
    await bring(ledger, "released", "a", "rtc_a", credits=100)
    await bring(ledger, "over", "b", "rtc_b", credits=60)
    assert await ledger.balance("owner") == Balance(100, 0, 60)
    assert await ledger.hold(wish("c", credits=41)) == Lacking("credits")
    assert (await ledger.hold(wish("d", credits=40))).phase == "reserved"


async def test_an_app_has_no_more_sessions_standing_than_it_may(ledger):
    for name in ("a", "b"):
        assert (await ledger.hold(wish(name, max_live=2))).phase == "reserved"
    assert await ledger.hold(wish("c", max_live=2)) == Lacking("live")
    assert (await ledger.hold(wish("d", max_live=2, app="other"))).phase == "reserved"
    assert await ledger.live("app") == 2
    assert await ledger.live("nobody's") == 0
    assert await ledger.standing() == 3


@pytest.mark.parametrize("phase", PHASES)
async def test_a_session_stands_until_its_call_is_known_to_have_ended(ledger, phase):
    await bring(ledger, phase, "a")
    stands = phase not in ("over", "released")
    assert await ledger.live("app") == await ledger.standing() == stands
    assert isinstance(await ledger.hold(wish("b", max_live=1)), Lacking) == stands


# answered


async def test_an_answer_notes_the_call_and_begins_the_callers_time(book, ledger):
    await ledger.hold(wish())
    book.advance(14)
    hold = await ledger.answered("s", "rtc_1", 30.0)
    assert (hold.call_id, hold.answered, hold.due) == ("rtc_1", book.now, book.now + 30)
    assert await ledger.find("s") == hold
    book.advance(29)
    assert await ledger.due() == ()
    book.advance(1)
    assert await ledger.due() == (hold,)


@pytest.mark.parametrize("call_id", ["rtc_1", None])
async def test_only_the_first_answer_counts(book, ledger, call_id):
    await ledger.hold(wish())
    hold = await ledger.answered("s", call_id, 30.0)
    book.advance(1)
    for again in ("rtc_1", "rtc_2", None):
        assert await ledger.answered("s", again, 30.0) == hold


@pytest.mark.parametrize("steps", [("close",), ("close", "settle"), ("capture",), ("capture", "close")])
async def test_an_answer_that_comes_late_changes_nothing(ledger, steps):
    await ledger.hold(wish())
    for step in steps:
        hold = await ledger.step("s", step)
    assert await ledger.answered("s", "rtc_1", 30.0) == hold == await ledger.find("s")


async def test_an_answer_for_no_session_is_an_error(ledger):
    with pytest.raises(KeyError):
        await ledger.answered("nobody", "rtc_1", 30.0)


@pytest.mark.parametrize("phase", PHASES)
async def test_a_call_belongs_to_one_session_for_ever(ledger, phase):
    await bring(ledger, phase, "a")
    waiting = await ledger.hold(wish("b"))
    with pytest.raises(DuplicateCall):
        await ledger.answered("b", "rtc_1", 30.0)
    assert await ledger.find("b") == waiting
    assert (await ledger.answered("b", "rtc_2", 30.0)).call_id == "rtc_2"


async def test_a_call_that_another_session_had_before_is_refused_too(ledger):
    await bring(ledger, "live", "a")
    await ledger.renew("a", "rtc_2", 60.0)
    await ledger.hold(wish("b"))
    for call_id in ("rtc_1", "rtc_2"):
        with pytest.raises(DuplicateCall):
            await ledger.answered("b", call_id, 30.0)


async def test_two_providers_may_number_their_calls_alike(ledger):
    for provider in ("here", "there"):
        await ledger.hold(wish(provider, provider=provider))
        assert (await ledger.answered(provider, "rtc_1", 30.0)).call_id == "rtc_1"


# renew


async def test_another_call_takes_the_place_of_a_live_ones_and_costs_nothing(book, ledger):
    hold = await bring(ledger, "live", lasts=1800.0)
    book.advance(100)
    renewed = await ledger.renew("s", "rtc_2", 60.0)
    left = replace(hold, call_id="rtc_2", former=(Former("rtc_1", book.now),), again=book.now + 10)
    assert renewed == left == await ledger.find("s")
    assert await book.kinds() == ["reserve", "capture"]
    assert await ledger.balance("owner") == Balance(100, 0, 5)


async def test_a_session_that_was_just_over_is_live_again_until_its_end_and_costs_nothing(book, ledger):
    live = await bring(ledger, "live", lasts=100.0)
    book.advance(10)
    await ledger.step("s", "close", "page_gone")
    await ledger.step("s", "settle")
    book.advance(59)
    renewed = await ledger.renew("s", "rtc_2", 60.0)
    left = replace(live, call_id="rtc_2", former=(Former("rtc_1", book.now),), again=book.now + 10)
    assert renewed == left == await ledger.find("s")
    assert (renewed.due, renewed.reason) == (live.began + 100, None)
    renewed = await ledger.tried("s", {"rtc_1"}, 300.0)
    assert await book.kinds() == ["reserve", "capture"]
    assert await ledger.live("app") == 1
    book.advance(30)
    assert await ledger.due() == ()
    book.advance(1)
    assert await ledger.due() == (renewed,)
    for step in ("expire", "settle"):
        await ledger.step("s", step, "time_over")
    assert await book.kinds() == ["reserve", "capture"]
    assert await ledger.balance("owner") == Balance(100, 0, 5)


async def test_a_session_that_is_over_takes_a_place_again_and_is_not_renewed_where_there_is_none(ledger):
    over = await bring(ledger, "over")
    await ledger.hold(wish("b", max_live=2))
    await ledger.hold(wish("c", max_live=2))
    assert await ledger.renew("s", "rtc_2", 60.0, max_live=2) == Lacking("live")
    assert await ledger.find("s") == over
    assert await ledger.live("app") == 2

    await ledger.answered("b", "rtc_2", 30.0)  # The call that was refused is nobody's.
    for step in ("close", "settle"):
        await ledger.step("b", step)
    renewed = await ledger.renew("s", "rtc_3", 60.0, max_live=2)
    assert (renewed.phase, renewed.call_id) == ("live", "rtc_3")
    assert await ledger.hold(wish("d", max_live=2)) == Lacking("live")


@pytest.mark.parametrize("phase", ["reserved", "live"])
async def test_a_session_that_stands_keeps_its_place_when_it_is_renewed(ledger, phase):
    await bring(ledger, phase)
    await ledger.hold(wish("b"))
    renewed = await ledger.renew("s", "rtc_2", 60.0, max_live=1)
    assert (renewed.phase, renewed.call_id) == (phase, "rtc_2")


async def test_after_the_grace_a_session_stays_over(book, ledger):
    over = await bring(ledger, "over")
    book.advance(60)
    assert await ledger.renew("s", "rtc_2", 60.0) is None
    assert await ledger.find("s") == over
    await ledger.hold(wish("b"))
    assert (await ledger.answered("b", "rtc_2", 30.0)).call_id == "rtc_2"


@pytest.mark.parametrize("phase", ["live", "over"])
async def test_a_session_that_has_had_its_whole_time_is_not_renewed(book, ledger, phase):
    hold = await bring(ledger, phase, lasts=20.0)
    book.advance(20)
    assert await ledger.renew("s", "rtc_2", 60.0) is None
    assert await ledger.find("s") == hold


@pytest.mark.parametrize("phase", ["live", "over"])
async def test_a_session_without_an_end_is_renewed_without_one(book, ledger, phase):
    await bring(ledger, phase)
    book.advance(59)
    assert (await ledger.renew("s", "rtc_2", 60.0)).due is None


async def test_a_session_that_waits_for_its_proof_is_renewed_within_the_same_time(book, ledger):
    hold = await bring(ledger, "reserved")
    book.advance(29)
    renewed = await ledger.renew("s", "rtc_2", 60.0)
    assert (renewed.phase, renewed.call_id, renewed.due) == ("reserved", "rtc_2", hold.due)
    book.advance(1)
    assert await ledger.renew("s", "rtc_3", 60.0) is None


async def test_a_session_without_a_call_id_is_renewed_once_it_was_answered(ledger):
    await ledger.hold(wish(transport="websocket"))
    assert await ledger.renew("s", None, 60.0) is None
    hold = await ledger.answered("s", None, 30.0)
    renewed = await ledger.renew("s", None, 60.0)
    assert renewed == hold


@pytest.mark.parametrize("phase", ["ending", "closing", "released"])
async def test_a_session_that_is_being_hung_up_or_was_let_go_is_not_renewed(ledger, phase):
    hold = await bring(ledger, phase)
    assert await ledger.renew("s", "rtc_2", 60.0) is None
    assert await ledger.find("s") == hold


async def test_what_waits_for_its_first_answer_or_is_not_there_is_not_renewed(ledger):
    await ledger.hold(wish())
    assert await ledger.renew("s", "rtc_1", 60.0) is None
    assert await ledger.renew("nobody", "rtc_1", 60.0) is None


async def test_renewing_with_the_same_call_hangs_nothing_up(ledger):
    await bring(ledger, "live")
    first = await ledger.renew("s", "rtc_2", 60.0)
    again = await ledger.renew("s", "rtc_2", 60.0)
    assert [each.call_id for each in first.former] == ["rtc_1"]
    assert again == first


@pytest.mark.parametrize("phase", ["reserved", "live", "over"])
async def test_a_session_is_not_renewed_with_another_sessions_call(ledger, phase):
    await bring(ledger, "live", "a", "rtc_a")
    hold = await bring(ledger, phase)
    with pytest.raises(DuplicateCall):
        await ledger.renew("s", "rtc_a", 60.0)
    assert await ledger.find("s") == hold


async def test_a_session_may_have_its_own_former_call_again(ledger):
    await bring(ledger, "live")
    await ledger.renew("s", "rtc_2", 60.0)
    renewed = await ledger.renew("s", "rtc_1", 60.0)
    assert (renewed.call_id, [each.call_id for each in renewed.former]) == ("rtc_1", ["rtc_2"])


# step


@pytest.mark.parametrize(
    ("phase", "step", "then"),
    [
        ("reserved", "capture", "live"),
        ("reserved", "close", "closing"),
        ("reserved", "expire", "closing"),
        ("reserved", "settle", "reserved"),
        ("live", "capture", "live"),
        ("live", "close", "ending"),
        ("live", "expire", "ending"),
        ("live", "settle", "live"),
        ("ending", "capture", "ending"),
        ("ending", "close", "ending"),
        ("ending", "expire", "ending"),
        ("ending", "settle", "over"),
        ("over", "capture", "over"),
        ("over", "close", "over"),
        ("over", "expire", "over"),
        ("over", "settle", "over"),
        ("closing", "capture", "closing"),
        ("closing", "close", "closing"),
        ("closing", "expire", "closing"),
        ("closing", "settle", "released"),
        ("released", "capture", "released"),
        ("released", "close", "released"),
        ("released", "expire", "released"),
        ("released", "settle", "released"),
    ],
)
async def test_every_step_from_every_phase(book, ledger, phase, step, then):
    was = await bring(ledger, phase, lasts=10.0)
    book.advance(100)
    hold = await ledger.step("s", step, "because")

    assert hold.phase == then
    assert hold == await ledger.find("s")
    if then == phase:
        assert hold == was
    else:
        assert hold.reason == "because"
    captured = then in ("live", "ending", "over")
    released = then == "released"
    assert await book.kinds() == ["reserve", *["capture"] * captured, *["release"] * released]
    assert await ledger.balance("owner") == Balance(100, 5 * (not captured and not released), 5 * captured)
    assert await ledger.step("s", step, "otherwise") == hold or (then, step) == ("closing", "settle")


async def test_each_step_notes_its_moment(book, ledger):
    await ledger.hold(wish(lasts=100.0))
    book.advance(1)
    began = book.now
    live = await ledger.step("s", "capture")
    assert (live.began, live.ended, live.due) == (began, None, began + 100)
    book.advance(1)
    ending = await ledger.step("s", "close")
    assert (ending.began, ending.ended, ending.due) == (began, None, book.now)
    book.advance(1)
    over = await ledger.step("s", "settle")
    assert (over.began, over.ended, over.due) == (began, book.now, None)
    assert [entry.at for entry in await book.entries()] == [began - 1, began - 1, began]


async def test_a_session_that_was_never_live_ends_without_having_begun(book, ledger):
    await ledger.hold(wish())
    book.advance(1)
    assert (await ledger.step("s", "close")).due == book.now
    book.advance(1)
    released = await ledger.step("s", "settle")
    assert (released.began, released.ended, released.due) == (None, book.now, None)


async def test_the_reason_stays_what_it_was_where_a_step_gives_none(ledger):
    await ledger.hold(wish())
    await ledger.step("s", "close", "user")
    assert (await ledger.step("s", "settle")).reason == "user"


@pytest.mark.parametrize("reason", ["Größe 😀", "nul \0 inside", "half a pair \ud800"])
async def test_any_reason_can_be_kept_and_any_session_asked_for(ledger, reason):
    await ledger.hold(wish())
    hold = await ledger.step("s", "close", reason)
    kept = (await ledger.find("s")).reason
    assert kept in (reason, reason.replace("\0", "\ufffd"), reason.replace("\ud800", "\ufffd"))
    assert await ledger.step("s", "close") == await ledger.find("s")
    assert hold.phase == "closing"
    assert await ledger.find(reason) is None


async def test_a_session_expires_only_when_it_is_due(book, ledger):
    await ledger.hold(wish(lasts=100.0))
    book.advance(44)
    assert (await ledger.step("s", "expire", "no_proof")).phase == "reserved"
    live = await ledger.step("s", "capture")
    book.advance(99)
    assert await ledger.step("s", "expire", "time_over") == live
    book.advance(1)
    ending = await ledger.step("s", "expire", "time_over")
    assert (ending.phase, ending.reason) == ("ending", "time_over")


async def test_a_session_without_an_end_never_expires(book, ledger):
    live = await bring(ledger, "live")
    book.advance(1_000_000)
    assert await ledger.step("s", "expire") == live
    assert await ledger.due() == ()
    assert not await ledger.unsettled()


async def test_a_step_of_no_session_is_none(ledger):
    assert await ledger.step("nobody", "capture") is None
    assert await ledger.find("nobody") is None


# tried


@pytest.mark.parametrize("phase", ["closing", "ending"])
async def test_what_could_not_be_hung_up_is_due_again_later_each_time_and_then_settled_as_it_is(
    book, ledger, phase
):
    was = await bring(ledger, phase)
    closed, waits = book.now, []
    while (hold := await ledger.tried("s", (), 300.0)).ended is None:
        assert hold == replace(was, again=hold.again) == await ledger.find("s")
        waits.append(hold.again - book.now)
        assert await ledger.due() == ()
        book.advance(waits[-1])
        assert await ledger.due() == (hold,)
    assert waits[:6] == [2, 2, 4, 8, 16, 32]
    assert max(waits) == 60
    assert book.now == closed + 300
    assert (hold.phase, hold.due, hold.again) == (
        {"closing": "released", "ending": "over"}[phase],
        None,
        None,
    )
    assert await book.kinds() == ["reserve", {"closing": "release", "ending": "capture"}[phase]]
    assert (await ledger.balance("owner")).reserved == 0
    assert not await ledger.unsettled()
    assert await ledger.tried("s", (), 300.0) == hold


@pytest.mark.parametrize("phase", ["reserved", "live"])
async def test_what_could_not_even_be_closed_is_due_again_later_and_never_given_up(book, ledger, phase):
    was = await bring(ledger, phase, lasts=30.0)
    assert await ledger.tried("s", (), 300.0) == was
    book.advance(30)
    assert await ledger.tried("s", (), 300.0) == replace(was, again=book.now + 2)
    book.advance(1000)
    assert (await ledger.tried("s", (), 300.0)).again == book.now + 60
    assert (await ledger.step("s", "expire")).again is None


@pytest.mark.parametrize("phase", ["over", "released"])
async def test_of_what_is_settled_nothing_is_tried_again(ledger, phase):
    was = await bring(ledger, phase)
    assert await ledger.tried("s", (), 0.0) == was
    assert await ledger.tried("nobody", (), 0.0) is None


async def test_a_proof_that_comes_after_the_first_try_leaves_nothing_to_be_tried(book, ledger):
    await bring(ledger, "reserved")
    book.advance(30)
    await ledger.tried("s", (), 300.0)
    assert (await ledger.step("s", "capture")).again is None
    assert not await ledger.unsettled()


async def test_however_many_cannot_be_ended_what_is_due_after_them_is_reached(book, ledger):
    await ledger.grant("owner", 1000)
    for number in range(150):
        await bring(ledger, "closing", f"s{number}", f"rtc_{number}")
    await ledger.hold(wish("other", within=0.0))
    for _ in range(2):
        for hold in await ledger.due():
            if hold.session != "other":
                await ledger.tried(hold.session, (), 300.0)
    assert [hold.session for hold in await ledger.due()] == ["other"]


# calls that are to be hung up


async def test_a_call_that_was_replaced_is_due_until_it_is_known_to_be_hung_up(book, ledger):
    live = await bring(ledger, "live")
    await ledger.renew("s", "rtc_2", 60.0)
    renewed = await ledger.renew("s", "rtc_3", 60.0)
    assert [each.call_id for each in renewed.former] == ["rtc_1", "rtc_2"]
    assert await ledger.unsettled()
    assert await ledger.due() == ()
    book.advance(10)
    assert await ledger.due() == (renewed,)

    tried = await ledger.tried("s", {"rtc_2", "rtc_9"}, 300.0)
    assert tried.former == (Former("rtc_1", book.now - 10),)
    assert tried.again == book.now + 10
    assert await ledger.due() == ()
    assert await ledger.tried("s", {"rtc_1"}, 300.0) == replace(live, call_id="rtc_3")
    assert not await ledger.unsettled()


async def test_a_call_that_cannot_be_hung_up_is_tried_no_longer_than_it_may_be(book, ledger):
    live = await bring(ledger, "live")
    await ledger.renew("s", "rtc_2", 60.0)
    book.advance(299)
    assert (await ledger.tried("s", (), 300.0)).again == book.now + 1
    book.advance(1)
    assert await ledger.tried("s", (), 300.0) == replace(live, call_id="rtc_2")


@pytest.mark.parametrize("phase", ["reserved", "live"])
async def test_a_call_that_is_to_be_hung_up_puts_no_end_off(book, ledger, phase):
    await bring(ledger, phase, lasts=30.0)
    book.advance(1)
    await ledger.renew("s", "rtc_2", 60.0)
    assert (await ledger.tried("s", (), 300.0)).again == book.now + 2
    book.advance(27)
    hold = await ledger.tried("s", (), 300.0)
    assert hold.again == hold.due == book.now + 2
    book.advance(2)
    assert await ledger.due() == (hold,)
    closed = await ledger.step("s", "expire")
    assert (closed.former, closed.again) == (hold.former, None)


@pytest.mark.parametrize("phase", ["reserved", "live"])
@pytest.mark.parametrize("hung_up", [(), ("rtc_1",)])
async def test_an_end_that_comes_while_a_call_is_being_hung_up_is_due_at_once(book, ledger, phase, hung_up):
    await bring(ledger, phase, lasts=30.0)
    await ledger.renew("s", "rtc_2", 60.0)
    book.advance(30)
    hold = await ledger.tried("s", hung_up, 300.0)
    assert await ledger.due() == (hold,)


@pytest.mark.parametrize("phase", PHASES)
async def test_a_call_that_nobody_is_to_have_is_due_soon_whatever_the_session_is(book, ledger, phase):
    was = await bring(ledger, phase)
    left = await ledger.leave("s", "rtc_9")
    assert left.former == (Former("rtc_9", book.now),)
    assert await ledger.leave("s", "rtc_9") == left == await ledger.find("s")
    assert await ledger.leave("nobody", "rtc_9") is None
    book.advance(10)
    assert await ledger.due() == (left,)
    assert (await ledger.tried("s", {"rtc_9"}, 300.0)).former == ()
    assert (await ledger.find("s")).phase == was.phase
    assert await ledger.live("app") == (phase not in ("over", "released"))


@pytest.mark.parametrize("phase", PHASES)
async def test_the_call_that_a_session_has_is_not_one_that_it_left(ledger, phase):
    was = await bring(ledger, phase)
    assert await ledger.leave("s", "rtc_1") == was


@pytest.mark.parametrize("phase", ["closing", "ending"])
async def test_a_call_that_is_left_while_its_session_ends_outlives_it(book, ledger, phase):
    await bring(ledger, phase)
    await ledger.leave("s", "rtc_9")
    settled = await ledger.step("s", "settle")
    assert (settled.former, settled.again) == ((Former("rtc_9", book.now),), book.now + 10)
    assert await ledger.unsettled()
    await ledger.tried("s", {"rtc_9"}, 300.0)
    assert not await ledger.unsettled()


# close_app


@pytest.mark.parametrize(
    ("phase", "then", "closed"),
    [
        ("reserved", "closing", 1),
        ("live", "ending", 1),
        ("ending", "ending", 0),
        ("closing", "closing", 0),
        ("over", "over", 0),
        ("released", "released", 0),
    ],
)
async def test_an_app_that_is_closed_has_its_sessions_due_at_once(book, ledger, phase, then, closed):
    was = await bring(ledger, phase)
    book.advance(3)
    assert await ledger.close_app("app") == closed
    hold = await ledger.find("s")
    barred = replace(was, reason="app_revoked") if phase in ("ending", "over") else was
    assert hold == (replace(was, phase=then, reason="app_revoked", due=book.now) if closed else barred)
    assert await ledger.renew("s", "rtc_2", 60.0) is None
    assert await ledger.due() == ((hold,) if then in ("closing", "ending") else ())
    assert await ledger.close_app("app") == 0
    await ledger.step("s", "settle")
    assert await ledger.renew("s", "rtc_2", 60.0) is None


async def test_closing_an_app_leaves_what_was_charged_and_every_other_app(book, ledger):
    await bring(ledger, "live", "a", "rtc_a")
    await bring(ledger, "reserved", "b", "rtc_b")
    other = await bring(ledger, "live", "c", "rtc_c", app="other")
    assert await ledger.close_app("app") == 2
    assert await ledger.close_app("nobody's") == 0
    for name in "ab":
        await ledger.step(name, "settle")
    assert await ledger.find("c") == other
    assert await ledger.balance("owner") == Balance(100, 0, 10)
    assert await book.kinds("b") == ["reserve", "release"]


# what is due


async def test_what_is_due_comes_longest_due_first_and_nothing_before_its_time(book, ledger):
    for name, within in (("a", 30.0), ("b", 10.0), ("c", 20.0), ("d", 40.0)):
        await ledger.hold(wish(name, within=within))
    book.advance(30)
    assert [hold.session for hold in await ledger.due()] == ["b", "c", "a"]
    await ledger.step("c", "expire")
    await ledger.step("b", "expire")
    await ledger.step("b", "settle")
    assert [(hold.session, hold.phase) for hold in await ledger.due()] == [
        ("a", "reserved"),
        ("c", "closing"),
    ]


async def test_no_more_is_due_at_once_than_a_sweep_can_manage(book, ledger):
    await ledger.grant("owner", 1000)
    for number in range(105):
        await ledger.hold(wish(f"s{number}", within=float(number)))
    book.advance(1000)
    first = await ledger.due()
    assert [hold.session for hold in first] == [f"s{number}" for number in range(100)]
    for hold in first:
        await ledger.step(hold.session, "expire")
        await ledger.step(hold.session, "settle")
    assert [hold.session for hold in await ledger.due()] == [f"s{number}" for number in range(100, 105)]


@pytest.mark.parametrize("phase", PHASES)
async def test_a_session_that_will_ever_be_due_is_unsettled(ledger, phase):
    assert not await ledger.unsettled()
    await bring(ledger, phase, lasts=1800.0)
    assert await ledger.unsettled() == (phase not in ("over", "released"))


# leases


async def test_a_task_is_one_holders_until_its_time_is_over(book, ledger):
    assert await ledger.lease("sweep", "one", 10.0)
    assert not await ledger.lease("sweep", "two", 10.0)
    assert await ledger.lease("another", "two", 10.0)
    book.advance(9)
    assert not await ledger.lease("sweep", "two", 10.0)
    book.advance(1)
    assert await ledger.lease("sweep", "two", 10.0)
    assert not await ledger.lease("sweep", "one", 10.0)


async def test_asking_again_prolongs_a_lease(book, ledger):
    await ledger.lease("sweep", "one", 10.0)
    book.advance(9)
    assert await ledger.lease("sweep", "one", 10.0)
    book.advance(9)
    assert not await ledger.lease("sweep", "two", 10.0)


# many at once


async def test_many_at_once_reserve_what_there_is_and_no_more(ledger):
    answers = await asyncio.gather(*(ledger.hold(wish(f"s{number}")) for number in range(40)))
    assert sum(answer == Lacking("credits") for answer in answers) == 20
    assert await ledger.balance("owner") == Balance(100, 100, 0)


async def test_many_at_once_are_as_many_as_may_stand(ledger):
    answers = await asyncio.gather(*(ledger.hold(wish(f"s{number}", max_live=3)) for number in range(40)))
    assert sum(answer == Lacking("live") for answer in answers) == 37
    assert await ledger.live("app") == 3
    assert (await ledger.balance("owner")).reserved == 15


async def test_many_renewed_at_once_beside_new_ones_are_as_many_as_may_stand(ledger):
    for number in range(10):
        await bring(ledger, "over", f"s{number}", f"rtc_{number}")
    answers = await asyncio.gather(
        *(ledger.renew(f"s{number}", f"again_{number}", 60.0, max_live=3) for number in range(10)),
        *(ledger.hold(wish(f"t{number}", max_live=3)) for number in range(10)),
    )
    assert sum(answer == Lacking("live") for answer in answers) == 17
    assert await ledger.live("app") == 3


async def test_many_at_once_with_one_key_are_one_session(ledger):
    wishes = [wish(f"s{number}", key="k") for number in range(20)]
    answers = await asyncio.gather(*map(ledger.hold, wishes))
    assert len({answer.session for answer in answers}) == 1
    assert (await ledger.balance("owner")).reserved == 5


async def test_many_proofs_at_once_capture_once(book, ledger):
    await ledger.hold(wish())
    holds = await asyncio.gather(*(ledger.step("s", "capture") for _ in range(20)))
    assert all(hold == holds[0] for hold in holds)
    assert await book.kinds() == ["reserve", "capture"]
    assert await ledger.balance("owner") == Balance(100, 0, 5)


async def test_proof_and_end_at_once_leave_a_session_that_was_either_charged_or_let_go(book, ledger):
    for number in range(10):
        name = f"s{number}"
        await ledger.hold(wish(name))
        steps = ["capture", "close", "settle", "capture", "settle"]
        await asyncio.gather(*(ledger.step(name, step) for step in steps))
        await ledger.step(name, "settle")
        hold = await ledger.find(name)
        last = {"over": "capture", "released": "release"}[hold.phase]
        assert await book.kinds(name) == ["reserve", last]
    balance = await ledger.balance("owner")
    assert (balance.reserved, balance.captured % 5) == (0, 0)


@pytest.mark.parametrize("phase", ["reserved", "live"])
async def test_an_end_stays_whatever_else_is_asked_at_the_same_moment(ledger, phase):
    for number in range(10):
        name = f"s{number}"
        hold = await ledger.hold(wish(name))
        if phase == "live":
            hold = await bring(ledger, "live", name, f"rtc_{name}")
        others = [ledger.answered(name, f"rtc_{name}_{each}", 30.0) for each in range(3)]
        others += [ledger.renew(name, f"rtc_{name}_{each}", 60.0) for each in range(3)]
        *_, ended = await asyncio.gather(*others, ledger.step(name, "close"))
        assert ended.phase == {"reserved": "closing", "live": "ending"}[hold.phase]
        assert (await ledger.find(name)).phase == ended.phase


async def test_one_of_many_at_once_gets_a_call_and_the_others_are_told(ledger):
    names = [f"s{number}" for number in range(10)]
    for name in names:
        await ledger.hold(wish(name))
    asked = (ledger.answered(name, "rtc_1", 30.0) for name in names)
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, DuplicateCall) for answer in answers) == 9
    assert [hold.call_id for hold in [await ledger.find(name) for name in names]].count("rtc_1") == 1


async def test_many_at_once_want_a_lease_and_one_gets_it(ledger):
    asked = (ledger.lease("sweep", f"node-{number}", 10.0) for number in range(20))
    assert (await asyncio.gather(*asked)).count(True) == 1


async def test_it_is_ready_and_can_be_closed_twice(ledger):
    await ledger.ready()
    await ledger.close()
    await ledger.close()
