"""An endpoint that charges, on a port of this machine, with a peer that does wrong what a test says; and pages of its own."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import uvicorn
from fastapi import FastAPI, Response
from harness.agent import PROBE
from harness.blackout import network_of
from harness.shop import COUNT_CALLS, HTML, Visit
from playwright.async_api import BrowserContext

from genmb_voice_widget.peer.faults.requests import HEADER
from genmb_voice_widget.peer.launch import PeerAddress
from genmb_voice_widget.service.access import OpenAccess
from genmb_voice_widget.service.app import make_app
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.policy import Plan
from genmb_voice_widget.service.providers.compatible import CompatibleProvider
from genmb_voice_widget.service.providers.local import LocalProvider
from genmb_voice_widget.service.providers.upstream import Upstream
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.service.window import MemoryWindow

CREDITS = 100


@dataclass
class Peer:
    """A peer that runs already, and goes on when an endpoint that uses it ends."""

    address: PeerAddress

    async def start(self) -> PeerAddress:
        return self.address

    async def stop(self) -> None:
        pass


class Faulty(LocalProvider):
    """Asks the peer for `faults` with every request; `by_status`: what its refusals mean, by default nothing more."""

    faults = ""

    def __init__(self, address: PeerAddress, **others: Any) -> None:
        super().__init__(lambda: Peer(address))
        self._others = others

    async def _service(self):
        link, auth = await super()._service()
        return replace(link, headers={HEADER: self.faults}, **self._others), auth


class FaultyServer(CompatibleProvider):
    """The same for a service that wants an ephemeral secret with the offer."""

    faults = ""

    def __init__(self, address: PeerAddress) -> None:
        super().__init__(f"{address.url}/v1", Upstream(), key=address.secret, model="local")

    def _link(self, *by_status):
        return replace(super()._link(*by_status), headers={HEADER: self.faults})


@dataclass
class Desk:
    """A running endpoint, to which a test may add addresses; `entries` are what moved on its account."""

    url: str
    app: FastAPI
    provider: Faulty | FaultyServer
    ledger: MemoryLedger

    def entries(self) -> list[tuple[str, int]]:
        return [(entry.kind, entry.credits) for entry in self.ledger.entries]

    async def settled(self) -> list[tuple[str, int]]:
        """Wait until no session is paid or given back any more."""
        async with asyncio.timeout(10):
            while True:
                kinds = [kind for kind, _ in self.entries()]
                if kinds.count("reserve") == kinds.count("capture") + kinds.count("release"):
                    return self.entries()
                await asyncio.sleep(0.02)

    async def measured(self, visit: Visit) -> dict[str, Any]:
        """What a fault came to, in the words of the page and of the ledger."""
        return {**await visit.measured(), "entries": await self.settled()}


@contextmanager
def desk(
    address: PeerAddress,
    *,
    make: Callable[..., Faulty | FaultyServer] = Faulty,
    plan: Plan | None = None,
    timing: Timing | None = None,
    **others: Any,
) -> Iterator[Desk]:
    """Run one; `/page` is a page of its own."""
    provider, ledger = make(address, **others), MemoryLedger(time.time, CREDITS)
    app = make_app(
        providers={"local": provider},
        access=OpenAccess(plan or Plan("faulty")),
        window=MemoryWindow(),
        ledger=ledger,
        clock=time.time,
        timing=timing,
        watch=True,
        hand_out_secrets=True,
    )
    with running(app) as port:
        url = f"http://localhost:{port}"
        app.get("/page")(lambda: Response(HTML.format(endpoint="", app=""), media_type="text/html"))
        yield Desk(url, app, provider, ledger)


@contextmanager
def running(app: FastAPI) -> Iterator[int]:
    """Run an ASGI app on a free port, in a thread of its own; gives the port."""
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(app, port=0, log_level="critical", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert started.wait(10)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


@asynccontextmanager
async def page_of(context: BrowserContext, url: str, script: str = "") -> AsyncIterator[Visit]:
    """Open a page, with a script of the test's before its own."""
    page = await context.new_page()
    try:
        await page.add_init_script(PROBE + COUNT_CALLS + script)
        network = await network_of(page)
        await page.goto(url)
        yield Visit(page, network)
    finally:
        await page.close()
