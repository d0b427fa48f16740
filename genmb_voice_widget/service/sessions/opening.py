"""How a session is opened, and given another call when one was lost: decide, hold, slot, provider.

Whatever fails on the way takes back what was done before it. Each opening runs in one task that goes on when
its caller has gone, so that nothing is left half done. Knows the ports and no HTTP.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from genmb_voice_widget.service.caller import Caller
from genmb_voice_widget.service.ledger import DuplicateCall, Hold, Lacking, Wish
from genmb_voice_widget.service.policy import (
    Allow,
    Deny,
    Plan,
    decide,
    too_few_credits,
    too_many_attempts,
    too_many_live,
    too_many_sessions,
)
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers import Answer, Ticket, Wire
from genmb_voice_widget.service.window import Full, Taken, attempts_log, starts_log

from .parts import Parts
from .settling import STOPPED, Settling, over


@dataclass(frozen=True)
class Request:
    """What a caller wants to start.

    Attributes:
        provider: its name here; `None` is the first there is.
        session: a GA session object.
        sdp: the offer; without one a secret for a WebSocket is wanted.
        key: the caller's idempotency key: the same key is the same session, whatever is offered.
        relay: whether its socket will be one of this endpoint, which no call takes the place of.
    """

    provider: str | None
    session: Wire
    sdp: str | None
    key: str | None = None
    relay: bool = False


@dataclass(frozen=True)
class Opened:
    """A session that waits for its proof: the account's side, the provider's, and its slot in the window."""

    hold: Hold
    leg: Answer | Ticket
    slot: Taken | None


class Opening:
    """Opens sessions, and renews them."""

    def __init__(self, parts: Parts, settling: Settling) -> None:
        self._parts = parts
        self._settling = settling
        self._waiting: Counter[str] = Counter()

    async def open(self, caller: Caller, request: Request) -> Opened:
        """Start a session; see `Sessions.open`."""
        provider = self._parts.legs.name(request.provider)
        name = f"vs_{secrets.token_hex(16)}"
        key = f"open:{caller.app}:{request.key or name}"
        self._waiting[key] += 1
        try:
            return await self._parts.flights.join(
                key, lambda: self._open(name, caller, provider, request, key)
            )
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key]

    async def reoffer(self, caller: Caller, hold: Hold, wire: Wire, sdp: str | None) -> Opened:
        """Put another call in the place of a session's; see `Sessions.reoffer`."""
        await self._attempt(caller)
        return await self._parts.flights.finish(self._reoffer(hold, caller.plan, wire, sdp))

    async def renew(self, session: str, plan: Plan, call_id: str | None) -> Hold:
        """Have a session stand (again) with this call; see `Ledger.renew`.

        Raises:
            DuplicateCall: another session of that provider has or had this call id.
            Refusal: `session_over`, `too_many_live`.
        """
        grace = self._parts.timing.grace
        renewed = await self._parts.ledger.renew(session, call_id, grace, plan.max_live)
        if renewed is None:
            raise over()
        if isinstance(renewed, Lacking):
            raise _refusal(too_many_live(plan))
        return renewed

    async def _open(self, name: str, caller: Caller, provider: str, request: Request, key: str) -> Opened:
        plan, starts = caller.plan, starts_log(caller.app)
        often = await self._attempt(caller)
        # A key may stand for a session that has its credits and its slot: the ledger knows, a look does not.
        cost = await self._decide(caller, look=often and request.key is None)
        wish = Wish(
            session=name,
            app=caller.app,
            owner=caller.owner,
            provider=provider,
            transport="websocket" if request.sdp is None else "webrtc",
            credits=cost,
            within=self._parts.timing.open_within + self._parts.timing.connect_within,
            lasts=plan.max_seconds,
            max_live=plan.max_live,
            key=request.key,
        )
        hold = await self._parts.ledger.hold(wish)
        if isinstance(hold, Lacking):
            raise _refusal(too_few_credits(plan) if hold.what == "credits" else too_many_live(plan))
        if hold.session != name and request.relay:
            return await self._found(hold, request.session)
        if hold.session != name:
            return await self._reoffer(hold, plan, request.session, request.sdp)
        try:
            slot = await self._parts.window.take(starts, name, plan.rate) if plan.rate else None
            if plan.rate and isinstance(slot, Full):
                raise _refusal(too_many_sessions(plan.rate, slot.retry_after))
            leg = await self._parts.legs.reach(provider, request.session, request.sdp)
            hold = await self._note(hold, leg)
        except BaseException:
            await self._settling.end(name, "not_opened")
            raise
        if not self._waiting[key]:
            hold = await self._settling.end(name, "caller_gone")
        return Opened(hold, leg, slot if isinstance(slot, Taken) else None)

    async def _attempt(self, caller: Caller) -> bool:
        """Count one request to start a session, whatever comes of it; True: the app asks often."""
        rate, starts = caller.plan.attempts, caller.plan.rate
        if rate is None:
            return True
        attempt = await self._parts.window.take(attempts_log(caller.app), secrets.token_hex(8), rate)
        if isinstance(attempt, Full):
            raise _refusal(too_many_attempts(rate, attempt.retry_after))
        return starts is None or rate.sessions - attempt.remaining > starts.sessions

    async def _decide(self, caller: Caller, look: bool) -> int:
        """Decide what can be told before anything is written.

        An app that asks more often than it may start is refused without a write each time. For any other a
        look is seldom worth its two questions: the hold and the slot refuse with the same arithmetic.
        """
        plan, ages, credits = caller.plan, tuple[float, ...](), None
        if look and plan.voice:
            ages = await self._parts.window.ages(starts_log(caller.app), plan.rate) if plan.rate else ()
            credits = (await self._parts.ledger.balance(caller.owner)).available
        decision = decide(plan, ages, credits)
        match decision:
            case Allow(credits):
                return credits
            case Deny():
                raise _refusal(decision)

    async def _note(self, hold: Hold, leg: Answer | Ticket) -> Hold:
        """Store the call and begin the caller's time."""
        call_id = _call(leg)
        async with self._storing(hold, call_id):
            hold = await self._parts.ledger.answered(hold.session, call_id, self._parts.timing.connect_within)
        if hold.phase != "reserved":
            await self._settling.drop(hold.session, hold.provider, call_id)
            raise Refusal("session_over", "It was ended while the voice service was still answering.")
        self._settling.watch(hold, _is_held(leg))
        return hold

    async def _found(self, hold: Hold, wire: Wire) -> Opened:
        """Leave a relayed session as it is: its address is good for one opening, however often it is told."""
        _check_answered(hold)
        if hold.phase == "over" and hold.reason != STOPPED:
            raise over()
        return Opened(hold, await self._parts.legs.reach(hold.provider, wire, None), None)

    async def _reoffer(self, hold: Hold, plan: Plan, wire: Wire, sdp: str | None) -> Opened:
        if (sdp is None) != (hold.transport == "websocket"):
            raise Refusal("bad_request", "The session uses another transport.", status=409)
        _check_answered(hold)
        leg = await self._parts.legs.reach(hold.provider, wire, sdp)
        call_id = _call(leg)
        async with self._storing(hold, call_id):
            renewed = await self.renew(hold.session, plan, call_id)
        self._parts.flights.start(self._settling.tidy(renewed))
        self._settling.watch(renewed, _is_held(leg))
        return Opened(renewed, leg, None)

    @asynccontextmanager
    async def _storing(self, hold: Hold, call_id: str | None) -> AsyncIterator[None]:
        """Hang up a call that cannot be stored; one that another session has is left to that."""
        try:
            yield
        except DuplicateCall:
            why = "The voice service's answer was not understood."
            raise Refusal("provider_unreachable", why) from None
        except BaseException:
            await self._settling.drop(hold.session, hold.provider, call_id)
            raise


def _check_answered(hold: Hold) -> None:
    """Let pass what was opened, and may still be there.

    Raises:
        Refusal: `session_opening`, `session_over`.
    """
    if hold.phase == "reserved" and hold.answered is None:
        raise Refusal("session_opening", "Its first request is still under way.", retry_after=1.0)
    if hold.phase == "closing":
        raise Refusal("session_opening", "Its first request is still being taken back.", retry_after=1.0)
    if hold.phase in ("ending", "released"):
        raise over()


def _call(leg: Answer | Ticket) -> str | None:
    return leg.call_id if isinstance(leg, Answer) else None


def _is_held(leg: Answer | Ticket) -> bool:
    return isinstance(leg, Answer) and leg.held


def _refusal(deny: Deny) -> Refusal:
    return Refusal(deny.code, deny.why, retry_after=deny.retry_after)
