"""The rolling window, in memory and in Redis alike: exact in every stretch, and a slot given back was never taken."""

import asyncio
import itertools
from contextlib import ExitStack
from types import SimpleNamespace

import pytest
import redis
from harness.redis_server import redis_server
from hypothesis import given
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.policy import Rate
from genmb_voice_widget.service.window import Full, MemoryWindow, Taken
from genmb_voice_widget.service.window import redis as window_redis

RATE = Rate(5, 100.0)
# Quarters of a second add up without rounding, so that the edges of the window are hit exactly.
PAUSES = st.integers(0, 240).map(lambda quarters: quarters / 4)
# What a machine runs by: seconds since it was started, or since 1970, when microseconds have sixteen digits.
START = {"memory": 1_000_000.0, "redis": 1_764_000_000.0}
CLOCK = "redis.call('TIME')"
SET_BY_HAND = "redis.call('HMGET', 'the clock of the tests', 'seconds', 'microseconds')"


class Subject:
    """A window, whose time passes when a test says so, and a loop to ask it in."""

    def __init__(self, runner, window, set_clock, start):
        self._run, self._set_clock = runner.run, set_clock
        self.window = window
        self.now = start
        set_clock(start)

    def advance(self, seconds):
        self.now = round(self.now + seconds, 6)
        self._set_clock(self.now)

    def take(self, log, entry, rate=RATE):
        return self._run(self.window.take(log, entry, rate))

    def give_back(self, log, entry):
        self._run(self.window.give_back(log, entry))

    def ages(self, log, rate=RATE):
        return self._run(self.window.ages(log, rate))

    def all_at_once(self, log, entries, rate=RATE):
        async def together():
            return await asyncio.gather(*(self.window.take(log, entry, rate) for entry in entries))

        return self._run(together())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module", params=["memory", "redis"])
def subject(request):
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        start = START[request.param]
        if request.param == "memory":
            clock = SimpleNamespace(now=start)
            window = MemoryWindow(lambda: clock.now)
            yield Subject(runner, window, lambda now: setattr(clock, "now", now), start)
        else:
            server = request.getfixturevalue("server")
            client = stack.enter_context(redis.Redis.from_url(server.url))

            def set_clock(now):
                moment = {"seconds": int(now), "microseconds": round(now % 1 * 1_000_000)}
                client.hset("the clock of the tests", mapping=moment)

            # Only where the script reads the time is it another one than in production.
            patch = stack.enter_context(pytest.MonkeyPatch.context())
            assert window_redis.SCRIPT.count(CLOCK) == 1
            patch.setattr(window_redis, "SCRIPT", window_redis.SCRIPT.replace(CLOCK, SET_BY_HAND))
            window = window_redis.RedisWindow(Secret(server.url))
            yield Subject(runner, window, set_clock, start)
            runner.run(window.close())


_numbers = itertools.count()


@pytest.fixture
def log():
    return new_log()


def new_log():
    return f"sessions:app {next(_numbers)}"


class Model:
    """The plainest window there is: all that was ever taken, and when."""

    def __init__(self, rate):
        self.rate = rate
        self.taken = {}

    def ages(self, now):
        return tuple(age for at in self.taken.values() if (age := now - at) < self.rate.seconds)

    def take(self, entry, now):
        ages = self.ages(now)
        held = entry in self.taken and now - self.taken[entry] < self.rate.seconds
        if not held and len(ages) >= self.rate.sessions:
            return Full(self.rate.seconds - ages[-self.rate.sessions])
        if not held:
            self.taken.pop(entry, None)
            self.taken[entry] = now
        ages = self.ages(now)
        return Taken(self.rate.sessions - len(ages), self.rate.seconds - ages[0])


STEPS = st.one_of(
    st.tuples(st.just("take"), st.integers(0, 30).map(str)),
    st.tuples(st.just("give_back"), st.integers(0, 30).map(str)),
    st.tuples(st.just("wait"), PAUSES),
)


@given(steps=st.lists(STEPS, max_size=60))
def test_every_answer_is_that_of_a_list_of_all_that_was_ever_taken(subject, steps):
    log, model = new_log(), Model(RATE)
    for what, value in steps:
        if what == "wait":
            subject.advance(value)
        elif what == "give_back":
            subject.give_back(log, value)
            model.taken.pop(value, None)
        else:
            assert subject.take(log, value) == model.take(value, subject.now)
        assert subject.ages(log) == model.ages(subject.now)


@given(steps=st.lists(st.tuples(PAUSES, st.booleans()), max_size=60))
def test_no_stretch_of_the_windows_length_ever_holds_more_than_the_limit(subject, steps):
    log, kept = new_log(), []
    for number, (pause, give_back) in enumerate(steps):
        subject.advance(pause)
        if give_back and kept:
            subject.give_back(log, kept.pop()[0])
        elif isinstance(subject.take(log, str(number)), Taken):
            kept.append((str(number), subject.now))
    times = [at for _, at in kept]
    assert all(sum(start <= at < start + RATE.seconds for at in times) <= RATE.sessions for start in times)


@given(pauses=st.lists(PAUSES, min_size=5, max_size=40))
def test_when_it_says_come_back_there_is_a_slot_and_a_moment_before_there_is_none(subject, pauses):
    log = new_log()
    for number, pause in enumerate(pauses):
        subject.advance(pause)
        answer = subject.take(log, str(number))
        if isinstance(answer, Full):
            subject.advance(answer.retry_after - 0.125)
            assert isinstance(subject.take(log, "too early"), Full)
            subject.advance(0.125)
            assert isinstance(subject.take(log, f"{number} again"), Taken)


