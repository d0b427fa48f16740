"""How a session is proven and how it ends: capture once, hang up, settle, give the slot back.

Each end runs in a task of its own that goes on when its caller has gone; where the provider cannot be
reached, the sweeper tries again. Knows the ports and no HTTP, and not who asks.
"""

from __future__ import annotations

import asyncio
import logging

from genmb_voice_widget.service.ledger import Hold
from genmb_voice_widget.service.problems import Refusal, named
from genmb_voice_widget.service.window import starts_log

from .parts import Parts

log = logging.getLogger(__name__)


class Settling:
    """Confirms and ends sessions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def capture(self, session: str) -> Hold:
        """Charge for the session, once.

        Raises:
            Refusal: `session_over` when it was let go before.
        """
        hold = known(await self._parts.ledger.step(session, "capture"))
        if hold.phase in ("closing", "released"):
            raise over()
        return hold

    async def end(self, session: str, reason: str | None) -> Hold:
        """End the call: hang up; give credits and slot back if the handshake was never proven."""
        return await self._finish(known(await self._parts.ledger.step(session, "close", reason)))

    async def expire(self, hold: Hold) -> Hold:
        """End a session whose time is over by the ledger's clock; any other stays as it is."""
        reason = "no_proof" if hold.phase == "reserved" else "time_over"
        return await self._finish(known(await self._parts.ledger.step(hold.session, "expire", reason)))

    def watch(self, hold: Hold) -> None:
        """Capture as soon as the provider itself has seen the caller's media."""
        if self._parts.watch and hold.call_id is not None:
            self._parts.flights.watch(self._proof(hold.session, hold.provider, hold.call_id))

    async def hang_up(self, provider: str, call_id: str | None) -> bool:
        """End a call that no session stands for; False when the provider did not confirm."""
        return await self._parts.legs.hang_up(provider, call_id)

    async def _proof(self, session: str, provider: str, call_id: str) -> None:
        if await self._parts.legs.proven(provider, call_id):
            # What was seen is not lost, even if the watching is stopped just now.
            await asyncio.shield(self._parts.flights.start(self._note_proof(session)))

    async def _note_proof(self, session: str) -> None:
        try:
            await self._parts.ledger.step(session, "capture")
        except Refusal as refusal:
            log.warning("session %s: its proof could not be noted: %s", session, refusal.code)

    async def _finish(self, hold: Hold) -> Hold:
        if hold.phase not in ("closing", "ending"):
            return hold
        return await self._parts.flights.join(f"end:{hold.session}", lambda: self._settle(hold))

    async def _settle(self, hold: Hold) -> Hold:
        """Hang up and settle; while the provider or the window cannot be reached the sweeper tries again."""
        if await self._parts.legs.hang_up(hold.provider, hold.call_id) and await self._give_back(hold):
            return known(await self._parts.ledger.step(hold.session, "settle"))
        hold = known(await self._parts.ledger.tried(hold.session, self._parts.timing.give_up_after))
        if hold.ended is not None:
            log.warning("session %s: settled without a confirmed hang-up, or slot", hold.session)
            await self._give_back(hold)
        return hold

    async def _give_back(self, hold: Hold) -> bool:
        """Give back the slot of a session that was never proven; False when the window cannot be asked."""
        if hold.phase not in ("closing", "released"):
            return True
        try:
            await self._parts.window.give_back(starts_log(hold.app), hold.session)
        except Exception as error:
            log.warning("session %s: its slot could not be given back: %s", hold.session, named(error))
            return False
        return True


def known(hold: Hold | None) -> Hold:
    """Return the hold.

    Raises:
        Refusal: `session_not_found`, when there is none.
    """
    if hold is None:
        raise Refusal("session_not_found", "No session has this id.")
    return hold


def over() -> Refusal:
    """Answer for a session that cannot be confirmed or renewed any more."""
    return Refusal("session_over", "It was ended before.")
