"""The account: whatever happens in whatever order, the sums are exact and nothing is captured twice."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from genmb_voice_widget.service.ledger import MONEY, DuplicateCall, Hold, MemoryLedger

APPS = ("one", "two")
STEPS = ("capture", "close", "expire", "settle")


def run(coroutine):
    """Drive a coroutine that never waits for anything."""
    try:
        coroutine.send(None)
    except StopIteration as result:
        return result.value
    raise AssertionError("it waited")


def hold(session="s", app="one", credits=5, due=30.0, provider="here"):
    return Hold(session, app, provider, "webrtc", credits, due)


class Account(RuleBasedStateMachine):
    """Any calls in any order, against the plainest possible book-keeping: what was reserved and what became of it."""

    sessions = Bundle("sessions")

    @initialize(granted=st.one_of(st.none(), st.integers(0, 60)))
    def open_account(self, granted):
        self.now = 0.0
        self.granted = granted
        self.ledger = MemoryLedger(lambda: self.now, granted)
        self.model: dict[str, Hold] = {}
        self.seen: tuple = ()

    @rule(
        target=sessions,
        name=st.integers(0, 12).map(str),
        app=st.sampled_from(APPS),
        credits=st.integers(0, 20),
    )
    def hold(self, name, app, credits):
        before = run(self.ledger.balance(app)).available
        held = run(self.ledger.hold(hold(name, app, credits, self.now + 30)))
        if name in self.model:
            assert held
        else:
            assert held == (before is None or before >= credits)
            if held:
                self.model[name] = run(self.ledger.find(name))
        return name

    @rule(name=sessions, step=st.sampled_from(STEPS))
    def step(self, name, step):
        moved = run(self.ledger.step(name, step))
        if name not in self.model:
            assert moved is None
            return
        was = self.model[name]
        allowed = {
            ("reserved", "capture"): "live",
            ("reserved", "close"): "closing",
            ("closing", "settle"): "released",
            ("live", "close"): "ending",
            ("ending", "settle"): "over",
        }
        if (was.phase, step) == ("reserved", "expire"):
            assert moved.phase == ("closing" if self.now >= was.due else "reserved")
        else:
            assert moved.phase == allowed.get((was.phase, step), was.phase)
        self.model[name] = moved

    @rule(name=sessions, call=st.integers(0, 12).map(lambda number: f"rtc_{number}"))
    def answered(self, name, call):
        if name not in self.model:
            return
        taken = any(other.call_id == call for key, other in self.model.items() if key != name)
        was = self.model[name]
        if taken and was.phase == "reserved" and was.call_id is None:
            with pytest.raises(DuplicateCall):
                run(self.ledger.answered(name, call, self.now + 30))
        else:
            now = self.model[name] = run(self.ledger.answered(name, call, self.now + 30))
            assert now == was or (was.phase, was.call_id, now.call_id) == ("reserved", None, call)

    @rule(seconds=st.sampled_from((1.0, 29.0, 30.0, 300.0)))
    def pass_time(self, seconds):
        self.now += seconds

    @invariant()
    def the_sums_are_those_of_the_holds_and_never_exceed_what_was_granted(self):
        for app in APPS:
            balance = run(self.ledger.balance(app))
            mine = [each for each in self.model.values() if each.app == app]
            assert balance.reserved == sum(each.credits for each in mine if each.money == "reserved")
            assert balance.captured == sum(each.credits for each in mine if each.money == "captured")
            if self.granted is not None:
                assert 0 <= balance.available == self.granted - balance.reserved - balance.captured

    @invariant()
    def each_session_has_one_reserve_entry_and_at_most_one_more_and_entries_only_grow(self):
        entries = self.ledger.entries
        assert entries[: len(self.seen)] == self.seen
        self.seen = entries
        for name, each in self.model.items():
            kinds = [entry.kind for entry in entries if entry.session == name]
            last = {"captured": ["capture"], "released": ["release"], "reserved": []}[each.money]
            assert kinds == ["reserve", *last]

    @invariant()
    def what_is_due_is_what_is_not_settled_and_late(self):
        late = {name for name, each in self.model.items() if each.due is not None and each.due <= self.now}
        assert {each.session for each in run(self.ledger.due())} == late
        pending = {"reserved", "closing", "ending"}
        assert run(self.ledger.unsettled()) == any(each.phase in pending for each in self.model.values())


Account.TestCase.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestAccount = Account.TestCase


async def test_from_closing_nothing_is_captured_any_more(clock):
    ledger = MemoryLedger(clock)
    await ledger.hold(hold())
    await ledger.step("s", "close", "user")
    late = await ledger.step("s", "capture")

    assert (late.phase, MONEY[late.phase], late.reason) == ("closing", "reserved", "user")


async def test_a_hold_that_the_account_cannot_pay_leaves_no_trace(clock):
    ledger = MemoryLedger(clock, granted=4)

    assert not await ledger.hold(hold(credits=5))
    assert await ledger.find("s") is None
    assert ledger.entries == ()


async def test_an_answer_gives_the_caller_its_own_time(clock):
    ledger = MemoryLedger(clock)
    await ledger.hold(hold(due=clock() + 45))
    clock.advance(14)
    await ledger.answered("s", "rtc_1", clock() + 30)
    clock.advance(29)
    assert await ledger.due() == ()
    clock.advance(1)
    assert [each.session for each in await ledger.due()] == ["s"]


async def test_two_providers_may_number_their_calls_alike(clock):
    ledger = MemoryLedger(clock)
    for provider in ("here", "there"):
        await ledger.hold(hold(provider, provider=provider))
        assert (await ledger.answered(provider, "rtc_1", 30.0)).call_id == "rtc_1"