@given(pauses=st.lists(PAUSES, max_size=60))
def test_it_admits_exactly_whom_the_moving_window_of_limits_admits(subject, server, pauses):
    log, item = new_log(), RateLimitItemPerSecond(RATE.sessions, int(RATE.seconds))
    # To `limits`, what is as old as the window is long is still in it, to us no more.
    rate = Rate(RATE.sessions, RATE.seconds + 0.125)
    storage = RedisStorage(server.url)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("limits.storage.redis.time", SimpleNamespace(time=lambda: subject.now))
        limiter = MovingWindowRateLimiter(storage)
        for number, pause in enumerate(pauses):
            subject.advance(pause)
            admitted = isinstance(subject.take(log, str(number), rate), Taken)
            assert admitted == limiter.hit(item, type(subject.window).__name__, log)
    storage.get_connection().close()


def test_of_many_at_once_exactly_as_many_as_the_limit_get_a_slot(subject, log):
    answers = subject.all_at_once(log, [str(number) for number in range(200)])

    assert sum(isinstance(answer, Taken) for answer in answers) == RATE.sessions
    assert {answer for answer in answers if isinstance(answer, Full)} == {Full(RATE.seconds)}


def test_a_slot_that_is_given_back_is_free_at_once_and_only_once(subject, log):
    for number in range(5):
        subject.take(log, str(number))
    assert isinstance(subject.take(log, "late"), Full)
    subject.give_back(log, "2")
    subject.give_back(log, "2")
    subject.give_back(log, "never taken")
    subject.give_back("a log that is not there", "2")

    assert isinstance(subject.take(log, "late"), Taken)
    assert isinstance(subject.take(log, "later"), Full)


def test_an_entry_that_asks_again_keeps_its_slot_and_takes_no_second(subject, log):
    assert subject.take(log, "same") == Taken(4, 100.0)
    subject.advance(10)
    for _ in range(9):
        assert subject.take(log, "same") == Taken(4, 90.0)

    assert subject.ages(log) == (10.0,)


def test_an_entry_that_has_its_slot_keeps_it_though_the_window_is_full(subject, log):
    for number in range(5):
        subject.take(log, str(number))

    assert subject.take(log, "0") == Taken(0, 100.0)
    assert isinstance(subject.take(log, "another"), Full)


def test_an_entry_that_comes_again_when_its_slot_has_gone_takes_a_new_one(subject, log):
    subject.take(log, "same")
    subject.advance(100)

    assert subject.take(log, "same") == Taken(4, 100.0)
    assert subject.ages(log) == (0.0,)


def test_it_tells_how_many_are_left_and_when_the_oldest_is_free_again(subject, log):
    assert subject.take(log, "one") == Taken(4, 100.0)
    subject.advance(30)
    assert subject.take(log, "two") == Taken(3, 70.0)
    subject.advance(60)
    assert subject.ages(log) == (90.0, 60.0)
    subject.advance(10)
    assert subject.ages(log) == (70.0,)
    assert subject.take(log, "three") == Taken(3, 30.0)


def test_time_is_told_to_the_microsecond(subject, log):
    rate = Rate(1, 100.0)
    subject.take(log, "one", rate)
    subject.advance(99.999999)

    assert subject.take(log, "two", rate) == Full(pytest.approx(0.000001, rel=1e-3))
    subject.advance(0.000001)
    assert isinstance(subject.take(log, "two", rate), Taken)


def test_a_plan_that_allows_less_than_is_in_use_waits_until_enough_have_gone(subject, log):
    for number in range(5):
        subject.take(log, str(number))
        subject.advance(10)
    less = Rate(2, 100.0)

    assert subject.take(log, "0", less) == Taken(0, 50.0)
    assert subject.take(log, "new", less) == Full(80.0)
    subject.advance(80)
    assert isinstance(subject.take(log, "new", less), Taken)


def test_a_plan_that_allows_more_has_room_at_once(subject, log):
    for number in range(5):
        subject.take(log, str(number))

    assert subject.take(log, "new", Rate(7, 100.0)) == Taken(1, 100.0)


def test_looking_takes_nothing_and_forgets_nothing(subject, log):
    subject.take(log, "one")
    subject.advance(1)
    assert subject.ages(log) == subject.ages(log) == (1.0,)
    assert subject.ages("a log that is not there") == ()

    assert subject.take(log, "two") == Taken(3, 99.0)


@pytest.mark.parametrize("odd", ["", "{}", "}", "a}b", "{a", "a b", "a\r\nb", "é", "🎙", "*", "x" * 3000])
def test_no_two_logs_share_their_slots_whatever_their_names(subject, log, odd):
    for number in range(5):
        subject.take(log + odd, str(number))

    assert isinstance(subject.take(log + odd, "more"), Full)
    assert isinstance(subject.take(log, "more") if odd else subject.take(log + ".", "more"), Taken)
    subject.give_back(log + odd, "1")
    assert isinstance(subject.take(log + odd, "more"), Taken)


async def test_what_has_left_the_window_leaves_the_memory(clock):
    window = MemoryWindow(clock)
    for number in range(200):
        await window.take(f"app {number}", "one", RATE)
        await window.take("busy", str(number), RATE)
        clock.advance(RATE.seconds)
        await window.ages(f"app {number}", RATE)

    assert await window.ages("busy", RATE) == ()
    assert not window._taken


async def test_what_is_given_back_leaves_the_memory_with_its_log(clock):
    window = MemoryWindow(clock)
    for number in range(200):
        await window.take(f"ticket {number}", "one", RATE)
        await window.take(f"ticket {number}", "two", RATE)
        await window.give_back(f"ticket {number}", "one")
        assert await window.ages(f"ticket {number}", RATE) == (0.0,)
        await window.give_back(f"ticket {number}", "two")
        await window.give_back(f"ticket {number}", "two")
    assert not window._taken
