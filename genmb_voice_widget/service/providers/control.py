"""A Voice Live call's control socket: it signals the call, hears some of its events, and takes the client's.

It is held for as long as the call lasts, and read all that time: what nobody has asked for yet waits here, up
to a limit. Voice Live by WebRTC (preview documentation, `rtc.call.*`): the answer comes after
`session.created` and `session.updated`; the service does not read the channel of the page.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from genmb_voice_widget.service.problems import Refusal

from . import Wire
from .dial import broken
from .exchange import json_of, misunderstood
from .proof import spoken
from .realtime_http import is_call_id

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

log = logging.getLogger(__name__)

KEPT = 1024 * 1024
"""Characters of events that wait for an observer; of more, the oldest are dropped."""

_OFFERS = ("missing_sdp", "invalid_sdp", "invalid_offer")
_CODE = re.compile("[a-z_]{1,64}")


class Control:
    """One call's socket; it closes itself when the service does."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._answered: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
        self._waiting: deque[str] = deque()
        self._size = 0
        self._news = asyncio.Event()
        self._spoken = False
        self._lost = False
        self._reading = asyncio.create_task(self._read())

    @property
    def over(self) -> bool:
        """Whether it is closed, and the call with it."""
        return self._reading.done()

    async def offer(self, session: Wire, sdp: str) -> tuple[str, str]:
        """Offer a call.

        Returns:
            The call id and the answer's SDP.

        Raises:
            Refusal: the service takes no such offer or session, or closed the socket.
        """
        offer = {"type": "rtc.call.sdp.create", "event_id": f"event_{secrets.token_hex(10)}"}
        await self.send(json.dumps({**offer, "sdp_offer": sdp, "session": session}))
        return await self._answered

    async def spoken(self) -> bool:
        """Wait for an event that only the caller's voice can cause; False when the call ended before."""
        while not self._spoken and not self.over:
            await self._next()
        return self._spoken

    async def send(self, text: str) -> None:
        """See `Observed.send`."""
        from websockets.exceptions import ConnectionClosed

        try:
            await self._socket.send(text)
        except ConnectionClosed:
            raise broken("ConnectionClosed") from None

    async def __aiter__(self) -> AsyncIterator[str]:
        """See `Observed`: what is waiting, from the session's beginning on, then what comes."""
        while True:
            while self._waiting:
                text = self._waiting.popleft()
                self._size -= len(text)
                yield text
            if self.over:
                if self._lost:
                    raise broken("ConnectionClosed")
                return
            await self._next()

    async def close(self) -> None:
        """End the call."""
        await self._socket.close()
        await asyncio.wait([self._reading])

    async def _next(self) -> None:
        """Wait for a message, or the end."""
        if not self.over:
            self._news.clear()
            await self._news.wait()

    async def _read(self) -> None:
        from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

        try:
            while True:
                self._take(await self._socket.recv())
                self._wake()
        except ConnectionClosedOK:
            pass
        except ConnectionClosed:
            self._lost = True
        finally:
            if not self._answered.done():
                self._refuse(broken("ConnectionClosed"))
            asyncio.get_running_loop().call_soon(self._wake)  # by then this task is done

    def _wake(self) -> None:
        self._news.set()

    def _take(self, message: str | bytes) -> None:
        event = json_of(message.encode() if isinstance(message, str) else message)
        match event:
            case {"type": "rtc.call.sdp.created", "rtc_call_id": str(call_id), "sdp_answer": str(sdp)}:
                if not is_call_id(call_id) or not sdp.startswith("v=0"):
                    self._refuse(misunderstood())
                elif not self._answered.done():
                    self._answered.set_result((call_id, sdp))
            case {"type": "rtc.call.sdp.created"}:
                self._refuse(misunderstood())
            case {"type": "rtc.call.error" | "error", "error": dict(error)} if not self._answered.done():
                self._refuse(_refusal(error))
            case {"type": str()} if isinstance(message, str):
                self._spoken = self._spoken or spoken(event)
                self._keep(message)

    def _refuse(self, refusal: Refusal) -> None:
        if not self._answered.done():
            self._answered.set_exception(refusal)
            self._answered.exception()  # whoever offered may be gone

    def _keep(self, text: str) -> None:
        self._waiting.append(text)
        self._size += len(text)
        while self._size > KEPT:
            self._size -= len(self._waiting.popleft())


async def offered(control: Control, session: Wire, sdp: str) -> tuple[str, str]:
    """Offer a call, and close the socket unless it becomes one; see `Control.offer`."""
    try:
        return await control.offer(session, sdp)
    except BaseException:
        with suppress(Exception):
            await control.close()
        raise


def _refusal(error: dict[str, Any]) -> Refusal:
    """Say in words of ours why there is no call; of the service's only the code is looked at."""
    code = error.get("code")
    said = code if isinstance(code, str) and _CODE.fullmatch(code) else "unknown"
    log.warning("a call was refused: %s", said)  # no words of the service's
    if said in _OFFERS:
        return Refusal("offer_refused", "The voice service cannot answer the offer in sdp.")
    if said == "invalid_voice_type":
        detail = "The voice service does not offer this voice with this model."
        return Refusal("bad_option", detail, status=422)
    if error.get("type") == "server_error":
        return Refusal("provider_unreachable", "The voice service could not answer the offer.")
    return Refusal("provider_refused", "The voice service refused the call; the log has its code.")
