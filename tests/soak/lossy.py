"""Calls over a road that loses 5 % of the packets each way and takes 100 ms there and back: how soon they stand, and whether they last.

    cd tests && ../.venv/bin/python -m soak.lossy [openings [minutes]]

opens so many calls one after the other (60), each with losses of its own, then holds one for so many minutes (5) in which a question
is spoken every half minute, and prints the times, the turns and what the road did as the page and the relay saw it. Fails when an opening in
twenty took longer than 3 s or one failed, or when the long call was ever anything but live, needed another call or lost a turn.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness.browser import chromium, silence
from harness.lossy import Road, Way
from harness.shop import Shop, shop, visit
from playwright.async_api import Browser
from soak.long_call import EVERY, questions

LOSS, ROUND_TRIP = 0.05, 0.1
OPENINGS, MINUTES = 60, 5.0
AN_HOUR = 20
"""Sessions that an app may start."""
SOON_MS = 3_000
STEADY = ["connecting", "live"]
NETWORK = """async () => {
  const seen = {};
  for (const [, entry] of await calls.at(-1).getStats()) {
    if (entry.type === "candidate-pair" && entry.nominated)
      seen.rtt = (1000 * entry.totalRoundTripTime) / entry.responsesReceived;
    if (entry.type === "inbound-rtp") {
      seen.lost_in = entry.packetsLost / (entry.packetsLost + entry.packetsReceived);
      seen.concealed = entry.concealedSamples / entry.totalSamplesReceived;
    }
    if (entry.type === "outbound-rtp") seen.sent = entry.packetsSent;
    if (entry.type === "remote-inbound-rtp") seen.lost_out = entry.packetsLost;
  }
  return seen;
}"""


async def opening(browser: Browser, service: Shop, app: str) -> float:
    """Milliseconds from the start, which a click would be, until the call is live; a failure raises."""
    async with visit(browser, service, app, road=Road(LOSS, ROUND_TRIP)) as call:
        statuses = await call.statuses()
        assert [status for _, status in statuses] == STEADY, statuses
        started = await call.told("told.started")
        await call.told("voice.stop()")
    return statuses[-1][0] - started


async def openings(browser: Browser, service: Shop, times: int) -> bool:
    took = []
    for number in range(times + 1):
        if number % AN_HOUR == 0:
            await service.add(app := f"openings-{number}", 1000)
        took.append(await opening(browser, service, app))
    took = sorted(took[1:])  # the first one starts the peer
    late = took[int(0.95 * len(took))]
    print(
        f"{times} openings: {took[len(took) // 2]:.0f} ms ({took[0]:.0f}-{took[-1]:.0f}), p95 {late:.0f} ms; "
        f"load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return late <= SOON_MS


async def long(browser: Browser, service: Shop, seconds: float) -> bool:
    await service.add("long", 1000)
    road = Road(LOSS, ROUND_TRIP)
    async with visit(browser, service, "long", road=road) as call:
        await asyncio.sleep(seconds)
        statuses = [status for _, status in await call.statuses()]
        asked, answered = await call.told("[turns('user'), turns('assistant')]")
        unfinished = await call.told("[...told.turns.values()].filter(({status}) => status !== 'completed')")
        used, problems = await call.told("[calls.length, told.problems]")
        network = await call.told(f"({NETWORK})()")
    wanted = int(seconds / EVERY)
    understood = sum(text.lower().startswith("who are you") for text in asked)
    print(f"{seconds / 60:.1f} minutes: {' '.join(statuses)}, {used} call, problems {problems}")
    print(
        f"{wanted} questions: {len(asked)} heard, {understood} understood, {len(answered)} answered, {unfinished} open"
    )
    print(
        f"as the page saw it: {report(network)}; at the relay: out {part(road.out)}, back {part(road.back)}"
    )
    whole = len(asked) == len(answered) == wanted and not unfinished
    return whole and statuses == STEADY and used == 1 and not problems


def report(network: dict[str, Any]) -> str:
    out = network["lost_out"] / network["sent"]
    return (
        f"round trip {network['rtt']:.0f} ms, lost {out:.1%} out and {network['lost_in']:.1%} back, "
        f"{network['concealed']:.1%} of the sound concealed"
    )


def part(way: Way) -> str:
    return f"{way.lost / way.given:.1%} of {way.given}"


async def main(times: int, minutes: float) -> bool:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        async with shop(folder) as service:
            async with chromium(silence(folder / "silence.wav")) as browser:
                soon = await openings(browser, service, times)
            async with chromium(questions(folder, 60 * minutes)) as browser:
                lasted = await long(browser, service, 60 * minutes)
    return soon and lasted


if __name__ == "__main__":
    count = int(sys.argv[1]) if sys.argv[1:] else OPENINGS
    sys.exit(not asyncio.run(main(count, float(sys.argv[2]) if sys.argv[2:] else MINUTES)))
