"""One of several processes that want the same slots, with a clock that is wrong by so many seconds.

Arguments: `ours` or `limits` (the library's moving window, which goes by its caller's clock), the Redis URL, the
seconds. Each line on stdin is a round: `{"log", "attempts", "within"}`; the answer is a line on stdout.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Awaitable, Callable

LIMIT, SECONDS = 20, 3600.0

Attempt = Callable[[str, str], Awaitable[bool]]


def set_clock_wrong(seconds: float) -> None:
    """Everything in this process that asks for the time of day gets the wrong one; done before the imports."""
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + int(seconds * 1e9)


def ours(url: str) -> Attempt:
    from genmb_voice_widget.secret import Secret
    from genmb_voice_widget.service.policy import Rate
    from genmb_voice_widget.service.window import Taken
    from genmb_voice_widget.service.window.redis import RedisWindow

    window, rate = RedisWindow(Secret(url)), Rate(LIMIT, SECONDS)

    async def attempt(log: str, entry: str) -> bool:
        return isinstance(await window.take(log, entry, rate), Taken)

    return attempt


def library(url: str) -> Attempt:
    from limits import RateLimitItemPerSecond
    from limits.storage import RedisStorage
    from limits.strategies import MovingWindowRateLimiter

    limiter = MovingWindowRateLimiter(RedisStorage(url))
    item = RateLimitItemPerSecond(LIMIT, int(SECONDS))

    async def attempt(log: str, entry: str) -> bool:
        return limiter.hit(item, log)

    return attempt


async def one_round(attempt: Attempt, log: str, attempts: int, within: float) -> dict[str, int]:
    """Make the attempts, spread over `within` seconds; one that is not answered is repeated until it is."""
    from genmb_voice_widget.service.problems import Refusal

    counts = {"admitted": 0, "unanswered": 0}

    async def insist(entry: str) -> None:
        await asyncio.sleep(random.uniform(0, within))
        while True:
            try:
                admitted = await attempt(log, entry)
                break
            except Refusal:
                counts["unanswered"] += 1
                await asyncio.sleep(0.02)
        counts["admitted"] += admitted

    await asyncio.gather(*(insist(random.randbytes(8).hex()) for _ in range(attempts)))
    return counts


async def main(kind: str, url: str, seconds: float) -> None:
    set_clock_wrong(seconds)
    attempt = ours(url) if kind == "ours" else library(url)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await one_round(attempt, **json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
