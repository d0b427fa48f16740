"""Packets get lost and take their time: a call begins, the conversation goes on, and nobody is told of trouble."""

import random

from harness.browser import chromium, silence
from harness.lossy import Road
from harness.shop import shop, visit

ROUND_TRIP_MS = """(async () => {
  for (const [, entry] of await calls.at(-1).getStats())
    if (entry.type === "candidate-pair" && entry.nominated) return 1000 * entry.currentRoundTripTime;
})()"""


async def test_a_call_over_a_lossy_road_begins_soon_and_stays_live_through_its_turns(tmp_path):
    quiet = silence(tmp_path / "silence.wav")
    road = Road(loss=0.05, round_trip=0.1, chance=random.Random(7))
    async with shop(tmp_path) as service, chromium(quiet) as browser:
        await service.add("shop", 10)
        async with visit(browser, service, "shop", road=road) as call:
            await call.ask("Who are you?", answers=1)
            await call.page.wait_for_function("told.activity === 'listening'")
            await call.ask("Who are you?", answers=2)
            assert [status for _, status in await call.statuses()] == ["connecting", "live"]
            assert await call.told("[calls.length, told.problems, turns('user').length]") == [1, [], 2]
            assert await call.told(ROUND_TRIP_MS) >= 100
    assert road.out.lost > 0
    assert road.back.lost > 0
