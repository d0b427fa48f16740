"""A socket opened to the endpoint, joined to a call: what it says, what it is told, how the two end.

Nothing that is said is logged. It knows no session.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class End:
    """How it ended: a word for the account, and what a side is told that is there (RFC 6455 §7.4)."""

    reason: str
    code: int = 1000
    said: str = ""


async def first_end(*works: Awaitable[End]) -> End:
    """Do all of it until one comes to an end; of several at once the first that is named counts."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def event_of(text: str | bytes) -> dict[str, Any] | None:
    """Read an event; None for what is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get("type"), str) else None


async def send(side: WebSocket, event: dict[str, Any], within: float) -> bool:
    """Send it an event; False when it does not take it in time, in seconds."""
    try:
        async with asyncio.timeout(within):
            await side.send_text(json.dumps(event))
    except TimeoutError:
        return False
    except (WebSocketDisconnect, RuntimeError):
        pass  # It is gone: whoever reads from it is told.
    return True


async def tell(side: WebSocket, code: str, why: str, within: float) -> bool:
    """Send it an `error` (OpenAI Realtime API reference, error event) in words of ours."""
    error = {"type": "invalid_request_error", "code": code, "message": why, "param": None, "event_id": None}
    return await send(side, {"type": "error", "error": error}, within)


async def close(side: WebSocket, end: End, within: float) -> None:
    """Close its socket, unless it has."""
    if WebSocketState.DISCONNECTED in (side.client_state, side.application_state):
        return
    try:
        async with asyncio.timeout(within):
            await side.close(end.code, end.said)
    except (TimeoutError, WebSocketDisconnect, RuntimeError):
        log.info("a socket was not closed in good order")
