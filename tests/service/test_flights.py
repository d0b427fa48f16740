"""What is under way when the endpoint ends: work is waited for, watching is stopped."""

import asyncio
import gc
import logging

import pytest

from genmb_voice_widget.service.flights import Flights
from genmb_voice_widget.service.problems import Refusal


async def test_draining_waits_for_work_and_stops_who_only_watches():
    flights, go_on, ends = Flights(), asyncio.Event(), []

    async def work():
        await go_on.wait()
        ends.append("work")

    async def watch():
        try:
            await asyncio.Event().wait()
        finally:
            ends.append("watch")
            go_on.set()

    flights.start(work())
    flights.watch(watch())
    await asyncio.sleep(0)
    await asyncio.wait_for(flights.drain(), 2)
    assert ends == ["watch", "work"]


async def test_work_that_a_watcher_began_is_waited_for_even_if_the_watcher_is_stopped():
    flights, seen, ends = Flights(), asyncio.Event(), []

    async def capture():
        seen.set()
        await asyncio.sleep(0)
        ends.append("captured")

    async def watch():
        await asyncio.shield(flights.start(capture()))

    flights.watch(watch())
    await asyncio.wait_for(seen.wait(), 20)
    await asyncio.wait_for(flights.drain(), 2)
    assert ends == ["captured"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Refusal("service_unavailable", "The account cannot be asked."), []),
        (ValueError("what a caller said"), ["what went on without its caller failed: ValueError"]),
    ],
)
async def test_what_fails_when_its_caller_has_gone_is_named_in_the_log_and_not_quoted(error, said, caplog):
    flights, go_on = Flights(), asyncio.Event()

    async def work():
        await go_on.wait()
        raise error

    callers = [
        asyncio.create_task(flights.finish(work())),
        asyncio.create_task(flights.join("key", work)),
    ]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    go_on.set()
    await flights.drain()
    gc.collect()
    assert [each.getMessage() for each in caplog.records if each.levelno > logging.INFO] == said * 2
