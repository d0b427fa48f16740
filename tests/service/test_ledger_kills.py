"""Writers that are killed in the middle, and a server that crashes under them, lose nothing and charge nobody twice."""

import asyncio
import sys
from pathlib import Path

import pytest
from soak.ledger_kills import series
from soak.ledger_writer import database

from genmb_voice_widget.service.ledger.sql import SqlLedger

pytest_plugins = ["harness.postgres_plugin"]

HOLD_ALL = """
import asyncio, sys
from harness.ledgers import wish
from genmb_voice_widget.service.ledger import Hold
from genmb_voice_widget.service.ledger.sql import SqlLedger
from genmb_voice_widget.service.problems import Refusal
from soak.ledger_writer import database

async def main(store, number):
    base = database(store)
    ledger = SqlLedger(base)
    async def hold(name):
        while True:
            try:
                return await ledger.hold(wish(name, max_live=30))
            except Refusal:
                pass
    held = await asyncio.gather(*(hold(f"{number}-{each}") for each in range(40)))
    print(sum(isinstance(each, Hold) for each in held))
    await base.close()

asyncio.run(main(*sys.argv[1:]))
"""


def clean(tally, operations):
    assert tally.faults == []
    assert tally.clean
    assert tally.acknowledged >= operations
    assert tally.captured > 0


def test_killed_writers_of_one_file_lose_nothing(tmp_path):
    clean(series(str(tmp_path / "ledger.db"), trials=3, writers=3, operations=1000), 1500)


def test_killed_writers_and_a_crashed_server_lose_nothing(postgres):
    tally = series(postgres.database(), trials=2, writers=3, operations=1000, server=postgres)
    assert tally.crashes == 1
    clean(tally, 1000)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_several_processes_hold_exactly_what_may_stand(kind, tmp_path, postgres):
    store = str(tmp_path / "ledger.db") if kind == "sqlite" else postgres.database()
    base = database(store)
    ledger = SqlLedger(base)
    await ledger.grant("owner", 1000)
    tests = str(Path(__file__).parents[1])
    running = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", HOLD_ALL, store, str(number)),
            stdout=asyncio.subprocess.PIPE,
            env={"PYTHONPATH": tests},
        )
        for number in range(4)
    ]
    said = [(await process.communicate())[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4
    assert sum(map(int, said)) == 30 == await ledger.live("app")
    assert (await ledger.balance("owner")).reserved == 150
    await base.close()
