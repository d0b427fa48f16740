"""A session without a browser: over a WebSocket, with WAV files for a microphone, a clock for a loudspeaker.

Owns the session's life from its ticket to its end: the endpoint's calls, the socket, the tasks. Lives in the
package's event loop. It must not know the widget; what is said and heard is in talk.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from .client import Ticket, TokenClient
from .clock import Clock
from .conversation import Conversation
from .errors import Refused, VoiceError
from .granting import granted
from .settings import Settings
from .talk import CHUNK_MS, Talk
from .waiting import in_session
from .wire_socket import open_socket, received, send

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

log = logging.getLogger(__name__)

CREATED_WITHIN = 10.0
"""Seconds from the open socket to the service's `session.created`."""


class Headless:
    """One session: `begin` it in any thread, then let `hold` be its whole life.

    Args:
        conversation: gets the log.
        client: the token endpoint.
        settings: what it begins with.
        speed: how much faster than people talk time passes for the microphone and the loudspeaker.
    """

    def __init__(
        self,
        conversation: Conversation,
        client: TokenClient,
        settings: Settings,
        speed: float,
    ) -> None:
        self.log_id = f"headless-{token_hex(8)}"
        self._conversation = conversation
        self._client = client
        self._settings = settings
        self.clock = Clock(speed)
        self._outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._talk = Talk(conversation, self.clock, self._outbox.put_nowait, lambda: settings.session)
        self._stop = asyncio.Event()

    def begin(self) -> None:
        """Take over the conversation with a new log."""
        self._conversation.begin(self.log_id)
        self._own("genmb.status", status="connecting")

    async def hold(self) -> None:
        """Open the session and keep it until somebody ends it; whatever goes wrong stands in the log."""
        ticket, error = None, None
        try:
            ticket = await self._ticket()
            try:
                await self._converse(ticket)
            except VoiceError as refused:
                if refused.code != "secret_expired":
                    raise
                # It lived too short for its way here. A new one, once; nothing has been charged yet.
                await self._report(self._client.ended(ticket.id, refused.code))
                ticket = await self._ticket()
                await self._converse(ticket)
        except Refused as refused:
            error = None if self._stop.is_set() else refused.with_time()
        except VoiceError as known:
            error = known
        except Exception:
            log.exception("a headless session failed")
            error = VoiceError("internal")
        if error is not None:
            self._conversation.end("failed", error.code, error.detail, t=self.clock.now())
        else:
            self._own("genmb.status", status="ended", by=None if self._stop.is_set() else "service")
        if ticket is not None:
            unforced = "stopped" if self._stop.is_set() else "hung_up"
            await self._report(self._client.ended(ticket.id, error.code if error else unforced))

    def stop(self) -> None:
        """End the session."""
        self._stop.set()

    def say(self, text: str, item_id: str) -> None:
        """Put a message of the user into the conversation, under this id, and have it answered."""
        self._talk.say(text, item_id)

    def answer(self, log_id: str, items: Iterable[Mapping[str, Any]], response: Mapping[str, Any]) -> None:
        """Answer the calls of one response, as `Talk.answer`, if they are of this session."""
        if log_id == self.log_id:
            self._talk.answer(items, response)

    def interrupt(self) -> None:
        """Stop the reply that is being made or played."""
        self._talk.interrupt()

    def respond(self) -> None:
        """Have an answer made to what has been said so far."""
        self._talk.respond()

    def update(self) -> None:
        """Tell the service what it does not know yet of the session's options."""
        if update := self._settings.update():
            self._talk.update(**update)

    def mute(self, muted: bool) -> None:
        """Have the microphone hear nothing, or again what is spoken."""
        self._talk.mute(muted)

    async def speak(self, sound: bytes) -> None:
        """Say a sound as the user's turn, once the agent is silent, and wait until the reply was played.

        Args:
            sound: 16-bit mono samples at 24 kHz.

        Raises:
            VoiceError: `response_failed`, also when the reply is cut before its first word or has none, or
                why the session ended before.
        """
        await self._until(lambda: self._talk.quiet)
        turns, errors = len(self._conversation.state.turns), len(self._conversation.state.errors)
        self._talk.speak(sound)
        await self._until(lambda: self._talk.said)
        await self._until(lambda: self._talk.answered(turns, errors))

    async def _until(self, holds: Callable[[], bool]) -> None:
        conversation = self._conversation
        await asyncio.wrap_future(conversation.wait(in_session(conversation, self.log_id, holds)))

    async def _ticket(self) -> Ticket:
        provider, wire = self._settings.provider, self._settings.begin()
        ticket = await granted(lambda key: self._client.ticket(provider, wire, key), self._stop)
        self._settings.opened(ticket.transcription)
        return ticket

    async def _converse(self, ticket: Ticket) -> None:
        """Talk from the open socket to its end."""
        known = {"provider": ticket.provider, "model": ticket.model, "voice": ticket.voice}
        self._own("genmb.session", id=ticket.id, transport="websocket", **known)
        async with open_socket(ticket) as socket:
            events = received(socket)
            tasks = [asyncio.create_task(self._write(socket)), asyncio.create_task(self._close(socket))]
            try:
                if not await self._created(events):
                    return
                self._own("genmb.status", status="live")
                if ticket.update is not None:
                    self._talk.update("opening", ticket.update)
                self.update()
                tasks.append(asyncio.create_task(self._keep_time()))
                tasks.append(asyncio.create_task(self._report(self._client.connected(ticket.id), shown=True)))
                async for event in events:
                    self._talk.hear(event)
                    self._settings.hear(event)
            except VoiceError:
                if not self._stop.is_set():
                    raise
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _created(self, events: AsyncIterator[dict[str, Any]]) -> bool:
        """Wait for the service's first word; False when we stopped before it came."""
        try:
            async with asyncio.timeout(CREATED_WITHIN):
                self._talk.hear(await anext(events))
        except (TimeoutError, StopAsyncIteration):
            if self._stop.is_set():
                return False
            raise VoiceError("handshake_timeout", "The service did not begin the session.") from None
        return True

    async def _close(self, socket: ClientConnection) -> None:
        await self._stop.wait()
        await socket.close()

    async def _write(self, socket: ClientConnection) -> None:
        while True:
            await send(socket, await self._outbox.get())

    async def _keep_time(self) -> None:
        begun, ticks = self.clock.now(), 0
        while True:
            await self.clock.until(begun + ticks * CHUNK_MS)
            ticks += 1
            self._talk.tick()

    async def _report(self, call: Coroutine[Any, Any, object], shown: bool = False) -> None:
        """Tell the endpoint something; that it did not listen does not end a session."""
        try:
            await call
        except VoiceError as error:
            log.info("%s", error)
            if shown:
                self._own("genmb.error", code=error.code, detail=error.detail)

    def _own(self, type: str, **members: str | None) -> None:
        known = {name: value for name, value in members.items() if value is not None}
        self._conversation.append({"type": type} | known, "own", self.clock.now())
