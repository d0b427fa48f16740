"""Any calls in any order, on every ledger, against the plainest possible book-keeping."""

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from harness.ledgers import BEGINNING, MemoryBook, PostgresBook, SqliteBook, wish
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from genmb_voice_widget.service.ledger import DuplicateCall, Lacking

pytest_plugins = ["harness.postgres_plugin"]

APPS = {"one": "ann", "two": "ann", "three": "bob"}
SESSIONS = st.integers(0, 9).map("s{}".format)
CALLS = st.integers(0, 9).map("rtc_{}".format)
GRACE = 60.0


@dataclass
class Line:
    """What the model knows of one session."""

    app: str
    key: str | None
    credits: int
    lasts: float | None
    due: float | None
    phase: str = "reserved"
    call: str | None = None
    answered: bool = False
    began: float | None = None
    ended: float | None = None
    again: float | None = None
    barred: bool = False
    former: dict[str, float] = field(default_factory=dict)

    @property
    def look(self):
        return self.due if self.again is None else self.again


class Account(RuleBasedStateMachine):
    """Made for one ledger by `prove`, which gives it `make`."""

    held = Bundle("held")

    def __init__(self):
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.book = self.make()
        self.now = BEGINNING
        self.granted = dict.fromkeys(("ann", "bob"), 0)
        self.lines: dict[str, Line] = {}
        self.keys: dict[tuple[str, str], str] = {}
        self.calls: dict[str, str] = {}
        self.leases: dict[str, tuple[str, float]] = {}
        self.written: list[tuple] = []

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def teardown(self):
        self.run(self.book.close())
        self.loop.close()

    def available(self, owner):
        mine = [line for line in self.lines.values() if APPS[line.app] == owner and line.phase != "released"]
        return self.granted[owner] - sum(line.credits for line in mine)

    def standing(self, app):
        return sum(line.app == app and line.ended is None for line in self.lines.values())

    @initialize(credits=st.integers(1, 60))
    def open_an_account(self, credits):
        self.grant("ann", credits)

    @rule(owner=st.sampled_from(("ann", "bob")), credits=st.integers(1, 30))
    def grant(self, owner, credits):
        balance = self.run(self.book.ledger.grant(owner, credits))
        self.granted[owner] += credits
        self.written.append(("grant", None, owner, credits))
        assert (balance.granted, balance.available) == (self.granted[owner], self.available(owner))

    @rule(
        target=held,
        name=SESSIONS,
        app=st.sampled_from(sorted(APPS)),
        credits=st.integers(0, 20),
        key=st.one_of(st.none(), st.sampled_from("kl")),
        max_live=st.one_of(st.none(), st.integers(1, 4)),
        lasts=st.sampled_from((None, 30.0, 90.0)),
    )
    def hold(self, name, app, credits, key, max_live, lasts):
        asked = wish(
            name,
            app=app,
            owner=APPS[app],
            credits=credits,
            key=key,
            max_live=max_live,
            lasts=lasts,
            within=30.0,
        )
        answer = self.run(self.book.ledger.hold(asked))
        known = name if name in self.lines else self.keys.get((app, key)) if key else None
        if known:
            assert answer.session == known
        elif max_live is not None and self.standing(app) >= max_live:
            assert answer == Lacking("live")
        elif self.available(APPS[app]) < credits:
            assert answer == Lacking("credits")
        else:
            assert answer.session == name
            self.lines[name] = Line(app, key, credits, lasts, self.now + 30)
            self.written.append(("reserve", name, APPS[app], credits))
            if key:
                self.keys[app, key] = name
        return name if name in self.lines else multiple()

    @rule(name=held, call=st.one_of(st.none(), CALLS))
    def answered(self, name, call):
        line = self.lines.get(name)
        if line is None:
            with pytest.raises(KeyError):
                self.run(self.book.ledger.answered(name, call, 30.0))
        elif line.phase != "reserved" or line.answered:
            self.run(self.book.ledger.answered(name, call, 30.0))
        elif self.calls.get(call, name) != name:
            with pytest.raises(DuplicateCall):
                self.run(self.book.ledger.answered(name, call, 30.0))
        else:
            self.run(self.book.ledger.answered(name, call, 30.0))
            line.answered, line.call, line.due = True, call, self.now + 30
            self.take(call, name)

    @rule(name=held, call=st.one_of(st.none(), CALLS), max_live=st.sampled_from((None, 1, 2)))
    def renew(self, name, call, max_live):
        line = self.lines.get(name)
        match line and line.phase:
            case "reserved":
                may = line.answered and self.now < line.due
            case "live":
                may = line.due is None or self.now < line.due
            case "over":
                ends = None if line.lasts is None else line.began + line.lasts
                in_time = self.now - line.ended < GRACE and (ends is None or self.now < ends)
                may = in_time and not line.barred
            case _:
                may = False
        full = may and line.ended is not None and max_live is not None and self.standing(line.app) >= max_live
        if may and not full and self.calls.get(call, name) != name:
            with pytest.raises(DuplicateCall):
                self.run(self.book.ledger.renew(name, call, GRACE, max_live))
            return
        renewed = self.run(self.book.ledger.renew(name, call, GRACE, max_live))
        if not may:
            assert renewed is None
            return
        if full:
            assert renewed == Lacking("live")
            return
        if line.phase == "over":
            line.phase, line.ended, line.due = "live", None, ends
        line.former.pop(call, None)
        if line.call not in (None, call):
            line.former[line.call] = self.now
        line.call = call
        self.take(call, name)
        self.soon(line)

    @rule(name=held, call=CALLS)
    def leave(self, name, call):
        hold = self.run(self.book.ledger.leave(name, call))
        line = self.lines.get(name)
        if line is None:
            assert hold is None
        elif call != line.call and call not in line.former:
            line.former[call] = self.now
            self.soon(line)

    def soon(self, line):
        look, line.again = line.look, None
        if line.former:
            line.again = self.now + 10 if look is None else min(self.now + 10, look)

    def take(self, call, name):
        if call is not None:
            self.calls[call] = name

    @rule(name=held, step=st.sampled_from(("capture", "close", "expire", "settle")))
    def step(self, name, step):
        hold = self.run(self.book.ledger.step(name, step))
        line = self.lines.get(name)
        if line is None:
            assert hold is None
            return
        late = line.due is not None and line.due <= self.now
        before = line.phase
        match line.phase, step:
            case "reserved", "capture":
                line.phase, line.began = "live", self.now
                line.due = None if line.lasts is None else self.now + line.lasts
                self.written.append(("capture", name, APPS[line.app], line.credits))
            case (("reserved" | "live"), ("close" | "expire")) if step == "close" or late:
                line.phase = {"reserved": "closing", "live": "ending"}[line.phase]
                line.due = self.now
            case (("closing" | "ending"), "settle"):
                self.end(name, line)
        if line.phase != before:
            line.again = None
            if line.phase not in ("closing", "ending"):
                self.soon(line)
        assert hold.phase == line.phase

    @rule(name=held, hung_up=st.sets(CALLS))
    def tried(self, name, hung_up):
        hold = self.run(self.book.ledger.tried(name, hung_up, 120.0))
        line = self.lines.get(name)
        if line is None:
            assert hold is None
            return
        left = {call: at for call, at in line.former.items() if call not in hung_up and at > self.now - 120}
        some, line.former = bool(line.former), left
        late = line.due is not None and line.due <= self.now
        ends = line.phase in ("closing", "ending")
        if late and ends and self.now - line.due >= 120.0:
            self.end(name, line)
            self.soon(line)
            return
        if late and not ends and some:
            line.again = None
            return
        begun = [*left.values(), *[line.due] * late]
        last = [at + 120.0 for at in (*left.values(), *[line.due] * (late and ends))]
        soonest = [line.due] * (line.due is not None and not late)
        pauses = [self.now + min(max(self.now - at, 2.0), 60.0) for at in begun]
        line.again = min(max(pauses), *last, *soonest, float("inf")) if begun else None

    def end(self, name, line):
        if line.phase == "closing":
            if line.key is not None:
                del self.keys[line.app, line.key]
                line.key = None
            self.written.append(("release", name, APPS[line.app], line.credits))
        line.phase = {"closing": "released", "ending": "over"}[line.phase]
        line.ended, line.due, line.again = self.now, None, None

    @rule(app=st.sampled_from(sorted(APPS)))
    def close_app(self, app):
        mine = [
            line for line in self.lines.values() if line.app == app and line.phase in ("reserved", "live")
        ]
        for line in mine:
            line.phase, line.due, line.again = "closing" if line.began is None else "ending", self.now, None
        for line in self.lines.values():
            line.barred |= line.app == app and line.phase in ("ending", "over")
        assert self.run(self.book.ledger.close_app(app)) == len(mine)

    @rule(name=held, call=st.one_of(st.none(), CALLS), max_live=st.sampled_from((None, 1, 2)))
    def talk_and_come_back(self, name, call, max_live):
        """A whole life in one go: drawn one by one, few are over while they may still be renewed."""
        for step in ("capture", "close", "settle"):
            self.step(name, step)
        self.renew(name, call, max_live)

    @rule(name=st.sampled_from("xy"), holder=st.sampled_from("ab"), seconds=st.sampled_from((5.0, 50.0)))
    def lease(self, name, holder, seconds):
        whose, until = self.leases.get(name, (holder, 0.0))
        may = whose == holder or until <= self.now
        assert self.run(self.book.ledger.lease(name, holder, seconds)) == may
        if may:
            self.leases[name] = holder, self.now + seconds

    @rule(seconds=st.sampled_from((1.0, 29.0, 30.0, 59.0, 60.0)))
    def pass_time(self, seconds):
        self.now += seconds
        self.book.advance(seconds)

    @precondition(lambda self: hasattr(self.book, "reopen"))
    @rule()
    def reopen(self):
        self.run(self.book.reopen())

    @invariant()
    def every_session_is_as_the_model_has_it(self):
        for name, line in self.lines.items():
            hold = self.run(self.book.ledger.find(name))
            shown = hold.app, hold.key, hold.credits, hold.lasts, hold.due, hold.phase, hold.call_id
            assert shown == (line.app, line.key, line.credits, line.lasts, line.due, line.phase, line.call)
            assert (hold.again, dict(hold.former)) == (line.again, line.former)
            assert (hold.answered is not None, hold.began, hold.ended) == (
                line.answered,
                line.began,
                line.ended,
            )

    @invariant()
    def the_sums_are_those_of_the_sessions_and_never_more_than_was_granted(self):
        for owner in ("ann", "bob"):
            balance = self.run(self.book.ledger.balance(owner))
            mine = [line for line in self.lines.values() if APPS[line.app] == owner]
            assert balance.granted == self.granted[owner]
            assert balance.reserved == sum(
                each.credits for each in mine if each.phase in ("reserved", "closing")
            )
            assert balance.captured == sum(each.credits for each in mine if each.began is not None)
            assert balance.available == self.available(owner) >= 0

    @invariant()
    def the_entries_are_what_has_happened_in_that_order(self):
        entries = self.run(self.book.entries())
        assert [(each.kind, each.session, each.owner, each.credits) for each in entries] == self.written

    @invariant()
    def what_is_due_is_what_is_late(self):
        late = {name for name, line in self.lines.items() if line.look is not None and line.look <= self.now}
        due = self.run(self.book.ledger.due())
        assert {hold.session for hold in due} == late
        looks = [self.lines[hold.session].look for hold in due]
        assert looks == sorted(looks)
        ever = any(line.look is not None for line in self.lines.values())
        assert self.run(self.book.ledger.unsettled()) == ever
        for app in APPS:
            assert self.run(self.book.ledger.live(app)) == self.standing(app)
        assert self.run(self.book.ledger.standing()) == sum(map(self.standing, APPS))


def prove(make, examples):
    kind = type("Account", (Account,), {"make": staticmethod(make)})
    ours = settings(max_examples=examples, stateful_step_count=40, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(kind, settings=ours)


def test_whatever_is_asked_in_whatever_order_memory_keeps_the_books():
    prove(MemoryBook, 100)


def test_whatever_is_asked_in_whatever_order_sqlite_keeps_the_books():
    with tempfile.TemporaryDirectory() as folder:
        numbers = iter(range(1_000_000))
        prove(lambda: SqliteBook(Path(folder) / f"{next(numbers)}.db"), 30)


def test_whatever_is_asked_in_whatever_order_postgres_keeps_the_books(postgres):
    prove(lambda: PostgresBook(postgres), 6)
