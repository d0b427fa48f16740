"""A session by `/api/voice-agent` from its ticket to its end: begin it, admit its page, join the two, settle.

It is held, charged and limited as every session is; what proves it is the service's `session.created` on the
socket that the page has opened. Knows the ports and, of HTTP, only the handshake of the page's socket.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from starlette.websockets import WebSocket

from genmb_voice_widget.service.access import Access
from genmb_voice_widget.service.access.by_app import unauthorized
from genmb_voice_widget.service.access.origins import origin_of, refused
from genmb_voice_widget.service.audit import Decision, Record
from genmb_voice_widget.service.caller import Caller
from genmb_voice_widget.service.drain import Drain
from genmb_voice_widget.service.joined import End, close, tell
from genmb_voice_widget.service.ledger import Hold
from genmb_voice_widget.service.places import places
from genmb_voice_widget.service.policy import NOTEBOOK, Rate
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers import Ticket, Wire
from genmb_voice_widget.service.sessions import Sessions
from genmb_voice_widget.service.sessions.opening import Opened, Request
from genmb_voice_widget.service.sessions.parts import Parts
from genmb_voice_widget.service.sessions.settling import STOPPED, over
from genmb_voice_widget.service.window import Full

from .dial import dial
from .relay import PAGE_CLOSED, STOPPING, TIME_OVER, Patience, Relay
from .shape import Admission, wire_session

log = logging.getLogger(__name__)

_TICK = 0.25
"""Seconds between two looks at the clock, and at whether the endpoint closes."""
_SOONEST, _LATEST = 1.0, 30.0
"""Seconds to the second try to tell the account of an end, and between any two at the most."""
_AWAY = "service_unavailable"
_ENDED = End("ended", said="The session was ended.")
_FAILED = End("failed", 1011, "internal")


@dataclass(frozen=True)
class Sockets:
    """The sessions of this form, of one endpoint. One event loop for its whole life."""

    sessions: Sessions
    parts: Parts
    access: Access
    drain: Drain
    records: Sequence[Record] = ()
    patience: Patience = field(default_factory=Patience)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def begin(
        self, caller: Caller, admission: Admission, provider: str | None = None, session: Wire | None = None
    ) -> Opened:
        """Hold a session, and see that the service would give it; `session` is it, if not the address's.

        Raises:
            Refusal: as `Sessions.open`.
        """
        self.drain.check()
        wire = wire_session(admission) if session is None else session
        return await self.sessions.open(caller, Request(provider, wire, None, admission.key, relay=True))

    async def serve(self, page: WebSocket, session: str) -> None:
        """Hold the conversation of a page's socket that has not been accepted yet."""
        admission, use = Admission.read(page.query_params), secrets.token_hex(8)
        try:
            hold, lasts = await self._admit(page, session, admission, use)
        except Refusal as refusal:
            self._note("other", refusal.code, None)
            await page.close(1008)  # before it was accepted: the handshake is refused, with status 403
            return
        # Whoever holds the ticket acts for the session, whatever the plan is by now.
        caller = Caller(hold.app, hold.owner, NOTEBOOK, "token")
        end = _FAILED
        try:
            end = await self._hold(page, caller, hold, admission, lasts)
            if end is PAGE_CLOSED and self.drain.closed:  # by the server, which hangs up on everybody
                end = STOPPING
        except Exception as error:
            log.error("session %s: %s", session, places(error))
        finally:
            await self.parts.flights.finish(self._settle(caller, hold, end.reason, use))
        await close(page, end, self.patience.accept)

    async def _admit(
        self, page: WebSocket, session: str, admission: Admission, use: str
    ) -> tuple[Hold, float | None]:
        """Check the ticket and take it: it opens one socket, on whichever node.

        When that one's node was stopped, it opens another in the grace: the session goes on, paid as it is,
        if its app may have one more.

        Returns:
            The hold, and the seconds that the session may go on at the most.

        Raises:
            Refusal: `unauthorized` or `session_over` for every ticket that opens nothing (any more);
                `origin_refused`; `too_many_live` for one that may open another socket when there is room.
        """
        self.drain.check()
        found = await self.parts.ledger.find(session)
        if found is None or not hmac.compare_digest((found.key or "").encode(), admission.key.encode()):
            raise unauthorized()
        hold = await self.sessions.expire(found)
        cut_off = hold.phase == "over" and hold.reason == STOPPED
        if hold.transport != "websocket" or not (hold.phase == "reserved" or cut_off):
            raise unauthorized()
        # Where a server asked and gave the address to its page, that must be one of the same app.
        if (origin_of(page.headers) or "") != admission.origin and (
            admission.origin or (await self.access.caller(page)).app != hold.app
        ):
            raise refused()
        once = Rate(1, self.parts.timing.connect_within * 2)
        if isinstance(await self.parts.window.take(_uses(session), use, once), Full):
            raise unauthorized()
        if not cut_off:
            return hold, hold.lasts
        try:
            renewed = await self.sessions.resume(hold, await self.access.plan(hold.app))
        except Refusal:
            await self.parts.window.give_back(_uses(session), use)
            raise
        # What was left when it was cut off, by the ledger's clock alone: at most the grace too much.
        ended, due = hold.ended, renewed.due
        return renewed, None if due is None or ended is None else due - ended

    async def _hold(
        self, page: WebSocket, caller: Caller, hold: Hold, admission: Admission, lasts: float | None
    ) -> End:
        """Accept the page, reach the service, relay.

        The secret is made anew: the node that held the session may be another one, and none keeps a secret.
        """
        await page.accept()
        try:
            leg = await self.parts.legs.reach(hold.provider, wire_session(admission), None)
            assert isinstance(leg, Ticket)
            service = await dial(leg, self.parts.timing.open_within)
            try:
                return await Relay(
                    page,
                    service,
                    begun=lambda: self._capture(caller, hold),
                    over=lambda: self._over(hold.session, lasts),
                    patience=self.patience,
                    raw=admission.dialect == "raw",
                    written=leg.written,
                ).run()
            finally:  # the page is told meanwhile: a service that does not answer the close keeps it waiting
                self.parts.flights.start(service.close())
        except Refusal as refusal:
            log.warning("session %s: %s", hold.session, refusal.code)
            why = f"{refusal.to_json()['title']} {refusal.detail}"
            await tell(page, refusal.code, why, self.patience.accept)
            return End(refusal.code, 1011, refusal.code)

    async def _capture(self, caller: Caller, hold: Hold) -> None:
        """Charge: the service has made the session, for a page that is there."""
        try:
            if (await self.sessions.connected(caller, hold.session)).phase != "live":
                raise over()
        except Refusal as refusal:
            self._note("connected", refusal.code, hold)
            raise
        self._note("connected", "ok", hold)

    async def _over(self, session: str, lasts: float | None) -> End:
        """Wait until the session must end: its time, another's word, or the endpoint's own end.

        The time is the account's to tell, where the sweeper ends what is due; this loop's clock counts too,
        for when the account is away.
        """
        now = asyncio.get_running_loop().time
        until = None if lasts is None else now() + lasts
        look = now() + self.patience.look
        while True:
            await asyncio.sleep(_TICK)
            if self.drain.closed:
                return STOPPING
            if until is not None and now() >= until:
                return TIME_OVER
            if now() >= look:
                look = now() + self.patience.look
                if (end := await self._ended_elsewhere(session)) is not None:
                    return end

    async def _ended_elsewhere(self, session: str) -> End | None:
        try:
            found = await self.parts.ledger.find(session)
        except Refusal:
            return None
        if found is not None and found.phase in ("reserved", "live"):
            return None
        return TIME_OVER if found is not None and found.reason == TIME_OVER.reason else _ENDED

    async def _settle(self, caller: Caller, hold: Hold, reason: str, use: str) -> None:
        """End it in the account: now or, while that is away, later, without the page waiting for it."""
        outcome = await self._end(caller, hold, reason, use)
        # The page of a node that stops may be elsewhere by then, where the session stands again.
        if outcome == _AWAY and reason != STOPPED:
            self.parts.flights.watch(self._settle_later(caller, hold, reason, use))
        elif outcome != "ok":
            log.warning("session %s is left to the sweeper: %s", hold.session, outcome)

    async def _settle_later(self, caller: Caller, hold: Hold, reason: str, use: str) -> None:
        """Try again until it is done or its longest time is over: before that its place is not free."""
        log.warning("session %s could not be ended yet: %s", hold.session, _AWAY)
        waited, pause, outcome = 0.0, _SOONEST, _AWAY
        while outcome == _AWAY and (hold.lasts is None or waited < hold.lasts):
            await self.sleep(pause)
            waited, pause = waited + pause, min(2 * pause, _LATEST)
            # A try is not broken off, even if the endpoint stops just now.
            work = self._end(caller, hold, reason, use, again=True)
            outcome = await self.parts.flights.finish(work)
        if outcome == _AWAY:
            log.warning("session %s is left to the sweeper: %s", hold.session, outcome)

    async def _end(self, caller: Caller, hold: Hold, reason: str, use: str, again: bool = False) -> str:
        """End it in the account, and let go of what the ticket took; returns what came of it."""
        try:
            ended = await self.sessions.ended(caller, hold.session, reason)
            await self.parts.window.give_back(_uses(hold.session), use)
        except Refusal as refusal:
            if not (again and refusal.code == _AWAY):
                self._note("ended", refusal.code, None)
            return refusal.code
        self._note("ended", "ok", ended)
        return "ok"

    def _note(self, action: str, outcome: str, hold: Hold | None) -> None:
        app, session = (hold.app, hold.session) if hold else (None, None)
        for record in self.records:
            record(Decision(action, outcome, app, "socket", session))


def _uses(session: str) -> str:
    """Name the log of a ticket's uses, in which there is room for one."""
    return f"tickets:{session}"
