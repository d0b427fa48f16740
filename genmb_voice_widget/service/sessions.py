"""The order of things in a session's life: decide, hold, slot, provider, proof; and back when one fails.

Knows the ports (provider, window, ledger) and no HTTP. Each session's steps run in one task at a time that
goes on when its caller has gone, so nothing is left half done; what only time can end is the sweeper's.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .flights import Flights
from .ledger import DuplicateCall, Hold, Ledger, Transport
from .policy import Deny, Plan, decide, too_few_credits, too_many_sessions
from .problems import Refusal
from .providers import Answer, Provider, Ticket, Wire
from .settings import Timing
from .window import Full, Window

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Opened:
    """A session that waits for its proof: the account's side and the provider's."""

    hold: Hold
    leg: Answer | Ticket


class Sessions:
    """Opens, confirms and ends sessions. One event loop for its whole life."""

    def __init__(
        self,
        *,
        providers: Mapping[str, Provider],
        plan: Plan,
        window: Window,
        ledger: Ledger,
        clock: Callable[[], float],
        timing: Timing,
    ) -> None:
        self._providers = providers
        self._plan = plan
        self._window = window
        self._ledger = ledger
        self._clock = clock
        self._timing = timing
        self._flights = Flights()

    async def open(self, app: str, provider: str | None, session: Wire, sdp: str | None) -> Opened:
        """Start a session: relay an offer or, without one, have a secret made for a WebSocket.

        A caller that goes away meanwhile has its session ended as soon as there is one.

        Args:
            app: whose credits and slots it takes.
            provider: its name here; `None` is the first there is.
            session: a GA session object.
            sdp: the offer.

        Raises:
            Refusal: and then nothing is held, no slot is taken and no call is left.
        """
        provider = next(iter(self._providers)) if provider is None else provider
        if provider not in self._providers:
            known = ", ".join(sorted(self._providers))
            raise Refusal("unknown_provider", f"This endpoint has: {known}.")
        name = f"vs_{secrets.token_hex(16)}"
        work = self._flights.start(self._open(name, app, provider, session, sdp))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            self._flights.start(self._abandon(name, work))
            raise

    async def connected(self, session: str, call_id: str | None = None) -> Hold:
        """Take the caller's proof of the handshake: capture the credits, once.

        Raises:
            Refusal: `session_not_found`; `session_over` when it was let go before the proof came;
                `bad_request` when the proof names another call.
        """
        hold = await self.find(session)
        if call_id is not None and call_id != hold.call_id:
            raise Refusal("bad_request", "That call does not belong to this session.")
        hold = _known(await self._ledger.step(session, "capture"))
        if hold.phase in ("closing", "released"):
            raise Refusal("session_over", "It was ended before the connection was confirmed.")
        return hold

    async def ended(self, session: str, reason: str | None = None) -> Hold:
        """End the call: hang up; give credits and slot back if the handshake was never proven.

        Raises:
            Refusal: `session_not_found`.
        """
        return await self._finish(_known(await self._ledger.step(session, "close", reason)))

    async def expire(self, session: str) -> Hold:
        """End the session like `ended`, but only if its caller's time is over by the ledger's clock."""
        return await self._finish(_known(await self._ledger.step(session, "expire", "no_proof")))

    async def find(self, session: str) -> Hold:
        """Look a session up.

        Raises:
            Refusal: `session_not_found`.
        """
        return _known(await self._ledger.find(session))

    async def ready(self) -> None:
        """Do ahead what the first session would have to wait for.

        Raises:
            Refusal: `provider_unreachable`, or the provider's own reason.
        """
        try:
            async with asyncio.timeout(self._timing.open_within):
                await asyncio.gather(*(provider.ready() for provider in self._providers.values()))
        except TimeoutError:
            raise Refusal("provider_unreachable", "The voice service took too long to get ready.") from None

    async def close(self) -> None:
        """Let what is under way come to its end, then close the providers."""
        await self._flights.drain()
        for provider in self._providers.values():
            await provider.close()

    async def _open(self, name: str, app: str, provider: str, session: Wire, sdp: str | None) -> Opened:
        rate = self._plan.rate
        ages = await self._window.ages(app, rate) if rate else ()
        decision = decide(self._plan, ages, (await self._ledger.balance(app)).available)
        if isinstance(decision, Deny):
            raise _refusal(decision)
        transport: Transport = "websocket" if sdp is None else "webrtc"
        due = self._clock() + self._timing.open_within + self._timing.connect_within
        if not await self._ledger.hold(Hold(name, app, provider, transport, decision.credits, due)):
            raise _refusal(too_few_credits(self._plan))
        try:
            if rate and isinstance(slot := await self._window.take(app, name, rate), Full):
                raise _refusal(too_many_sessions(rate, slot.retry_after))
            leg = await self._reach(provider, session, sdp)
            return Opened(await self._note(name, provider, leg), leg)
        except BaseException:
            await self.ended(name, "not_opened")
            raise

    async def _reach(self, provider: str, session: Wire, sdp: str | None) -> Answer | Ticket:
        service = self._providers[provider]
        try:
            async with asyncio.timeout(self._timing.open_within):
                return await (service.mint(session) if sdp is None else service.answer(session, sdp))
        except TimeoutError:
            raise Refusal("provider_unreachable", "The voice service took too long to answer.") from None

    async def _note(self, name: str, provider: str, leg: Answer | Ticket) -> Hold:
        """Store the call and begin the caller's time; a call that cannot be stored is hung up."""
        call_id = leg.call_id if isinstance(leg, Answer) else None
        try:
            hold = await self._ledger.answered(name, call_id, self._clock() + self._timing.connect_within)
        except DuplicateCall:
            raise Refusal("provider_unreachable", "The voice service's answer was not understood.") from None
        except BaseException:
            await self._hang_up(provider, call_id)
            raise
        if hold.phase != "reserved":
            await self._hang_up(provider, call_id)
            raise Refusal("session_over", "It was ended while the voice service was still answering.")
        return hold

    async def _abandon(self, name: str, work: asyncio.Task[Opened]) -> None:
        await asyncio.wait([work])
        if not work.cancelled() and work.exception() is None:
            await self.ended(name, "caller_gone")

    async def _finish(self, hold: Hold) -> Hold:
        if hold.phase not in ("closing", "ending"):
            return hold
        return await self._flights.join(hold.session, lambda: self._settle(hold))

    async def _settle(self, hold: Hold) -> Hold:
        """Hang up and settle; while the provider cannot be reached the sweeper tries again."""
        if not await self._hang_up(hold.provider, hold.call_id):
            since = self._clock() - (hold.due or 0.0)
            if since < self._timing.give_up_after:
                return hold
            log.warning("session %s: settled without a confirmed hang-up", hold.session)
        if hold.phase == "closing":
            await self._window.give_back(hold.app, hold.session)
        return _known(await self._ledger.step(hold.session, "settle"))

    async def _hang_up(self, provider: str, call_id: str | None) -> bool:
        if call_id is None:
            return True
        try:
            async with asyncio.timeout(self._timing.hang_up_within):
                await self._providers[provider].hang_up(call_id)
        except Exception as error:
            log.warning("call %s could not be hung up: %s", call_id, type(error).__name__)
            return False
        return True


def _refusal(deny: Deny) -> Refusal:
    return Refusal(deny.code, deny.why, retry_after=deny.retry_after)


def _known(hold: Hold | None) -> Hold:
    if hold is None:
        raise Refusal("session_not_found", "No session has this id.")
    return hold
