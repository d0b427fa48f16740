"""Waiting in a cell for a moment of the conversation.

Owns the tick that lets Interrupt through, the deadline, and what makes a wait fail. It must not know how
events arrive.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Future
from typing import Any, TypeVar, get_args

from .conversation import OVER, Conversation
from .errors import VoiceError, voice_error
from .protocol import load
from .spelling import corrected
from .state import Activity

T = TypeVar("T")

ACTIVITIES = get_args(Activity)

TICK = 0.25
"""Seconds. A kernel acts on Interrupt only when its loop wakes, so a waiting cell wakes it."""


async def ticked(future: Future[T], limit: float | None, check: Callable[[], object] = lambda: None) -> T:
    """Wait for a future that another thread settles.

    Args:
        future: what to wait for; cancelled when the wait ends in any other way.
        limit: in seconds, None for none.
        check: called when there is something to wait for; what it raises ends the wait.

    Raises:
        WaitTimeout: when the time is over.
    """
    begun = time.monotonic()
    try:
        if not future.done():
            check()
        waited = asyncio.wrap_future(future)
        while not waited.done():
            left = TICK if limit is None else limit - (time.monotonic() - begun)
            if left <= 0:
                raise voice_error("wait_timeout", f"Waited {limit:g} s.")
            await asyncio.wait({waited}, timeout=min(TICK, left))
        return waited.result()
    finally:
        future.cancel()


class Asked:
    """What a command gives back: it has been asked for already; await this to wait until it is so.

    Args:
        until: what the wait is for, for the repr.
        wait: makes the coroutine that waits.
    """

    def __init__(self, until: str, wait: Callable[[], Coroutine[Any, Any, object]]) -> None:
        self._until = until
        self._wait = wait

    def __await__(self) -> Generator[Any, Any, None]:
        yield from self._wait().__await__()

    def __repr__(self) -> str:
        return f"<asked; await it to wait until {self._until}>"


def failure(conversation: Conversation) -> VoiceError:
    """Say why the session is over, as an error: its last one, or that there is none live."""
    errors = conversation.state.errors
    if conversation.state.status == "failed" and errors:
        return voice_error(errors[-1].code, errors[-1].detail)
    moves = (each.event for each in reversed(conversation.events) if each.event["type"] == "genmb.status")
    if next(moves, {}).get("by") == "service":
        return VoiceError("not_live", "The voice service has ended the session.")
    return _ended()


def _ended() -> VoiceError:
    return VoiceError("not_live", "The session has ended.")


def while_running(conversation: Conversation, holds: Callable[[], T | None]) -> Callable[[], T | None]:
    """Make a condition that is `holds`, and that fails when a running session ends before it holds."""
    ran = conversation.running

    def check() -> T | None:
        nonlocal ran
        value = holds()
        if not value and ran and conversation.state.status in OVER:
            raise failure(conversation)
        ran = conversation.running
        return value

    return check


def in_session(
    conversation: Conversation, log_id: str, holds: Callable[[], T | None]
) -> Callable[[], T | None]:
    """Make a condition that is `holds`, and that fails when the session of this log is over before it holds.

    Also when it was over before anybody looked, or the next one has begun: a thread that was told of a live
    session is late to ask about it.
    """

    def check() -> T | None:
        if conversation.log_id != log_id:
            raise _ended()
        value = holds()
        if not value and conversation.state.status in OVER:
            raise failure(conversation)
        return value

    return check


def moment(conversation: Conversation, name: str) -> Callable[[], bool]:
    """Make the condition that the session has this status or this activity.

    Raises:
        VoiceError: `bad_option`, when it is neither.
    """
    if name in load().status:
        return lambda: conversation.state.status == name
    if name in ACTIVITIES:
        return lambda: conversation.state.activity == name
    known = (*load().status, *ACTIVITIES)
    raise VoiceError("bad_option", f"Unknown: {corrected(name, known)}. Supported: {', '.join(known)}.")
