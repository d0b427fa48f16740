"""How long a session's three writes take: hold, answered, capture; by one caller and by 64 at once.

By hand, for about a minute:  PYTHONPATH=tests .venv/bin/python tests/soak/ledger_speed.py
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from harness.postgres import postgres_server
from soak.ledger_writer import database

from genmb_voice_widget.service.ledger import Wish
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.ledger.sql import SqlLedger

APPS = 40


async def session(ledger, name: str, number: int, took: list[float]) -> None:
    began = time.perf_counter()
    app = f"app-{number % APPS}"
    await ledger.hold(Wish(name, app, app, "here", "webrtc", 5, 45.0, 1800.0, 1_000_000, f"key-{name}"))
    await ledger.answered(name, f"rtc-{name}", 30.0)
    await ledger.step(name, "capture")
    took.append(time.perf_counter() - began)


async def run(ledger, label: str, callers: int, sessions: int) -> None:
    for number in range(APPS):
        await ledger.grant(f"app-{number}", 100_000_000)
    took: list[float] = []
    left = iter(range(sessions))

    async def caller() -> None:
        for number in left:
            await session(ledger, f"{label}-{callers}-{number}", number, took)

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    ms = sorted(each * 1000 for each in took)
    print(
        f"| {label} | {callers} | {3 * sessions / seconds:,.0f} | {sessions / seconds:,.0f} "
        f"| {cpu / sessions * 1e6:,.0f} | {statistics.median(ms):.1f} | {ms[int(len(ms) * 0.99)]:.1f} |",
        flush=True,
    )


async def main() -> None:
    print(
        "| ledger | callers | operations/s | sessions/s | CPU µs a session, this process | p50 ms | p99 ms |"
    )
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, postgres_server() as server:
        for callers in (1, 64):
            await run(MemoryLedger(time.time, 0), "memory", callers, 3000)
            for label, store in (
                ("sqlite", str(Path(folder) / "ledger.db")),
                ("postgres", server.database()),
            ):
                base = database(store)
                await run(SqlLedger(base), label, callers, 600 if callers == 1 else 3000)
                await base.close()


if __name__ == "__main__":
    asyncio.run(main())
