"""Ends the sessions that only time can end: no proof in time, or a hang-up that did not go through.

Where others share the ledger it looks as long as the endpoint runs: a node that died left its sessions to the
others. An endpoint that is alone looks while there is anything that will be due, and stops by itself, so one
that is mounted in a process and never formally shut down leaves no task behind. Whoever finds something takes
the lease for as long as it sweeps. It knows no provider and moves no money itself.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import suppress

from genmb_voice_widget.service.ledger import Ledger
from genmb_voice_widget.service.outage import Outage
from genmb_voice_widget.service.problems import named
from genmb_voice_widget.service.settings import Timing

from . import Sessions

log = logging.getLogger(__name__)

LEASE = "sweep"


class Sweeper:
    """Looks every so many seconds for the holds that are due. One event loop for its whole life.

    Args:
        shared: whether others have sessions in the ledger too.
    """

    def __init__(
        self,
        sessions: Sessions,
        ledger: Ledger,
        timing: Timing,
        *,
        shared: bool = False,
    ) -> None:
        self._sessions = sessions
        self._ledger = ledger
        self._every = timing.sweep_every
        self._give_up_after = timing.give_up_after
        # A sweeper that died keeps the others from sweeping no longer than it could have taken itself.
        self._lease = timing.sweep_every + timing.hang_up_within
        self._name = secrets.token_hex(8)
        self._shared = shared
        self._asked = False
        self._stuck = set[str]()
        self._outage = Outage(
            "sessions whose time is over cannot be looked for",
            "sessions whose time is over are looked for again",
        )
        self._task: asyncio.Task[None] | None = None

    async def sweep(self) -> bool:
        """End every session that is due now, unless another sweeper does just that.

        Returns:
            Whether any was dealt with: then there may be more than a look shows.
        """
        if not await self._ledger.due():
            return False
        if not await self._ledger.lease(LEASE, self._name, self._lease):
            return False
        try:
            return await self._end_due()
        finally:
            await self._ledger.lease(LEASE, self._name, 0.0)

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

    async def _end_due(self) -> bool:
        """End what is due now that nobody else does; what cannot be ended keeps none of the others."""
        due = await self._ledger.due()
        results = await asyncio.gather(*(self._sessions.expire(hold) for hold in due), return_exceptions=True)
        stuck = set[str]()
        for hold, result in zip(due, results, strict=True):
            if isinstance(result, BaseException):
                stuck.add(hold.session)
                if hold.session not in self._stuck:
                    log.error("session %s could not be ended yet: %s", hold.session, named(result))
                with suppress(Exception):
                    await self._ledger.tried(hold.session, (), self._give_up_after)
        self._stuck = stuck
        return len(stuck) < len(due)

    async def _run(self) -> None:
        while self._asked or self._shared:
            self._asked = False
            await asyncio.sleep(self._every)
            try:
                while await self.sweep():
                    pass
                if self._shared or await self._ledger.unsettled():
                    self._asked = True
                self._outage.worked()
            except Exception as error:
                self._outage.failed(named(error))
                self._asked = True
