"""The window in Redis when Redis is not well: an answer soon, the right one, and no restart of ours needed."""

import asyncio
import logging
import math
import random
import re
import time
import traceback
from contextlib import asynccontextmanager

import pytest
from harness.redis_server import redis_server

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.policy import Rate, too_many_sessions
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.window import Full, Taken
from genmb_voice_widget.service.window.redis import SCRIPT, RedisWindow

RATE = Rate(20)
HUNG_WITHIN, DOWN_WITHIN = 0.6, 0.1
CALLERS = 64
CANARY = "canary-7f3a"
LOGGER = "genmb_voice_widget.service.window.redis"
AOF = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def server(tmp_path):
    with redis_server(tmp_path, *AOF) as running:
        yield running


@asynccontextmanager
async def window_at(url):
    window = RedisWindow(Secret(url))
    try:
        yield window
    finally:
        await window.close()


@pytest.fixture
async def window(server):
    async with window_at(server.url) as window:
        await window.ready()
        yield window


async def warm(window):
    """Have every connection of the pool open."""
    await asyncio.gather(*(outcome(window.ages("sessions:warm", RATE)) for _ in range(CALLERS)))


class Standstill:
    """How long this process has not run though it was to: a busy machine's time is not the window's."""

    seconds = 0.0

    async def watch(self):
        while True:
            wall, own = time.monotonic(), time.process_time()
            await asyncio.sleep(0.01)
            late = time.monotonic() - wall - 0.01 - (time.process_time() - own)
            self.seconds += late if late > 0.02 else 0.0


standstill = Standstill()


@pytest.fixture(autouse=True)
async def watched():
    watching = asyncio.create_task(standstill.watch())
    yield
    watching.cancel()


async def outcome(question):
    """What came of it, and in how many seconds."""
    began = time.monotonic() - standstill.seconds
    try:
        answer = await question
    except Refusal as refusal:
        answer = refusal
    return answer, time.monotonic() - standstill.seconds - began


async def crowd(window, log="sessions:app", callers=CALLERS):
    """Many callers at the same moment: the answers, and the longest time that one took."""
    took = await asyncio.gather(*(outcome(window.take(log, str(n), RATE)) for n in range(callers)))
    return [answer for answer, _ in took], max(seconds for _, seconds in took)


async def all_refused(window, callers=CALLERS):
    """All of so many callers are refused: the longest time that one took, in the best of three times.

    The best, because on a machine that has other things to do a time is not the window's alone.
    """
    times = []
    for _ in range(3):
        answers, slowest = await crowd(window, callers=callers)
        assert all(map(is_unavailable, answers))
        times.append(slowest)
    return min(times)


def is_unavailable(answer):
    return isinstance(answer, Refusal) and (answer.code, answer.status, answer.retry_after) == (
        "service_unavailable",
        503,
        5,
    )


@pytest.mark.parametrize("warmed", [True, False])
async def test_a_hung_redis_is_a_refusal_in_time_for_each_of_many_callers(server, warmed):
    async with window_at(server.url) as window:
        if warmed:
            await warm(window)
        server.freeze()
        assert await all_refused(window) <= HUNG_WITHIN
        alone, seconds = await outcome(window.take("sessions:app", "alone", RATE))
        assert is_unavailable(alone)
        assert seconds <= HUNG_WITHIN
        server.thaw()

        answers, _ = await crowd(window, "sessions:another")
        assert sum(isinstance(answer, Taken) for answer in answers) == RATE.sessions


@pytest.mark.parametrize("question", ["ages", "give_back", "ready"])
async def test_a_hung_redis_is_a_refusal_in_time_whatever_is_asked(server, window, question):
    arguments = {"ages": ("app", RATE), "give_back": ("app", "one"), "ready": ()}[question]
    server.freeze()

    answer, seconds = await outcome(getattr(window, question)(*arguments))
    assert is_unavailable(answer)
    assert seconds <= HUNG_WITHIN


async def stalled(window, log, hops, seconds):
    """Many callers, and an event loop that stands still so many turns later; as many come when it goes on.

    Returns:
        The answers, and the longest time that one took beside the stall.
    """

    async def crowd_after():
        for _ in range(hops):
            await asyncio.sleep(0)
        time.sleep(seconds)  # noqa: ASYNC251 (it is what is tested)
        return await crowd(window, f"{log} late")

    (early, longest), (late, _) = await asyncio.gather(crowd(window, log), crowd_after())
    return early + late, longest - seconds


