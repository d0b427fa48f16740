"""One page's socket and one service's, joined: what either says goes on to the other, in the other's names.

A page that speaks as the service does gets everything as it is, and says it so: but for a `session.update`,
which goes on as this service takes it, and without the model, which none can change.

It ends when either closes, when nobody has said anything for long, when the session's time is over, when a
page sends too much at once or reads too slowly, and when the endpoint is being stopped. Each side is read
only as fast as the other one takes it, so nothing piles up here. Nothing that is said is logged. It knows no
account; who is to know that the service has begun is told through `begun`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.websockets import WebSocket

from genmb_voice_widget.service.joined import End, event_of, first_end, send, tell
from genmb_voice_widget.service.providers import Wire
from genmb_voice_widget.service.sessions.settling import STOPPED

from .dialect import to_beta, to_ga
from .replies import Replies

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

LARGEST = 1024 * 1024
"""Characters of one message of a page, all ASCII as a rule: sixteen seconds of its sound at once."""


@dataclass(frozen=True)
class Patience:
    """All in seconds.

    Attributes:
        idle: how long nobody may say anything.
        accept: how long a side may take to accept one message.
        found: how long a page's commit waits for the service to find the turn by itself.
        pause: how long a page is not read after a message of `LARGEST`, and accordingly after a shorter one.
            Sixteen times as fast as one can speak is fast enough; without it one page's flood would hold up
            every other page of the node.
        look: how often the account is asked whether somebody else has ended the session.
    """

    idle: float = 600.0
    accept: float = 20.0
    found: float = 0.3
    pause: float = 1.0
    look: float = 5.0


PAGE_CLOSED = End("page_closed")
SERVICE_CLOSED = End("service_closed", said="The voice service has ended the session.")
IDLE = End("idle", said="Nothing has been said for long.")
TIME_OVER = End("time_over", said="The session has reached its longest time.")
STOPPING = End(STOPPED, 1001, "This node is being stopped. The same address leads on, for a minute.")
NOT_TEXT = End("not_text", 1003, "Events are sent as text.")
TOO_SLOW = End("too_slow", 1008, "The page does not read.")
TOO_LARGE = End("too_large", 1009, f"An event may have {LARGEST} characters.")
LOST = End("service_lost", 1011, "The connection to the voice service was lost.")


class Relay:
    """Joins the two.

    Args:
        begun: is awaited when the service says for the first time that there is a session.
        over: returns why the session must end, when it must; it is cancelled with the relay.
        raw: whether the page speaks as the service does, and asks for its replies itself.
        written: writes down a session as the service takes it in a `session.update`.
    """

    def __init__(
        self,
        page: WebSocket,
        service: ClientConnection,
        *,
        begun: Callable[[], Awaitable[None]],
        over: Callable[[], Awaitable[End]],
        patience: Patience,
        raw: bool = False,
        written: Callable[[Wire], Wire] = dict,
    ) -> None:
        self._page = page
        self._service = service
        self._begun = begun
        self._over = over
        self._patience = patience
        self._raw = raw
        self._written = written
        self._replies = Replies()
        self._news = asyncio.Event()
        self._heard = asyncio.get_running_loop().time()

    async def run(self) -> End:
        """Relay until the end."""
        # The page's own end goes before what it causes.
        return await first_end(self._upwards(), self._downwards(), self._silence(), self._over())

    async def _upwards(self) -> End:
        """Take what the page says to the service."""
        while True:
            message = await self._page.receive()
            self._heard = asyncio.get_running_loop().time()
            text = message.get("text")
            if message["type"] != "websocket.receive":
                return PAGE_CLOSED
            if text is None:
                return NOT_TEXT
            if len(text) > LARGEST:
                return TOO_LARGE
            if (end := await self._pass_on(text)) is not None:
                return end
            await asyncio.sleep(self._patience.pause * len(text) / LARGEST)

    async def _pass_on(self, text: str) -> End | None:
        """Give the service what the page has said; returns the end, if it comes of that."""
        event = event_of(text)
        if event is None:
            told = await tell(self._page, "invalid_event", "The message is no event.", self._patience.accept)
            return None if told else TOO_SLOW
        translated = self._rewritten(event if self._raw else to_ga(event))
        if not self._raw:
            if event["type"] == "input_audio_buffer.commit" and await self._found_already():
                return None
            self._replies.sent(translated)
        # Sound, which is most of what comes, goes on as it is: writing it anew costs more than reading it.
        return None if await self._ask(text if translated is event else json.dumps(translated)) else LOST

    def _rewritten(self, event: dict[str, Any]) -> dict[str, Any]:
        match event:
            case {"type": "session.update", "session": dict(session)}:
                told = {name: value for name, value in session.items() if name != "model"}
                return {**event, "session": self._written(told)}
            case _:
                return event

    async def _downwards(self) -> End:
        """Take what the service says to the page."""
        from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

        begun = False
        while True:
            try:
                event = event_of(await self._service.recv())
            except ConnectionClosedOK:
                return SERVICE_CLOSED
            except ConnectionClosed:
                return LOST
            self._heard = asyncio.get_running_loop().time()
            if event is None:
                continue
            translated: dict[str, Any] | None = event
            if not self._raw:
                wanted = self._replies.received(event)
                self._news.set()
                reply = self._replies.to_send()
                if reply is not None and not await self._ask(json.dumps(reply)):
                    return LOST
                translated = to_beta(event) if wanted else None
            if translated is not None and not await send(self._page, translated, self._patience.accept):
                return TOO_SLOW
            # A service may open a socket only to say on it, by an `error`, that there will be no session.
            if event["type"] == "session.created" and not begun:
                begun = True
                await self._begun()

    async def _found_already(self) -> bool:
        """Tell whether the service has found the turn that a page commits.

        What is left then is the silence after it, which must not become a turn of its own.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._patience.found):
                while self._replies.detects and not self._replies.found:
                    self._news.clear()
                    await self._news.wait()
        return self._replies.detects and self._replies.found

    async def _silence(self) -> End:
        """Wait until nobody has said anything for long."""
        while True:
            left = self._heard + self._patience.idle - asyncio.get_running_loop().time()
            if left <= 0:
                return IDLE
            await asyncio.sleep(left)

    async def _ask(self, text: str) -> bool:
        """Send the service an event; False when it does not take it."""
        from websockets.exceptions import ConnectionClosed

        try:
            async with asyncio.timeout(self._patience.accept):
                await self._service.send(text)
        except (ConnectionClosed, TimeoutError):
            return False
        return True
