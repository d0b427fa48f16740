"""The decisions in a database: the table `audit`, written a batch at a time, beside the requests.

A decision waits in memory until the batch that it is in is written, so a process that is killed loses those
of its last moment; money is in the ledger, which writes before it answers. When the database cannot be asked
the decisions wait for it, up to a number; those beyond it are counted, and the count is kept with the next
batch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from itertools import islice

from genmb_voice_widget.service.database import Database, Transaction
from genmb_voice_widget.service.outage import Outage
from genmb_voice_widget.service.problems import named

from . import Decision

log = logging.getLogger(__name__)

_BATCH = 100
_COLUMNS = "at, action, outcome, app, via, session"


class AuditSql:
    """An `Audit` in a database. One event loop for its whole life.

    Args:
        waiting: how many decisions may wait.
        pause: seconds between two attempts to write while the database cannot be asked.
        close_within: seconds that `close` tries.
        clock: seconds, of any beginning: how long a decision has waited.
    """

    def __init__(
        self,
        database: Database,
        *,
        waiting: int = 10_000,
        pause: float = 1.0,
        close_within: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._most = waiting
        self._pause = pause
        self._close_within = close_within
        self._clock = clock
        self._waiting: deque[tuple[float, Decision]] = deque()
        self._lost = 0
        self._confessed = 0
        self._writer: asyncio.Task[None] | None = None
        self._outage = Outage("decisions cannot be written yet", "decisions are written again")

    @property
    def lost(self) -> int:
        """See `Audit.lost`."""
        return self._lost

    def record(self, decision: Decision) -> None:
        """See `Audit.record`."""
        if len(self._waiting) < self._most:
            self._waiting.append((self._clock(), decision))
        else:
            self._lost += 1
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def close(self) -> None:
        """See `Audit.close`."""
        if self._writer is None:
            return
        try:
            await asyncio.wait([self._writer], timeout=self._close_within)
        finally:  # also where whoever closes it has less time
            if not self._writer.done():
                self._writer.cancel()
                waiting = len(self._waiting) + self._lost - self._confessed
                log.error("%d decisions could not be written", waiting)
        await asyncio.wait([self._writer])

    async def _write(self) -> None:
        """Write until nothing waits; a batch that could not be written is tried again."""
        while self._waiting or self._lost > self._confessed:
            batch, lost = list(islice(self._waiting, _BATCH)), self._lost
            taken = len(batch)
            if lost > self._confessed:
                batch.append((self._clock(), Decision("lost", str(lost - self._confessed), None, "audit")))
            try:
                await self._insert(batch)
            except Exception as error:
                self._outage.failed(named(error))
                await asyncio.sleep(self._pause)
                continue
            self._outage.worked()
            for _ in range(taken):
                self._waiting.popleft()
            self._confessed = lost

    async def _insert(self, batch: list[tuple[float, Decision]]) -> None:
        places = ", ".join(["(?, ?, ?, ?, ?, ?)"] * len(batch))

        async def work(transaction: Transaction) -> None:
            # The database's own time, which all nodes share, less how long each has waited.
            began = transaction.now - self._clock()
            values = [
                value
                for at, of in batch
                for value in (began + at, of.action, of.outcome, of.app, of.via, of.session)
            ]
            await transaction.rows(f"INSERT INTO audit ({_COLUMNS}) VALUES {places}", *values)  # noqa: S608

        await self._database.transact(work)
