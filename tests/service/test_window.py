"""The rolling window: exact in every stretch, and a slot that is given back is as though it had never been taken."""

from hypothesis import given
from hypothesis import strategies as st

from genmb_voice_widget.service.policy import Rate
from genmb_voice_widget.service.window import Full, MemoryWindow, Taken

RATE = Rate(5, 100.0)
# Quarters of a second add up without rounding, so that the edges of the window are hit exactly.
PAUSES = st.integers(0, 240).map(lambda quarters: quarters / 4)


def run(coroutine):
    """Drive a coroutine that never waits for anything."""
    try:
        coroutine.send(None)
    except StopIteration as result:
        return result.value
    raise AssertionError("it waited")


@given(st.lists(st.tuples(PAUSES, st.booleans())))
def test_no_stretch_of_the_windows_length_ever_holds_more_than_the_limit(steps):
    now, kept = 0.0, []
    window = MemoryWindow(lambda: now)
    for number, (pause, give_back) in enumerate(steps):
        now += pause
        if give_back and kept:
            run(window.give_back("app", kept.pop()[0]))
            continue
        admitted = run(window.take("app", str(number), RATE))
        recent = [at for _, at in kept if now - at < RATE.seconds]
        assert isinstance(admitted, Taken) == (len(recent) < RATE.sessions)
        if isinstance(admitted, Taken):
            kept.append((str(number), now))
    times = [at for _, at in kept]
    assert all(sum(start <= at < start + RATE.seconds for at in times) <= RATE.sessions for start in times)


@given(st.lists(PAUSES, min_size=5, max_size=40))
def test_when_it_says_come_back_there_is_a_slot_and_a_moment_before_there_is_none(pauses):
    now = 0.0
    window = MemoryWindow(lambda: now)
    for number, pause in enumerate(pauses):
        now += pause
        answer = run(window.take("app", str(number), RATE))
        if isinstance(answer, Full):
            asked = now
            now = asked + answer.retry_after - 0.125
            assert isinstance(run(window.take("app", "too early", RATE)), Full)
            now = asked + answer.retry_after
            assert isinstance(run(window.take("app", f"{number} again", RATE)), Taken)


async def test_a_slot_that_is_given_back_is_free_at_once_and_only_once(clock):
    window = MemoryWindow(clock)
    for number in range(5):
        await window.take("app", str(number), RATE)
    assert isinstance(await window.take("app", "late", RATE), Full)
    await window.give_back("app", "2")
    await window.give_back("app", "2")
    await window.give_back("app", "never taken")

    assert isinstance(await window.take("app", "late", RATE), Taken)
    assert isinstance(await window.take("app", "later", RATE), Full)


async def test_an_entry_that_asks_again_keeps_its_slot_and_takes_no_second(clock):
    window = MemoryWindow(clock)
    for _ in range(9):
        assert isinstance(await window.take("app", "same", RATE), Taken)

    assert await window.ages("app", RATE) == (0.0,)


async def test_apps_do_not_share_their_slots(clock):
    window = MemoryWindow(clock)
    for number in range(5):
        await window.take("one", str(number), RATE)

    assert isinstance(await window.take("one", "more", RATE), Full)
    assert isinstance(await window.take("another", "more", RATE), Taken)


async def test_what_has_left_the_window_leaves_the_memory(clock):
    window = MemoryWindow(clock)
    for number in range(200):
        await window.take(f"app {number}", "one", RATE)
        await window.take("busy", str(number), RATE)
        clock.advance(RATE.seconds)
        await window.ages(f"app {number}", RATE)

    assert await window.ages("busy", RATE) == ()
    assert not window._taken
