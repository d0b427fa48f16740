"""How a session is proven and how it ends: capture once, hang up, settle, give the slot back.

Each end runs in a task of its own that goes on when its caller has gone; where the provider cannot be
reached, the sweeper tries again. Knows the ports and no HTTP, and not who asks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection

from genmb_voice_widget.service.audit import Decision
from genmb_voice_widget.service.ledger import Hold
from genmb_voice_widget.service.problems import Refusal, named
from genmb_voice_widget.service.window import starts_log

from .parts import Parts

log = logging.getLogger(__name__)

STOPPED = "stopping"
"""Why a node that stops ends a session; who has a relayed one may go on with it, so no caller may say it."""


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
        # A sweeper that is stopped between the step and its record would leave an end that nobody notes.
        return await self._parts.flights.finish(self._expire(hold))

    async def _expire(self, hold: Hold) -> Hold:
        reason = "no_proof" if hold.phase == "reserved" else "time_over"
        after = known(await self._parts.ledger.step(hold.session, "expire", reason))
        if hold.phase in ("reserved", "live") and after.phase != hold.phase and after.reason == reason:
            self._record("expired", "sweeper", after)
        return await self._finish(after)

    def watch(self, hold: Hold, held: bool) -> None:
        """Capture as soon as the provider itself has seen the caller's media; end a call that is `held` here.

        The session's end may be told to another node, which cannot.
        """
        if self._parts.watch and hold.call_id is not None:
            self._parts.flights.watch(self._proof(hold.session, hold.provider, hold.call_id))
            if held:
                self._parts.flights.watch(self._hold(hold.session, hold.provider, hold.call_id))

    async def tidy(self, hold: Hold) -> None:
        """Hang up the calls that are not the session's any more, now or, where that fails, by the sweeper."""
        try:
            await self._tidy(hold)
        except Exception as error:
            log.warning("session %s: its former call is left to the sweeper: %s", hold.session, named(error))

    async def drop(self, session: str, provider: str, call_id: str | None) -> None:
        """Hang up a call that nobody is to have, now or, where that fails, by the sweeper."""
        if await self._parts.legs.hang_up(provider, call_id) or call_id is None:
            return
        try:
            await self._parts.ledger.leave(session, call_id)
        except Exception as error:
            log.error("call %s is left to itself: %s", call_id, named(error))

    async def _proof(self, session: str, provider: str, call_id: str) -> None:
        if await self._parts.legs.proven(provider, call_id):
            # What was seen is not lost, even if the watching is stopped just now.
            await self._parts.flights.finish(self._note_proof(session))

    async def _hold(self, session: str, provider: str, call_id: str) -> None:
        """End a call that only this node can end, as soon as its session is over or has another one."""
        while True:
            await asyncio.sleep(self._parts.timing.look_every)
            try:
                hold = await self._parts.ledger.find(session)
                if hold is not None and hold.phase in ("closing", "ending"):
                    hold = await self._finish(hold)
            except Refusal:
                continue
            if hold is None or hold.phase not in ("reserved", "live") or hold.call_id != call_id:
                await self._parts.legs.hang_up(provider, call_id)
                return

    async def _note_proof(self, session: str) -> None:
        try:
            found = known(await self._parts.ledger.find(session))
            if found.phase != "reserved":
                return
            captured = known(await self._parts.ledger.step(session, "capture"))
            if captured.phase == "live":
                self._record("connected", "provider", captured)
        except Refusal as refusal:
            log.warning("session %s: its proof could not be noted: %s", session, refusal.code)

    def _record(self, action: str, via: str, hold: Hold) -> None:
        for record in self._parts.records:
            record(Decision(action, "ok", hold.app, via, hold.session))

    async def _finish(self, hold: Hold) -> Hold:
        if hold.phase in ("closing", "ending"):
            return await self._parts.flights.join(f"end:{hold.session}", lambda: self._settle(hold))
        if hold.former:
            return await self._parts.flights.join(f"former:{hold.session}", lambda: self._tidy(hold))
        return hold

    async def _tidy(self, hold: Hold) -> Hold:
        """Hang up the calls that are not the session's any more."""
        gone = await self._gone(hold.provider, *(each.call_id for each in hold.former))
        return await self._tried(hold, gone)

    async def _tried(self, hold: Hold, gone: Collection[str]) -> Hold:
        give_up_after = self._parts.timing.give_up_after
        return known(await self._parts.ledger.tried(hold.session, gone, give_up_after))

    async def _gone(self, provider: str, *calls: str) -> Collection[str]:
        """Hang calls up; returns those of which the provider confirmed it."""
        ends = await asyncio.gather(*(self._parts.legs.hang_up(provider, call) for call in calls))
        return {call for call, ended in zip(calls, ends, strict=True) if ended}

    async def _settle(self, hold: Hold) -> Hold:
        """Hang up and settle; while the provider or the window cannot be reached the sweeper tries again."""
        calls = [each.call_id for each in hold.former]
        if hold.call_id is not None:
            calls.append(hold.call_id)
        gone = await self._gone(hold.provider, *calls)
        if len(gone) == len(calls) and await self._give_back(hold):
            if hold.former:
                await self._tried(hold, gone)
            return known(await self._parts.ledger.step(hold.session, "settle"))
        hold = await self._tried(hold, gone)
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