async def test_a_stall_of_the_event_loop_is_no_refusal_where_redis_is_well(window, caplog):
    await warm(window)
    for hops in range(12):  # what it comes between is another step of a question each time
        answers, _ = await stalled(window, f"sessions:{hops}", hops, 0.51)
        assert [isinstance(answer, Taken) for answer in answers] == ([True] * 20 + [False] * 44) * 2
        assert not any(map(is_unavailable, answers))
    assert not [record for record in caplog.records if record.name == LOGGER]


async def test_a_stall_of_the_event_loop_while_redis_hangs_is_a_refusal_soon_after_it(server, window):
    await warm(window)
    server.freeze()

    answers, longer = await stalled(window, "sessions:app", 4, 0.51)
    assert len(answers) == 2 * CALLERS
    assert all(map(is_unavailable, answers))
    assert longer <= HUNG_WITHIN


async def test_who_comes_just_before_another_is_refused_has_a_time_of_its_own(server, window):
    await warm(window)
    server.freeze()
    loop = asyncio.get_running_loop()
    first = asyncio.create_task(outcome(window.take("sessions:app", "first", RATE)))
    await until(loop, loop.time() + 0.4)
    second = asyncio.create_task(outcome(window.take("sessions:app", "second", RATE)))
    answer, seconds = await first
    assert is_unavailable(answer)
    assert seconds <= HUNG_WITHIN
    server.thaw()
    assert isinstance((await second)[0], Taken)


async def test_a_hung_redis_is_a_refusal_in_time_also_while_more_and_more_ask(server, window):
    await warm(window)
    server.freeze()
    loop, callers = asyncio.get_running_loop(), []
    for number in range(100):
        callers.append(asyncio.create_task(outcome(window.take("sessions:app", str(number), RATE))))
        await until(loop, loop.time() + 0.01)
    answers = await asyncio.gather(*callers)
    assert all(is_unavailable(answer) for answer, _ in answers)
    assert max(seconds for _, seconds in answers) <= HUNG_WITHIN


@pytest.mark.parametrize("warmed", [True, False])
async def test_a_redis_that_is_down_is_a_refusal_at_once_for_each_of_many_callers(server, warmed):
    async with window_at(server.url) as window:
        if warmed:
            await warm(window)
        server.kill()
        assert await all_refused(window) <= DOWN_WITHIN
        server.start()

        answers, _ = await crowd(window)
        assert sum(isinstance(answer, Taken) for answer in answers) == RATE.sessions


async def test_a_redis_that_is_down_is_a_refusal_at_once_however_many_wait_for_their_turn(server, window):
    server.kill()

    assert await all_refused(window, callers=200) <= DOWN_WITHIN


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_a_restart_is_not_noticed_and_no_slot_is_forgotten(server, window, end):
    await warm(window)
    for number in range(RATE.sessions):
        await window.take("sessions:app", str(number), RATE)
    getattr(server, end)()
    server.start()

    answers, _ = await crowd(window)
    assert [isinstance(answer, Taken) for answer in answers] == [True] * 20 + [False] * 44
    assert not any(isinstance(answer, Refusal) for answer in answers)


async def test_a_question_that_redis_reads_too_late_does_not_outlive_the_slot_that_is_given_back(
    server, window
):
    await warm(window)
    server.freeze()
    assert is_unavailable((await outcome(window.take("sessions:app", "late", RATE)))[0])
    server.thaw()
    await window.give_back("sessions:app", "late")

    assert await window.ages("sessions:app", RATE) == ()


async def test_redis_may_forget_the_script(server, window):
    await window.take("sessions:app", "one", RATE)
    server.ask("SCRIPT", "FLUSH")
    assert isinstance(await window.take("sessions:app", "two", RATE), Taken)
    server.ask("SCRIPT", "FLUSH")
    await window.give_back("sessions:app", "one")
    server.ask("SCRIPT", "FLUSH")
    assert len(await window.ages("sessions:app", RATE)) == 1
    server.ask("SCRIPT", "FLUSH")

    answers, _ = await crowd(window)
    assert not any(isinstance(answer, Refusal) for answer in answers)


