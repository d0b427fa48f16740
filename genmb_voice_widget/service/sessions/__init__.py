"""A session's life as its caller sees it: open, connected, ended; and only the caller's own sessions.

Knows who asks and no HTTP. How each step is done is in `opening` and `settling`; what only time can end is
the sweeper's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from genmb_voice_widget.service.caller import Caller
from genmb_voice_widget.service.ledger import Hold
from genmb_voice_widget.service.outage import Outage
from genmb_voice_widget.service.policy import Plan
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers import Wire
from genmb_voice_widget.service.window import starts_log

from .opening import Opened, Opening, Request
from .parts import Parts
from .settling import Settling, known, over

_LOOK = 1.5
"""Seconds after which what has not answered a ready node is away; a balancer does not wait much longer."""


@dataclass(frozen=True)
class Allowance:
    """What a caller has left: its credits and the sessions of the window (`None`: no limit).

    Attributes:
        reset: seconds until one more slot is free; 0.0 when none is in use.
    """

    plan: Plan
    credits: int | None
    sessions: int | None
    reset: float


class Sessions:
    """Opens, confirms and ends sessions. One event loop for its whole life."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._settling = Settling(parts)
        self._opening = Opening(parts, self._settling)
        self._outage = Outage("what sessions need is away", "all that sessions need is there again")
        self._was_ready = False

    async def open(self, caller: Caller, request: Request) -> Opened:
        """Start a session: relay an offer or, without one, have a secret made for a WebSocket.

        A request that is cancelled meanwhile has its session ended as soon as there is one. uvicorn cancels
        none when its client goes away: such a session is ended when no proof comes. A request that is
        repeated with its key gets the first one's answer while that is under way; afterwards its offer is
        relayed anew and takes the first one's place, under the same hold.

        Raises:
            Refusal: and then nothing is held, no slot is taken and no call is left.
        """
        return await self._opening.open(caller, request)

    async def reoffer(self, caller: Caller, session: str, wire: Wire, sdp: str | None) -> Opened:
        """Put another call in the place of a session's, at no charge: its connection was lost.

        Raises:
            Refusal: `session_not_found`; `session_over` when it was ended too long ago or never confirmed;
                `too_many_live` when it was ended and others stand in its place.
        """
        hold = await self.find(caller, session)
        if hold.phase not in ("live", "over"):
            raise over()
        return await self._opening.reoffer(caller, hold, wire, sdp)

    async def resume(self, hold: Hold, plan: Plan) -> Hold:
        """Have a session that was cut off stand again without a call of its own, at no charge.

        Raises:
            Refusal: `session_over` when that was too long ago; `too_many_live` when others have its place.
        """
        return await self._opening.renew(hold.session, plan, None)

    async def connected(self, caller: Caller, session: str, call_id: str | None = None) -> Hold:
        """Take the caller's proof of the handshake: capture the credits, once.

        Raises:
            Refusal: `session_not_found`; `session_over` when it was let go before the proof came;
                `bad_request` when the proof names another call.
        """
        hold = await self.find(caller, session)
        if call_id is not None and call_id != hold.call_id:
            raise Refusal("bad_request", "That call does not belong to this session.", status=409)
        return await self._settling.capture(session)

    async def ended(self, caller: Caller, session: str, reason: str | None = None) -> Hold:
        """End the call: hang up; give credits and slot back if the handshake was never proven.

        Raises:
            Refusal: `session_not_found`.
        """
        await self.find(caller, session)
        return await self._settling.end(session, reason)

    async def expire(self, hold: Hold) -> Hold:
        """End a session whose time is over by the ledger's clock; any other stays as it is."""
        return await self._settling.expire(hold)

    async def find(self, caller: Caller, session: str) -> Hold:
        """Look a session up.

        Raises:
            Refusal: `session_not_found`, also for a session of another app.
        """
        hold = known(await self._parts.ledger.find(session))
        return known(hold if hold.app == caller.app else None)

    async def allowance(self, caller: Caller) -> Allowance:
        """Tell what the caller has left."""
        rate = caller.plan.rate
        ages = await self._parts.window.ages(starts_log(caller.app), rate) if rate else ()
        credits = (await self._parts.ledger.balance(caller.owner)).available
        if rate is None:
            return Allowance(caller.plan, credits, None, 0.0)
        reset = rate.seconds - ages[0] if ages else 0.0
        return Allowance(caller.plan, credits, max(0, rate.sessions - len(ages)), reset)

    async def ready(self, provider: str | None = None) -> tuple[str, ...]:
        """Do ahead what the first session would have to wait for, with one provider or with all.

        Returns:
            What of `window`, `ledger` and `providers` is away just now. The node stays ready without it, once
            it has had them all: every other node lacks a shared store too, and callers are better refused by
            one of them, in words that they can read, than by a balancer that has no node left.

        Raises:
            Refusal: a session could not be started now, and never could.
        """
        parts = self._parts
        looks = await asyncio.gather(
            self._look("window", parts.window.ready),
            self._look("ledger", parts.ledger.ready),
            self._look("providers", lambda: parts.legs.ready(provider), provider),
        )
        away = {name: why for name, why in looks if why is not None}
        if away and not self._was_ready:
            raise next(iter(away.values()))
        self._was_ready = True
        if away:
            self._outage.failed(", ".join(f"{name}, {why.code}" for name, why in away.items()))
        else:
            self._outage.worked()
        return tuple(away)

    async def _look(
        self, name: str, ready: Callable[[], Coroutine[Any, Any, None]], of: str | None = None
    ) -> tuple[str, Refusal | None]:
        """Tell why something is away, if it is; it is looked for on, but not waited for, by a ready node."""
        try:
            async with asyncio.timeout(_LOOK if self._was_ready else None):
                await self._parts.flights.join(f"ready:{name}:{of}", ready)
        except TimeoutError:
            return name, Refusal("service_unavailable", "It does not answer in time.")
        except Refusal as refusal:
            return name, refusal
        return name, None

    async def close(self) -> None:
        """Let what is under way come to its end, stop watching for proofs, then free everything."""
        await self._parts.flights.drain()
        await self._parts.legs.close()
        await self._parts.window.close()
        await self._parts.ledger.close()
