"""Observes a page's session from the server's side: its events reach the kernel also while a cell computes.

Owns the socket's life: opened with the session, opened again when it was lost, closed at the session's end.
What a page has to say goes up by it, where the service does not read the page's own channel. Lives in the
package's event loop. It must not know what the events mean, nor how a log is made of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from .client import TokenClient
from .errors import VoiceError
from .protocol import Event, canonical, strip_audio

if TYPE_CHECKING:
    from .event_socket import EventSocket

log = logging.getLogger(__name__)

BATCH = 0.05
"""Seconds that an event for the page waits for more."""
SOONEST, LATEST = 0.5, 30.0
"""Seconds to the second try to open a socket, and between any two at the most."""

_FINAL = ("session_not_found", "unauthorized", "origin_refused", "peer_not_installed")
# Not `session_over`: a call that is lost may be given another one.


class Sideband:
    """Observes one session at a time.

    Args:
        client: the endpoint.
        hear: takes an event of a log, without audio.
        send: takes a message for the pages.
    """

    def __init__(
        self,
        client: TokenClient,
        hear: Callable[[str, Event], None],
        send: Callable[[dict[str, Any]], None],
    ) -> None:
        self._client = client
        self._hear = hear
        self._send = send
        self._observing: asyncio.Task[None] | None = None
        self._session = ""
        self._outbound = asyncio.Queue[Event]()

    def begin(self, session: str, log_id: str, page: str | None) -> None:
        """Observe a session, in the place of any other.

        Args:
            session: its id at the endpoint.
            log_id: the log that its events belong to.
            page: whom to pass them on to, whose own channel carries only some of them; None where it carries
                all.
        """
        self.end()
        self._session, self._outbound = session, asyncio.Queue()
        self._observing = asyncio.create_task(self._observe(session, log_id, page))

    def say(self, session: str, event: Event) -> None:
        """Tell the service an event of the page's, as soon as there is a socket; in order.

        Raises:
            VoiceError: `not_live`, when the session is not observed, or no longer.
        """
        if session != self._session or self._observing is None or self._observing.done():
            raise VoiceError("not_live", "The session is not observed.")
        self._outbound.put_nowait(event)

    def end(self) -> None:
        """Observe no more."""
        if self._observing is not None:
            self._observing.cancel()
            self._observing = None

    async def _observe(self, session: str, log_id: str, page: str | None) -> None:
        pause, outbox = SOONEST, _Outbox(self._send, log_id, page)
        while True:
            try:
                async with self._client.observe(session) as socket, self._telling(socket):
                    async for raw in socket:
                        pause = SOONEST
                        event = strip_audio(canonical(raw))
                        self._hear(log_id, event)
                        outbox.put(event)
                return
            except VoiceError as error:
                log.info("%s", error)
                if error.code in _FINAL:
                    return
            except Exception:
                log.exception("a session could not be observed")
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, LATEST)

    @asynccontextmanager
    async def _telling(self, socket: EventSocket) -> AsyncIterator[None]:
        async def tell() -> None:
            while True:
                await socket.send(await self._outbound.get())

        telling = asyncio.create_task(tell())
        try:
            yield
        finally:
            telling.cancel()


class _Outbox:
    """Events on their way to a page, in batches."""

    def __init__(self, send: Callable[[dict[str, Any]], None], log_id: str, page: str | None) -> None:
        self._send = send
        self._log_id = log_id
        self._page = page
        self._waiting: list[Event] = []

    def put(self, event: Event) -> None:
        if self._page is None:
            return
        if not self._waiting:
            asyncio.get_running_loop().call_later(BATCH, self._flush)
        self._waiting.append(event)

    def _flush(self) -> None:
        events, self._waiting = self._waiting, []
        self._send({"op": "heard", "client": self._page, "log": self._log_id, "events": events})