async def test_each_question_is_one_round_trip(server, window):
    await warm(window)
    server.ask("CONFIG", "RESETSTAT")
    for number in range(30):
        await window.take("sessions:app", str(number), RATE)
        await window.ages("sessions:app", RATE)
        await window.give_back("sessions:app", str(number))

    calls = dict(re.findall(r"cmdstat_(\S+):calls=(\d+)", server.ask("INFO", "commandstats").decode()))
    inside = {
        "time",
        "zadd",
        "zcard",
        "zrange",
        "zrangebyscore",
        "zrem",
        "zremrangebyscore",
        "zscore",
        "pexpire",
    }
    assert {name: int(number) for name, number in calls.items() if name not in inside} == {
        "evalsha": 90,
        "config|resetstat": 1,
    }


async def test_what_is_asked_while_redis_answers_goes_to_it_together(server, window):
    await warm(window)
    server.ask("CONFIG", "RESETSTAT")
    answers, _ = await crowd(window)
    reads = int(re.search(rb"total_reads_processed:(\d+)", server.ask("INFO", "stats"))[1])

    assert sum(isinstance(answer, Taken) for answer in answers) == RATE.sessions
    assert reads <= 8


async def test_what_a_log_needs_is_gone_from_redis_soon_after_its_window(server, window):
    await window.take("sessions:app", "one", RATE)
    assert server.ask("KEYS", "*") == b"*1\r\n$26\r\ngenmb-voice:{sessions:app}\r\n"
    left = int(server.ask("PTTL", "genmb-voice:{sessions:app}")[1:])
    assert 3_600_500 <= left <= 3_601_000

    await window.give_back("sessions:app", "one")
    assert server.ask("KEYS", "*") == b"*0\r\n"


async def test_by_the_clock_of_the_machine_it_never_says_come_back_too_early_nor_too_late(window):
    """Also what is sent to the caller: whole seconds, rounded up, so less than one too many."""
    rate, loop, checked = Rate(1, 0.3), asyncio.get_running_loop(), 0
    await window.take("sessions:app", "first", rate)
    for number in range(6):
        asked = loop.time()
        full = await window.take("sessions:app", f"{number} asks", rate)
        answered = loop.time()
        assert isinstance(full, Full)
        sent = Refusal(
            "rate_limited", too_many_sessions(rate, full.retry_after).why, retry_after=full.retry_after
        )
        assert full.retry_after <= sent.retry_after < full.retry_after + 1
        await until(loop, asked + full.retry_after - 0.02)
        early = await window.take("sessions:app", f"{number} early", rate)
        if loop.time() < asked + full.retry_after:
            assert isinstance(early, Full)
            checked += 1
        await window.give_back("sessions:app", f"{number} early")
        await until(loop, answered + full.retry_after)
        assert isinstance(await window.take("sessions:app", f"{number} in time", rate), Taken)
    assert checked > 0


async def until(loop, moment):
    while (left := moment - loop.time()) > 0:
        await asyncio.sleep(left)


async def test_callers_who_leave_while_redis_hangs_take_no_connection_with_them(server, window):
    await warm(window)
    for _ in range(3):
        server.freeze()
        callers = [asyncio.create_task(window.take("sessions:app", str(n), RATE)) for n in range(CALLERS)]
        for caller in random.sample(callers, CALLERS):
            await asyncio.sleep(0)
            caller.cancel()
            caller.cancel()
        await asyncio.wait(callers, timeout=1)
        assert all(caller.cancelled() for caller in callers)
        server.thaw()

    answers, _ = await crowd(window, "sessions:another")
    assert not any(isinstance(answer, Refusal) for answer in answers)


async def test_a_full_memory_lets_nobody_past_the_limit_and_slots_can_still_be_given_back(server, window):
    await window.take("sessions:app", "0", RATE)
    server.ask("CONFIG", "SET", "maxmemory", "1")

    answers, _ = await crowd(window)
    assert all(isinstance(answer, Taken | Full) or is_unavailable(answer) for answer in answers)
    assert 1 <= len(await window.ages("sessions:app", RATE)) <= RATE.sessions
    await window.give_back("sessions:app", "0")
    assert len(await window.ages("sessions:app", RATE)) < RATE.sessions


async def test_a_replica_is_not_ready_and_admits_nobody(server, window):
    server.ask("REPLICAOF", "127.0.0.1", str(server.port))

    assert is_unavailable((await outcome(window.ready()))[0])
    assert is_unavailable((await outcome(window.take("sessions:app", "one", RATE)))[0])


