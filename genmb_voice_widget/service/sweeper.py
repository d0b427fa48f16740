"""Ends the sessions that only time can end: no proof in time, or a hang-up that did not go through.

It runs while there is anything that will be due, and stops by itself, so an endpoint that is mounted in a
process and never formally shut down leaves no task behind. It knows no provider and moves no money itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from .audit import Decision, Record
from .ledger import Ledger
from .sessions import Sessions

log = logging.getLogger(__name__)


class Sweeper:
    """Looks every so many seconds for the holds that are due. One event loop for its whole life.

    Args:
        records: are told of each session that was ended.
    """

    def __init__(
        self, sessions: Sessions, ledger: Ledger, every: float, records: Sequence[Record] = ()
    ) -> None:
        self._sessions = sessions
        self._ledger = ledger
        self._every = every
        self._records = records
        self._asked = False
        self._task: asyncio.Task[None] | None = None

    async def sweep(self) -> None:
        """End every session that is due now; one that cannot be ended keeps none of the others."""
        due = await self._ledger.due()
        results = await asyncio.gather(*(self._sessions.expire(hold) for hold in due), return_exceptions=True)
        for hold, result in zip(due, results, strict=True):
            if isinstance(result, BaseException):
                log.error("session %s could not be ended: %s", hold.session, type(result).__name__)
            elif result.ended is not None:
                for record in self._records:
                    record(Decision("expired", "ok", hold.app, "sweeper", hold.session))

    def ensure_running(self) -> None:
        """Begin to look, if nobody does."""
        self._asked = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while self._asked:
            self._asked = False
            await asyncio.sleep(self._every)
            try:
                await self.sweep()
                self._asked |= await self._ledger.unsettled()
            except Exception as error:
                log.error("the sweep failed: %s", type(error).__name__)
                self._asked = True
