"""One observer's socket and a call as its service shows it, joined: events down, client events up.

The call is read only as fast as the observer takes it, so nothing piles up here, and an observer may say only
so much a second. Nothing that is said is logged. It knows no account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.websockets import WebSocket

from genmb_voice_widget.service.joined import End, event_of, first_end, send, tell
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers import Observed

LARGEST = 256 * 1024
"""Characters of one client event: what a data channel takes at the most."""


@dataclass(frozen=True)
class Patience:
    """All in seconds.

    Attributes:
        accept: how long the observer may take to accept one event, and the service to accept one of its.
        pause: how long the observer is not read after an event of `LARGEST`, and accordingly after a shorter
            one; a hundredth of it at the least.
        look: how often the account is asked whether the session still stands.
    """

    accept: float = 20.0
    pause: float = 1.0
    look: float = 5.0


OBSERVER_CLOSED = End("observer_closed")
OVER = End("over", 1000, "The session is over.")
STOPPING = End("stopping", 1001, "This node is being stopped.")
NOT_TEXT = End("not_text", 1003, "Events are sent as text.")
TOO_SLOW = End("too_slow", 1008, "The observer does not read.")
TOO_LARGE = End("too_large", 1009, f"An event may have {LARGEST} characters.")
LOST = End("service_lost", 1011, "The connection to the voice service was lost.")
MOVED = End("moved", 1012, "The session has another call now.")
DISPLACED = End("displaced", 4001, "Another one observes the session now.")


async def join(
    observer: WebSocket, call: Observed, until: Callable[[], Awaitable[End]], patience: Patience
) -> End:
    """Join the two until either closes, or `until` returns why they must part."""
    # The observer's own end goes before what it causes.
    return await first_end(_upwards(observer, call, patience), _downwards(observer, call, patience), until())


async def _upwards(observer: WebSocket, call: Observed, patience: Patience) -> End:
    """Take what the observer says to the service."""
    while True:
        message = await observer.receive()
        text = message.get("text")
        if message["type"] != "websocket.receive":
            return OBSERVER_CLOSED
        if text is None:
            return NOT_TEXT
        if len(text) > LARGEST:
            return TOO_LARGE
        if event_of(text) is None:
            if not await tell(observer, "invalid_event", "The message is no event.", patience.accept):
                return TOO_SLOW
        else:
            try:
                async with asyncio.timeout(patience.accept):
                    await call.send(text)
            except (Refusal, TimeoutError):
                return LOST
        await asyncio.sleep(patience.pause * max(0.01, len(text) / LARGEST))


async def _downwards(observer: WebSocket, call: Observed, patience: Patience) -> End:
    """Take what the service says to the observer."""
    try:
        async for message in call:
            event = event_of(message)
            if event is not None and not await send(observer, event, patience.accept):
                return TOO_SLOW
    except Refusal:
        return LOST
    return OVER
