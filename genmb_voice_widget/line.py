"""A page's call whose sound goes through the kernel: messages to the page, a WebSocket to the service.

The page records and plays, and counts what was really heard; here is only the socket, held in the package's
event loop. Owns the socket's life. It must not know what the events mean, nor how a session is opened or
charged, nor what messages to the page look like.

OpenAI Realtime API reference, WebSocket: sound is 16-bit mono PCM at 24 kHz, base64 in events.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from .errors import VoiceError
from .event_socket import EventSocket
from .line_outbox import LineOutbox, Over, Post
from .protocol import Event, canonical, strip_audio

Way = AbstractAsyncContextManager[EventSocket]

log = logging.getLogger(__name__)

STUCK = 200
"""So many messages that wait to be sent: the network takes nothing any more; ten seconds of sound."""


class Line:
    """Holds one socket at a time.

    Args:
        hear: takes an event of a log, without audio.
        post: sends to the pages.
    """

    def __init__(self, hear: Callable[[str, Event], None], post: Post) -> None:
        self._hear = hear
        self._post = post
        self._held: _Held | None = None

    async def open(self, way: Way, log_id: str, page: str) -> None:
        """Open a session's socket, in the place of any other.

        Args:
            way: opens it.
            log_id: the log that its events belong to.
            page: who records and plays.

        Raises:
            VoiceError: what the way raises; `session_over`, when it was ended before it was open.
        """
        self.end()
        self._held = held = _Held(page, log_id, LineOutbox(self._post, log_id, page))
        held.task = asyncio.create_task(self._hold(held, way))
        held.task.add_done_callback(lambda _: held.fail(VoiceError("session_over")))
        await held.opened

    def take(self, page: str, log_id: str, event: Event | None, sound: bytes) -> None:
        """Take what a page says on its line: an event, or sound of its microphone."""
        held = self._held
        if held is None or (held.page, held.log_id) != (page, log_id):
            return
        if event is not None:
            held.outbound.put_nowait(event)
        if sound:
            audio = base64.b64encode(sound).decode()
            held.outbound.put_nowait({"type": "input_audio_buffer.append", "audio": audio})
            held.outbox.took()
        if held.outbound.qsize() > STUCK:
            held.outbox.close("network")
            self.end()

    def end(self) -> None:
        """Close the socket."""
        held, self._held = self._held, None
        if held is not None and held.task is not None:
            held.task.cancel()

    async def _hold(self, held: _Held, way: Way) -> None:
        over: Over = "network"
        try:
            async with way as socket:
                held.opened.set_result(None)
                telling = asyncio.create_task(_tell(socket, held.outbound))
                try:
                    async for raw in socket:
                        event = canonical(raw)
                        self._hear(held.log_id, strip_audio(event))
                        held.outbox.put(event)
                finally:
                    telling.cancel()
            over = "service"
        except VoiceError as error:
            held.fail(error)
        except Exception as error:
            # An exception's own text may hold what was said.
            log.error("a line broke: %s", type(error).__name__)
            held.fail(VoiceError("internal"))
        held.outbox.close(over)


class _Held:
    """One call's: whose it is, what waits for the service, and for the page."""

    def __init__(self, page: str, log_id: str, outbox: LineOutbox) -> None:
        self.page = page
        self.log_id = log_id
        self.outbox = outbox
        self.outbound = asyncio.Queue[Event]()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None

    def fail(self, error: VoiceError) -> None:
        """Have the opening fail, unless it has succeeded."""
        if not self.opened.done():
            self.opened.set_exception(error)


async def _tell(socket: EventSocket, outbound: asyncio.Queue[Event]) -> None:
    while True:
        await socket.send(await outbound.get())
