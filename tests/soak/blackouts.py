"""Blackouts in the middle of a call, many times: what heals, what is resumed, how soon, and what it cost.

    cd tests && ../.venv/bin/python -m soak.blackouts [times [seconds …]]

prints a table: one call for each of `times` and each length (3, 9, 12 and 20 s), four at a time. Fails when a blackout of 12 s or
less needed another call, when fewer than 95 of 100 longer ones were resumed within 3 s of the network's return, or when
a session was not charged once.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.browser import chromium, silence
from harness.shop import Shop, Visit, shop, visit
from playwright.async_api import Browser, TimeoutError

TIMES = 20
LENGTHS = (3.0, 9.0, 12.0, 20.0)
AT_A_TIME = 4
HEALING = 15.0
"""Seconds that a connection has to heal by itself."""
SOON, RESUMED = 3_000, 0.95
PRICE = 5


@dataclass(frozen=True)
class Outcome:
    """What became of one call.

    Attributes:
        shown: ms from the blackout's beginning until the page said `reconnecting`, None for never.
        back: ms from the network's return until it was live, below 0 when it was before; None for never.
        calls: connections that the session took.
        answered: whether the agent answered afterwards, of what was said before too.
        charged: whether the session cost its price once.
    """

    shown: float | None
    back: float | None
    calls: int
    answered: bool
    charged: bool


async def one(browser: Browser, service: Shop, app: str, seconds: float) -> Outcome:
    await service.add(app, 2 * PRICE)
    async with visit(browser, service, app) as call:
        await call.ask("Who are you?", answers=1)
        cut = await call.now()
        async with call.network.blackout():
            await asyncio.sleep(seconds)
            until = await call.now()
        answered = await _goes_on(call)
        statuses = await call.statuses()
        calls = await call.told("calls.length")
        await call.told("voice.stop()")
    shown = next((at - cut for at, status in statuses if status == "reconnecting"), None)
    back = next((at - until for at, status in reversed(statuses) if status == "live"), None)
    charged = service.entries(app) == [("grant", 2 * PRICE), ("reserve", PRICE), ("capture", PRICE)]
    return Outcome(shown, back if answered else None, calls, answered, charged)


async def _goes_on(call: Visit) -> bool:
    try:
        await call.page.wait_for_function(
            "['live', 'failed'].includes(told.statuses.at(-1)[1])", timeout=20_000
        )
        await call.ask("Who are you?", answers=2)
    except TimeoutError:
        return False
    return await call.told("turns('user').length") == 2


def median(values: Iterable[float | None]) -> str:
    known = sorted(value for value in values if value is not None)
    return f"{known[len(known) // 2]:.0f} ({known[0]:.0f}-{known[-1]:.0f})" if known else "-"


def verdict(seconds: float, outcomes: list[Outcome]) -> bool:
    if not all(outcome.charged for outcome in outcomes):
        return False
    if seconds < HEALING:
        return all(outcome.answered and outcome.calls == 1 for outcome in outcomes)
    resumed = [outcome for outcome in outcomes if outcome.back is not None and outcome.back <= SOON]
    return len(resumed) >= RESUMED * len(outcomes)


async def main(times: int, lengths: tuple[float, ...]) -> bool:
    print("seconds  calls  went on  same call  charged once  shown after ms      live after ms", flush=True)
    kept = True
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        async with shop(folder) as service, chromium(silence(folder / "silence.wav")) as browser:
            turn = asyncio.Semaphore(AT_A_TIME)

            async def in_turn(app: str, seconds: float) -> Outcome:
                async with turn:
                    return await one(browser, service, app, seconds)

            for seconds in lengths:
                runs = (in_turn(f"app-{seconds:.0f}-{number}", seconds) for number in range(times))
                outcomes = await asyncio.gather(*runs)
                answered = sum(outcome.answered for outcome in outcomes)
                same = sum(outcome.calls == 1 for outcome in outcomes)
                charged = sum(outcome.charged for outcome in outcomes)
                shown = median(outcome.shown for outcome in outcomes)
                back = median(outcome.back for outcome in outcomes)
                print(
                    f"{seconds:7.0f}{times:7}{answered:9}{same:11}{charged:14}  {shown:18}  {back}",
                    flush=True,
                )
                kept = kept and verdict(seconds, list(outcomes))
    return kept


if __name__ == "__main__":
    wanted = tuple(float(word) for word in sys.argv[2:]) or LENGTHS
    sys.exit(not asyncio.run(main(int(sys.argv[1]) if sys.argv[1:] else TIMES, wanted)))
