"""How often a start is tried that the endpoint cannot grant just now.

It must not know what is started, nor how the endpoint is asked. The twin is `granted` in js/src/persevere.ts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import TypeVar

from .errors import Refused

Granted = TypeVar("Granted")

PAUSES = (0.5, 1.5)
"""Seconds before each further try; somebody waits for the start."""
_AWAY = "service_unavailable"
"""The endpoint's plain 503; what refuses for a limit (429, `provider_busy`) is never asked twice."""


async def granted(attempt: Callable[[str], Awaitable[Granted]], stop: asyncio.Event) -> Granted:
    """Have a start granted.

    Args:
        attempt: takes the idempotency key, which is the same for each try.
        stop: when it is set, nothing is tried again.

    Raises:
        Refused: the last try's; whatever else `attempt` raises.
    """
    key = token_hex(16)
    for pause in PAUSES:
        try:
            return await attempt(key)
        except Refused as refused:
            if refused.code != _AWAY or await _is_set(stop, within=pause):
                raise
    return await attempt(key)


async def _is_set(stop: asyncio.Event, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            return await stop.wait()
    except TimeoutError:
        return False
