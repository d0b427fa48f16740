"""Who may observe a session, and for how long: admit an observer, join it to the call, part them.

A server's socket and no page's: what it shows is the prompt and the tools too, which a provider may keep from
pages. One observer a session on this node; a newer one takes the place, for the older may hang on a
connection that is dead. Knows the ports and, of HTTP, only the socket's handshake.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from genmb_voice_widget.service.access import Access
from genmb_voice_widget.service.access.by_app import unauthorized
from genmb_voice_widget.service.access.origins import refused
from genmb_voice_widget.service.audit import Decision, Record
from genmb_voice_widget.service.caller import TRUSTED, Caller
from genmb_voice_widget.service.drain import Drain
from genmb_voice_widget.service.joined import End, close
from genmb_voice_widget.service.ledger import Hold
from genmb_voice_widget.service.places import places
from genmb_voice_widget.service.problems import MEDIA_TYPE, Refusal
from genmb_voice_widget.service.sessions import Sessions
from genmb_voice_widget.service.sessions.parts import Parts
from genmb_voice_widget.service.sessions.settling import over

from .observer import DISPLACED, LOST, MOVED, OVER, STOPPING, Patience, join

log = logging.getLogger(__name__)

_TICK = 0.25
"""Seconds between two looks at the clock, and at whether the endpoint closes."""
_FAILED = End("failed", 1011, "internal")


@dataclass(frozen=True)
class Observers:
    """The observers' sockets of one endpoint. One event loop for its whole life."""

    sessions: Sessions
    parts: Parts
    access: Access
    drain: Drain
    records: Sequence[Record] = ()
    patience: Patience = field(default_factory=Patience)
    observed: dict[str, asyncio.Event] = field(default_factory=dict)

    async def serve(self, socket: WebSocket, session: str) -> None:
        """Hold an observer's socket that has not been accepted yet."""
        caller: Caller | None = None
        try:
            caller = await self._caller(socket)
            hold, call_id = await self._find(caller, session)
            async with self.parts.legs.observe(hold.provider, call_id) as call:
                await socket.accept()
                self._note("ok", caller, session)
                place = self._take_place(session)
                try:
                    end = await join(socket, call, lambda: self._over(session, call_id, place), self.patience)
                    if end in (OVER, LOST):
                        end = await self._why(session, call_id)
                except Exception as error:
                    log.error("session %s: %s", session, places(error))
                    end = _FAILED
                finally:
                    if self.observed.get(session) is place:
                        del self.observed[session]
        except Refusal as refusal:
            self._note(refusal.code, caller, session if caller else None)
            await _deny(socket, refusal)
            return
        await close(socket, end, self.patience.accept)

    async def _caller(self, socket: WebSocket) -> Caller:
        # A browser sends `Origin` with every socket (RFC 6455 §4.1), and no server does.
        if "origin" in socket.headers:
            raise refused()
        caller = await self.access.caller(socket)
        if caller.via not in TRUSTED:
            raise unauthorized()
        self.drain.check()
        return caller

    async def _find(self, caller: Caller, session: str) -> tuple[Hold, str]:
        """Find the session and its call.

        Raises:
            Refusal: `session_not_found`; `session_over`, also for a session that has no call here.
        """
        hold = await self.sessions.expire(await self.sessions.find(caller, session))
        if hold.phase not in ("reserved", "live") or hold.call_id is None:
            raise over()
        return hold, hold.call_id

    def _take_place(self, session: str) -> asyncio.Event:
        """Take the session's place from whoever has it; the event tells that another one has taken it."""
        if (former := self.observed.get(session)) is not None:
            former.set()
        place = self.observed[session] = asyncio.Event()
        return place

    async def _over(self, session: str, call_id: str, place: asyncio.Event) -> End:
        """Wait until the two must part: another observer, the session's end, or the endpoint's own."""
        now = asyncio.get_running_loop().time
        look = now() + self.patience.look
        while not place.is_set():
            try:
                async with asyncio.timeout(_TICK):
                    await place.wait()
            except TimeoutError:
                if self.drain.closed:
                    return STOPPING
                if now() >= look:
                    look = now() + self.patience.look
                    if (end := await self._why(session, call_id)) is not LOST:
                        return end
        return DISPLACED

    async def _why(self, session: str, call_id: str) -> End:
        """Tell what it means that a call's socket is closed: proxies close sockets of calls that go on."""
        try:
            hold = await self.parts.ledger.find(session)
        except Refusal:
            return LOST
        if hold is None or hold.phase not in ("reserved", "live"):
            return OVER
        return LOST if hold.call_id == call_id else MOVED

    def _note(self, outcome: str, caller: Caller | None, session: str | None) -> None:
        app, via = (caller.app, caller.via) if caller else (None, None)
        for record in self.records:
            record(Decision("observed", outcome, app, via, session))


async def _deny(socket: WebSocket, refusal: Refusal) -> None:
    """Refuse the handshake, with the problem where the server can tell it (ASGI, denial response)."""
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        problem = JSONResponse(refusal.to_json(), refusal.status, refusal.headers(), MEDIA_TYPE)
        await socket.send_denial_response(problem)
    else:
        await socket.close(1008)
