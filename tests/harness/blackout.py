"""A network that a test can take away from a page, WebRTC included (Chromium's own emulation, no rights needed)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import CDPSession, Page

OPEN = {"offline": False, "latency": 1, "downloadThroughput": -1, "uploadThroughput": -1}
"""Chromium impairs a peer connection only if there was some latency before it was made: here 1 ms."""


class Network:
    """A page's way out."""

    def __init__(self, session: CDPSession) -> None:
        self._session = session

    async def _emulate(self, **conditions: Any) -> None:
        await self._session.send("Network.emulateNetworkConditions", {**OPEN, **conditions})

    @asynccontextmanager
    async def blackout(self, *, told: bool = False) -> AsyncIterator[None]:
        """Let no packet through. `told`: the machine knows that it is offline, and no request leaves it either."""
        await self._emulate(packetLoss=100, offline=told)
        try:
            yield
        finally:
            await self._emulate()

    async def black_out_for(self, seconds: float, *, told: bool = False) -> None:
        async with self.blackout(told=told):
            await asyncio.sleep(seconds)


async def network_of(page: Page) -> Network:
    """Take hold of a page's network; before the page makes a peer connection."""
    network = Network(await page.context.new_cdp_session(page))
    await network._emulate()
    return network