async def test_a_log_that_something_else_has_overwritten_is_a_refusal_and_concerns_no_other(server, window):
    await warm(window)
    server.ask("SET", "genmb-voice:{sessions:app}", "not a log")

    logs = ["sessions:app" if number % 4 == 0 else f"sessions:{number}" for number in range(CALLERS)]
    answers = await asyncio.gather(*(outcome(window.take(log, "one", RATE)) for log in logs))
    for log, (answer, _) in zip(logs, answers, strict=True):
        assert is_unavailable(answer) if log == "sessions:app" else isinstance(answer, Taken)


@asynccontextmanager
async def impostor(behave):
    """Something that listens where Redis should."""
    calls = set()

    async def handle(reader, writer):
        calls.add(asyncio.current_task())
        try:
            await behave(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)


def reply(data):
    async def behave(reader, writer):
        while await reader.read(65536):
            writer.write(data)
            await writer.drain()

    return behave


async def hang_up(reader, writer):
    pass


async def silence(reader, writer):
    await reader.read()


async def dribble(reader, writer):
    """Always a little more, never all of it."""
    while not reader.at_eof():
        writer.write(b"*1\r\n")
        await asyncio.sleep(0.05)
        await writer.drain()


def relay(server, swallowing):
    """Passes on what is said, both ways; a connection in `swallowing` stays open and is never answered again."""

    async def behave(reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            while data := await reader.read(65536):
                if asyncio.current_task() not in swallowing:
                    far_writer.write(data)
                    writer.write(await far_reader.read(65536))
        finally:
            far_writer.close()

    return behave


async def test_a_connection_that_the_network_has_silently_dropped_is_replaced_before_the_caller_is_refused(
    server,
):
    swallowing = set()
    async with impostor(relay(server, swallowing)) as url, window_at(url) as window:
        await window.take("sessions:app", "one", RATE)
        swallowing |= asyncio.all_tasks() - {asyncio.current_task()}

        answer, seconds = await outcome(window.take("sessions:app", "two", RATE))
        assert isinstance(answer, Taken)
        assert seconds <= HUNG_WITHIN


async def test_who_waits_for_its_turn_is_refused_no_later_for_that(server):
    turn = asyncio.Event()

    async def slow_then_silent(reader, writer):
        """Redis itself, whose answer to the first question comes late, and none to what is asked then."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", server.port)
        try:
            while data := await reader.read(65536):
                if b"EVALSHA" in data and turn.is_set():
                    await reader.read()
                if b"EVALSHA" in data:
                    turn.set()
                    await asyncio.sleep(0.2)
                far_writer.write(data)
                writer.write(await far_reader.read(65536))
        finally:
            far_writer.close()

    server.ask("SCRIPT", "LOAD", SCRIPT)
    async with impostor(slow_then_silent) as url, window_at(url) as window:
        first = asyncio.create_task(window.take("sessions:app", "first", RATE))
        await turn.wait()
        answer, seconds = await outcome(window.take("sessions:app", "second", RATE))
        assert isinstance(await first, Taken)
        assert is_unavailable(answer)
        assert seconds <= HUNG_WITHIN


@pytest.mark.parametrize(
    "behave",
    [
        reply(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        reply(b":not a number\r\n"),
        reply(b"$-9\r\n"),
        reply(b"\xff" * 100),
        reply(b"+OK\r\n"),
        reply(b"-LOADING Redis is loading the dataset in memory\r\n"),
        reply(b"-MISCONF Errors writing to the AOF file\r\n"),
        reply(b"-NOAUTH Authentication required.\r\n"),
        hang_up,
        silence,
        dribble,
    ],
)
async def test_whatever_answers_in_its_place_it_is_a_refusal_in_time(behave):
    async with impostor(behave) as url, window_at(url) as window:
        for question, *arguments in (
            (window.take, "app", "one", RATE),
            (window.ages, "app", RATE),
            (window.ready,),
        ):
            answer, seconds = await outcome(question(*arguments))
            assert is_unavailable(answer)
            assert seconds <= HUNG_WITHIN


@pytest.mark.parametrize(
    "options", ["socket_timeout=30&socket_connect_timeout=30", "max_connections=1", "protocol=3"]
)
async def test_no_option_of_the_url_makes_a_caller_wait_longer(server, options):
    async with window_at(f"{server.url}?{options}") as window:
        await warm(window)
        server.freeze()
        answers, slowest = await crowd(window)
        assert all(map(is_unavailable, answers))
        assert slowest <= HUNG_WITHIN


async def test_it_speaks_to_a_redis_with_a_password_and_in_another_database(tmp_path):
    with redis_server(tmp_path, password=CANARY) as server:
        async with window_at(server.url.replace("/0", "/3")) as window:
            await window.ready()
            assert isinstance(await window.take("sessions:app", "one", RATE), Taken)
        assert b"db3:keys=1" in server.ask("INFO", "keyspace")


async def test_a_password_is_in_no_repr_log_or_traceback(tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    said = []
    with redis_server(tmp_path, password="another") as server:
        for url in (f"redis://:{CANARY}@127.0.0.1:{server.port}", f"redis://{CANARY}:{CANARY}@127.0.0.1:9"):
            async with window_at(url) as window:
                said += [repr(window), repr(vars(window))]
                for question in (window.take("app", "one", RATE), window.ages("app", RATE), window.ready()):
                    with pytest.raises(Refusal) as refused:
                        await question
                    said.append(everything(refused.value))
    assert "rate = Rate(sessions=20" in "".join(said), "the tracebacks show locals"
    assert CANARY not in "".join(said) + caplog.text


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{CANARY}@host",
        f"redis://:{CANARY}/x@host:6379",
        f"redis://:a#{CANARY}@host:port",
        f"redis://host:{CANARY}",
        f"redis://host/0?db={CANARY}",
        f"redis://host/0?{CANARY}=1",
        f"redis://[{CANARY}",
        CANARY,
        "",
    ],
)
def test_a_url_that_is_not_understood_is_refused_in_words_that_do_not_repeat_it(url):
    with pytest.raises(ValueError, match="redis://user:password@host") as refused:
        RedisWindow(Secret(url))
    assert CANARY not in everything(refused.value)


def everything(error):
    """All that the most talkative of tracebacks shows below these tests, with locals, and what came before."""
    shown, pending = "", [error]
    while pending:
        each = pending.pop()
        if each is not None:
            frames = each.__traceback__
            while frames and frames.tb_frame.f_code.co_filename == __file__:
                frames = frames.tb_next
            talkative = traceback.TracebackException(type(each), each, frames, capture_locals=True)
            shown += "".join(talkative.format())
            pending += [each.__cause__, each.__context__]
    return shown


async def test_the_log_tells_once_that_redis_is_away_and_once_that_it_is_back(server, window, caplog):
    server.freeze()
    await crowd(window)
    await crowd(window)
    server.thaw()
    await crowd(window)
    await crowd(window)

    assert [record.getMessage() for record in caplog.records if record.name == LOGGER] == [
        "The Redis of the rolling window cannot be used (TimeoutError): no session starts.",
        "The Redis of the rolling window can be used again.",
    ]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--appendonly", "yes"), []),
        (("--appendonly", "yes", "--maxmemory-policy", "allkeys-lru"), []),
        (("--appendonly", "no"), ["appendonly yes"]),
        (
            ("--appendonly", "yes", "--maxmemory", "50mb", "--maxmemory-policy", "volatile-ttl"),
            ["maxmemory-policy noeviction"],
        ),
        (
            ("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"),
            ["appendonly yes", "maxmemory-policy noeviction"],
        ),
    ],
)
async def test_the_log_tells_once_which_settings_of_redis_let_the_limit_be_passed(
    tmp_path, caplog, options, told
):
    with redis_server(tmp_path, *options) as server:
        async with window_at(server.url) as window:
            await asyncio.gather(window.ready(), window.ready())
            await window.ready()
    warnings = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert [warning.rpartition("Set: ")[2].rstrip(".") for warning in warnings] == told


async def test_a_redis_that_does_not_show_its_settings_is_ready_all_the_same(server, caplog):
    server.ask("ACL", "SETUSER", "voice", "on", ">pw", "~*", "+@all", "-info")
    async with window_at(f"redis://voice:pw@127.0.0.1:{server.port}") as window:
        await window.ready()
        assert isinstance(await window.take("sessions:app", "one", RATE), Taken)
    assert not [record for record in caplog.records if record.name == LOGGER]


async def test_it_can_be_closed_while_redis_hangs(server):
    window = RedisWindow(Secret(server.url))
    await warm(window)
    server.freeze()
    began = time.monotonic()
    await window.close()
    assert time.monotonic() - began <= HUNG_WITHIN


def test_a_wait_is_rounded_up_to_whole_seconds_and_never_to_none():
    for wait in (0.000001, 0.5, 1.0, 1.000001, 3599.999999, 3600.0):
        sent = Refusal("rate_limited", "", retry_after=wait).retry_after
        assert wait <= sent == math.ceil(wait)
