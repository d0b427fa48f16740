"""What the account in memory does and the others do not: it forgets, and it may be without a limit."""

from harness.ledgers import BEGINNING, wish

from genmb_voice_widget.service.ledger import Balance, Lacking
from genmb_voice_widget.service.ledger.memory import ENTRIES, MemoryLedger


class Clock:
    now = BEGINNING

    def __call__(self):
        return self.now


async def test_where_there_is_no_limit_nothing_is_lacking_and_a_grant_sets_none():
    ledger = MemoryLedger(Clock())
    for name in "ab":
        await ledger.hold(wish(name, credits=1_000_000))
        await ledger.step(name, "capture")
    assert await ledger.grant("owner", 5) == Balance(None, 0, 2_000_000)
    assert (await ledger.balance("owner")).available is None
    assert [entry.kind for entry in ledger.entries].count("grant") == 1


async def test_every_owner_begins_with_what_the_ledger_was_told():
    ledger = MemoryLedger(Clock(), 4)
    assert await ledger.hold(wish()) == Lacking("credits")
    assert await ledger.grant("owner", 1) == Balance(5, 0, 0)
    assert (await ledger.hold(wish())).phase == "reserved"


async def test_a_session_is_forgotten_an_hour_after_it_was_over_with_its_key_and_its_calls():
    clock = Clock()
    ledger = MemoryLedger(clock, 100)
    await ledger.hold(wish(key="k"))
    await ledger.answered("s", "rtc_1", 30.0)
    for step in ("capture", "close", "settle"):
        await ledger.step("s", step)
    clock.now += 3600
    assert (await ledger.hold(wish("t", key="k"))).session == "s"
    clock.now += 1
    assert (await ledger.hold(wish("t", key="k"))).session == "t"
    assert await ledger.find("s") is None
    assert (await ledger.answered("t", "rtc_1", 30.0)).call_id == "rtc_1"
    assert await ledger.balance("owner") == Balance(100, 5, 5)


async def test_a_session_that_was_live_again_is_remembered_from_its_second_end():
    clock = Clock()
    ledger = MemoryLedger(clock, 100)
    await ledger.hold(wish())
    for step in ("capture", "close", "settle"):
        await ledger.step("s", step)
    await ledger.renew("s", "rtc_1", 60.0)
    clock.now += 3000
    for step in ("close", "settle"):
        await ledger.step("s", step)
    clock.now += 3000
    await ledger.hold(wish("t"))
    assert (await ledger.find("s")).phase == "over"


async def test_it_keeps_the_newest_entries_and_exact_balances():
    ledger = MemoryLedger(Clock(), 0)
    for _ in range(ENTRIES + 10):
        await ledger.grant("owner", 1)
    await ledger.hold(wish())
    assert len(ledger.entries) == ENTRIES
    assert [entry.kind for entry in ledger.entries[-2:]] == ["grant", "reserve"]
    assert await ledger.balance("owner") == Balance(ENTRIES + 10, 5, 0)
