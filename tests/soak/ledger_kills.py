"""Writers of a ledger are killed in the middle (kill -9), and its server crashed: nothing acknowledged may be lost.

By hand, for about three minutes:  PYTHONPATH=tests .venv/bin/python tests/soak/ledger_kills.py [OPERATIONS]

It prints a table; the exit status is 1 if anything in it is not as it must be. `tests/service/test_ledger_kills.py`
does the same for a few seconds.
"""

import asyncio
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from harness.postgres import PostgresServer, postgres_server
from soak.ledger_writer import OWNERS, database

from genmb_voice_widget.service.ledger.phases import MONEY
from genmb_voice_widget.service.ledger.sql import SqlLedger

GRANTED = {"rich": 100_000_000, "well-off": 1_000_000, "poor": 400}
PATIENCE = 60.0
PROGRAM = Path(__file__).with_name("ledger_writer.py")


@dataclass
class Tally:
    """What was found over all trials with one store."""

    trials: int = 0
    kills: int = 0
    crashes: int = 0
    acknowledged: int = 0
    lost: int = 0
    captured: int = 0
    twice: int = 0
    wrong_sums: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.twice or self.wrong_sums)


async def grant(store: str) -> None:
    """Give the owners their credits; the poor one's will not last."""
    base = database(store)
    ledger = SqlLedger(base)
    for owner in OWNERS:
        await ledger.grant(owner, GRANTED[owner])
    await base.close()


def trial(
    store: str,
    folder: Path,
    name: str,
    writers: int,
    operations: int,
    crash: Callable[[], None] | None = None,
) -> list[str]:
    """Let writers write until about so many operations were acknowledged, some by each, then kill them all.

    Args:
        crash: done when half of the operations were acknowledged, while all go on writing.

    Returns:
        The operations that were acknowledged, a line each.
    """
    notes = [folder / f"{name}-{number}" for number in range(writers)]
    words = [[store, name, str(number), str(writers), str(notes[number])] for number in range(writers)]
    running = [subprocess.Popen([sys.executable, str(PROGRAM), *each]) for each in words]
    try:
        if crash is not None:
            _wait(running, notes, operations // 2)
            crash()
        _wait(running, notes, operations)
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()
    return [line for path in notes for line in path.read_text().splitlines()]


def _wait(running: list[subprocess.Popen[bytes]], notes: list[Path], operations: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while (
        not all(path.exists() for path in notes)
        or sum(path.read_bytes().count(b"\n") for path in notes) < operations
    ):
        assert all(process.poll() is None for process in running), "a writer ended by itself"
        assert time.monotonic() < deadline, "the writers got nowhere"
        time.sleep(0.01)


async def examine(store: str, lines: Iterable[str], tally: Tally) -> None:
    """Look whether all that was acknowledged is there, and whether the sums are exact."""

    async def read(tx):
        holds = await tx.rows("SELECT session, owner, credits, phase FROM holds")
        calls = await tx.rows("SELECT call_id, session FROM calls")
        entries = await tx.rows("SELECT kind, session, owner, credits FROM entries")
        return holds, calls, entries, await tx.rows("SELECT owner, granted, reserved, captured FROM accounts")

    base = database(store)
    holds, calls, entries, accounts = await _patiently(base, read)
    await base.close()
    phases = {session: phase for session, _, _, phase in holds}
    call_of = dict(calls)
    kinds = Counter((session, kind) for kind, session, _, _ in entries)
    for line in lines:
        tally.acknowledged += 1
        _, session, phase, call_id = line.split(" ")
        now = phases.get(session)
        settled = {"captured": "capture", "released": "release"}.get(MONEY[phase], "reserve")
        there = now is not None and kinds[session, "reserve"] == 1 and kinds[session, settled] == 1
        if phase == "closing":
            there = there and not kinds[session, "capture"]
        if not there or (call_id != "None" and call_of.get(call_id) != session):
            tally.lost += 1
            tally.faults.append(f"{line} is now {now}")
    tally.captured = sum(kind == "capture" for _, kind in kinds)
    tally.twice += sum(
        kinds[session, "capture"] > 1 or (kinds[session, "capture"] and kinds[session, "release"])
        for session in phases
    )
    for owner, granted, reserved, captured in accounts:
        sums = Counter()
        for kind, _, whose, credits in entries:
            sums[kind] += credits * (whose == owner)
        standing = Counter()
        for _, whose, credits, phase in holds:
            standing[MONEY[phase]] += credits * (whose == owner)
        exact = (
            granted == sums["grant"] == GRANTED[owner]
            and reserved == standing["reserved"] == sums["reserve"] - sums["capture"] - sums["release"]
            and captured == standing["captured"] == sums["capture"]
            and 0 <= reserved + captured <= granted
        )
        if not exact:
            tally.wrong_sums += 1
            tally.faults.append(f"{owner}: {granted} {reserved} {captured} {sums} {standing}")


async def _patiently(base, work):
    """A server may still be at its recovery, or the whole table take longer than a session ever does."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await base.transact(work)
        except Exception:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


def series(
    store: str, trials: int, writers: int, operations: int, server: PostgresServer | None = None
) -> Tally:
    """Do so many trials on one store; in every other one the server, if there is one, crashes too."""
    tally, dice, began = Tally(), random.Random(store), time.monotonic()
    asyncio.run(grant(store))
    with tempfile.TemporaryDirectory() as folder:
        for number in range(trials):
            crash = server.restart if server is not None and number % 2 else None
            enough = dice.randrange(operations // 2, operations * 3 // 2)
            lines = trial(store, Path(folder), f"t{number}", writers, enough, crash)
            asyncio.run(examine(store, lines, tally))
            tally.trials += 1
            tally.kills += writers
            tally.crashes += crash is not None
    tally.seconds = time.monotonic() - began
    return tally


def main(operations: int) -> int:
    each, trials, writers = operations // 2, 16, 4
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        rows["sqlite"] = series(str(Path(folder) / "ledger.db"), trials, writers, each // trials * 11 // 10)
    with postgres_server() as server:
        rows["postgres"] = series(server.database(), trials, writers, each // trials * 11 // 10, server)
    print(
        "| store | trials | writers killed | server crashed | acknowledged | lost | sessions captured | twice | wrong sums | seconds |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, tally in rows.items():
        counts = (
            tally.trials,
            tally.kills,
            tally.crashes,
            tally.acknowledged,
            tally.lost,
            tally.captured,
            tally.twice,
        )
        print(
            f"| {name} | {' | '.join(f'{count:,}' for count in counts)} | {tally.wrong_sums} | {tally.seconds:.0f} |"
        )
    total = sum(tally.acknowledged for tally in rows.values())
    print(f"{total:,} acknowledged operations")
    for tally in rows.values():
        print(*tally.faults[:10], sep="\n", end="")
    return 0 if total >= operations and all(tally.clean for tally in rows.values()) else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
