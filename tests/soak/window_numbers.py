"""What the window in Redis costs, and how soon it answers when Redis hangs, is down, and is back.

    cd tests && ../.venv/bin/python -m soak.window_numbers

prints two tables, in about a minute.
"""

import asyncio
import logging
import re
import statistics
import tempfile
import time
from pathlib import Path

from harness.redis_server import RedisServer, redis_server

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.policy import Rate
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.window.redis import RedisWindow

RATE = Rate(20)
TAKES = 6000
TIMES = 10


async def cost(window: RedisWindow, callers: int) -> tuple[float, float]:
    """Microseconds of this process's CPU, and of waiting, for one `take`, which writes, when so many are under way."""

    async def caller(number: int) -> None:
        for turn in range(TAKES // callers):
            await window.take(f"sessions:{number}:{turn // RATE.sessions}", str(turn), RATE)

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*map(caller, range(callers)))
    return tuple(
        (after - before) / TAKES * 1e6
        for before, after in ((cpu, time.process_time()), (wall, time.perf_counter()))
    )


def server_cost(server: RedisServer) -> float:
    """Microseconds of the server's time for one run of the script."""
    return float(
        re.search(r"cmdstat_evalsha:.*?usec_per_call=([\d.]+)", server.ask("INFO", "commandstats").decode())[
            1
        ]
    )


async def answers(window: RedisWindow, callers: int) -> tuple[list[float], int]:
    """Milliseconds until each of so many callers has an answer, and how many of those were refusals."""

    async def caller(number: int) -> tuple[float, bool]:
        began = time.perf_counter()
        try:
            await window.take("sessions:app", str(number), Rate(1000))
            refused = False
        except Refusal:
            refused = True
        return (time.perf_counter() - began) * 1e3, refused

    took = await asyncio.gather(*map(caller, range(callers)))
    return [each for each, _ in took], sum(refused for _, refused in took)


async def outages(window: RedisWindow, server: RedisServer, callers: int) -> None:
    steps = {
        "well": lambda: None,
        "hung (SIGSTOP)": server.freeze,
        "hung, asked again": lambda: None,
        "recovered (SIGCONT)": server.thaw,
        "killed": server.kill,
        "down, asked again": lambda: None,
        "recovered (started again)": server.start,
        "restarted since the last question": lambda: (server.stop(), server.start()),
    }
    took: dict[str, list[float]] = {name: [] for name in steps}
    refused = dict.fromkeys(steps, 0)
    for _ in range(TIMES):
        for name, step in steps.items():
            step()
            milliseconds, refusals = await answers(window, callers)
            took[name] += milliseconds
            refused[name] += refusals
    for name, each in took.items():
        print(
            f"| {name} | {callers} | {statistics.median(each):.1f} | {max(each):.1f} | {refused[name]}/{len(each)} |"
        )


async def main() -> None:
    logging.disable()
    print("| appendfsync | callers | CPU µs a take | µs a take | server µs a take |\n|---|---|---|---|---|")
    for fsync in ("everysec", "always"):
        options = ("--appendonly", "yes", "--appendfsync", fsync)
        with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder), *options) as server:
            window = RedisWindow(Secret(server.url))
            await window.ready()
            for callers in (1, 16, 64):
                server.ask("CONFIG", "RESETSTAT")
                server.ask("FLUSHALL")
                cpu, wall = await cost(window, callers)
                print(f"| {fsync} | {callers} | {cpu:.0f} | {wall:.0f} | {server_cost(server):.1f} |")
            await window.close()
    print(f"\n| Redis, {TIMES} times | callers | median ms | longest ms | refused |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, redis_server(Path(folder), "--appendonly", "yes") as server:
        window = RedisWindow(Secret(server.url))
        for callers in (1, 64):
            await outages(window, server, callers)
        await window.close()


if __name__ == "__main__":
    asyncio.run(main())
