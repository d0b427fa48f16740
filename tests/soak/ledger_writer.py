"""A process that writes to a ledger until it is killed, and notes each operation once it was acknowledged.

Run by `ledger_kills`: ledger_writer.py STORE NAME NUMBER WRITERS NOTES. Each of its tasks leads sessions through
their lives, its own and those of the other writers, so that all of them meet at the same rows.
"""

import asyncio
import logging
import os
import random
import sys
from contextlib import suppress
from pathlib import Path

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.database import Database
from genmb_voice_widget.service.database.sqlite import SqliteDatabase
from genmb_voice_widget.service.ledger import DuplicateCall, Hold, Lacking, Wish
from genmb_voice_widget.service.ledger.sql import SqlLedger
from genmb_voice_widget.service.problems import Refusal

OWNERS = ("rich", "well-off", "poor")
TASKS = 16


def database(store: str) -> Database:
    """Open what `store` names: a file, or a server."""
    if not store.startswith("postgresql:"):
        return SqliteDatabase(store)
    from genmb_voice_widget.service.database.postgres import PostgresDatabase

    return PostgresDatabase(Secret(store))


def wish(session: str) -> Wish:
    """What is asked for a session follows from its name, whoever asks."""
    number = sum(session.encode())
    owner = OWNERS[number % len(OWNERS)]
    return Wish(session, f"app-{owner}", owner, "here", "webrtc", 5, 3600.0, key=f"key-{session}")


class Writer:
    def __init__(self, ledger: SqlLedger, name: str, number: int, writers: int, notes: int) -> None:
        self.ledger = ledger
        self.name = name
        self.number = number
        self.writers = writers
        self.notes = notes
        self.count = 0
        self.random = random.Random(f"{name} {number}")

    def session(self) -> str:
        """Name a new session of one's own or, as often as not, one that another writer has about now."""
        self.count += 1
        whose = self.random.randrange(self.writers) if self.random.random() < 0.5 else self.number
        near = self.count if whose == self.number else self.count - self.random.randrange(-3, 12)
        return f"{self.name}-{whose}-{near}"

    async def ask(self, method, *words):
        """Ask until there is an answer, and note it; what was acknowledged must be there for ever."""
        while True:
            try:
                answer = await method(*words)
            except Refusal as refusal:
                assert refusal.code == "service_unavailable", refusal
                await asyncio.sleep(0.05)
            else:
                hold = getattr(answer, "hold", answer)
                if isinstance(hold, Hold):
                    line = f"{method.__name__} {hold.session} {hold.phase} {hold.call_id}\n"
                    os.write(self.notes, line.encode())
                return answer

    async def lead(self, session: str) -> None:
        """Lead one session through its life, or as far as others have left any of it."""
        chance, call = self.random.random, f"rtc-{session}"
        if isinstance(await self.ask(self.ledger.hold, wish(session)), Lacking):
            return
        await self.ask(self.ledger.answered, session, call, 3600.0)
        if chance() < 0.7:
            await self.ask(self.ledger.step, session, "capture")
            if chance() < 0.3:
                await self.ask(self.ledger.step, session, "capture")
            if chance() < 0.2:
                await self.ask(self.ledger.renew, session, f"{call}-{self.number}", 60.0)
        if chance() < 0.8:
            await self.ask(self.ledger.step, session, "close", "user")
            await self.ask(self.ledger.step, session, "settle")
        if chance() < 0.05:
            with suppress(DuplicateCall):
                await self.ask(self.ledger.renew, session, "rtc-everybody's", 60.0)

    async def work(self) -> None:
        while True:
            await self.lead(self.session())


async def main(store: str, name: str, number: str, writers: str, notes: str) -> None:
    file = os.open(Path(notes), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    writer = Writer(SqlLedger(database(store)), name, int(number), int(writers), file)
    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(writer.work())


if __name__ == "__main__":
    logging.disable()
    asyncio.run(main(*sys.argv[1:]))
