"""Plain pages with `/sdk.js`, on an endpoint that charges: what a call told its page, and when."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.agent import PROBE
from harness.blackout import Network, network_of
from harness.lossy import Road, led_over
from harness.served import run_app_command, served
from playwright.async_api import Browser, BrowserContext, Page

HTML = """<!doctype html><script src="{endpoint}/sdk.js" data-app="{app}"></script>
<script>
  const {{ voice }} = window.genmb;
  const told = {{ started: 0, statuses: [], problems: [], turns: new Map() }};
  voice.onstatus = (status, activity) => {{
    told.activity = activity;
    if (told.statuses.at(-1)?.[1] !== status) told.statuses.push([performance.now(), status]);
  }};
  voice.onerror = ({{ code }}) => told.problems.push(code);
  voice.ontranscript = ({{ id, role, text, status }}) => told.turns.set(id, {{ role, text, status }});
  const turns = (role) =>
    [...told.turns.values()].filter((turn) => turn.role === role && turn.status === "completed").map(({{ text }}) => text);
</script>"""
COUNT_CALLS = """
const Real = RTCPeerConnection;
window.calls = [];
window.RTCPeerConnection = class extends Real {
  constructor(...options) { super(...options); calls.push(this); }
  createDataChannel(...options) {
    const channel = super.createDataChannel(...options);
    const send = channel.send.bind(channel);
    this.sent = [];
    channel.send = (text) => { this.sent.push(JSON.parse(text).type); send(text); };
    return channel;
  }
};
"""


@dataclass(frozen=True)
class Shop:
    """A running endpoint, and the address of pages that may ask there."""

    endpoint: str
    database: Path
    address: str
    environ: dict[str, str]

    async def add(self, app: str, credits: int) -> None:
        """Let an app in whose page may start sessions."""
        plan = ("--owner", f"owner-of-{app}", "--plan", "pro", "--origin", self.address)
        await asyncio.to_thread(run_app_command, self.environ, "add", app, *plan)
        await asyncio.to_thread(run_app_command, self.environ, "credit", app, str(credits))

    def entries(self, app: str) -> list[tuple[str, int]]:
        """What happened to the credits of an app's owner."""
        with sqlite3.connect(self.database) as connection:
            query = "SELECT kind, credits FROM entries WHERE owner = ? ORDER BY id"
            return connection.execute(query, (f"owner-of-{app}",)).fetchall()


@dataclass(frozen=True)
class Visit:
    """An app's page, and its network."""

    page: Page
    network: Network

    async def now(self) -> float:
        return float(await self.page.evaluate("performance.now()"))

    async def statuses(self) -> list[tuple[float, str]]:
        """Each status with the page's time in ms."""
        return [(at, status) for at, status in await self.page.evaluate("told.statuses")]

    async def ask(self, text: str, *, answers: int) -> None:
        """Type, and wait until the page has so many whole replies."""
        await self.page.evaluate("(text) => voice.say(text)", text)
        await self.page.wait_for_function(f"turns('assistant').length === {answers}", timeout=30_000)

    async def told(self, what: str) -> Any:
        return await self.page.evaluate(what)

    async def measured(self) -> dict[str, Any]:
        """What the page was told, and what has become of its microphone, which opens while an offer is answered."""
        await self.page.wait_for_function("probe.asking === 0")
        statuses = "told.statuses.map(([, status]) => status)"
        return await self.told(f"({{ status: {statuses}, codes: told.problems, microphone: probe.state() }})")


@asynccontextmanager
async def shop(folder: Path) -> AsyncIterator[Shop]:
    """Serve `/APP`, a page of that app, and run the endpoint that it asks."""
    endpoint = ""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        app = (await reader.readuntil(b"\r\n\r\n")).decode().split()[1].strip("/")
        html = HTML.format(endpoint=endpoint, app=app).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(html)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + html)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    environ = {"GENMB_VOICE_ACCESS": "apps", "GENMB_VOICE_DATABASE": str(folder / "voice.db")}
    async with server:
        with served(environ) as endpoint:
            address = f"http://localhost:{server.sockets[0].getsockname()[1]}"
            yield Shop(endpoint, folder / "voice.db", address, environ)


@asynccontextmanager
async def visit(
    browser: Browser | BrowserContext, shop: Shop, app: str, script: str = "", *, road: Road | None = None
) -> AsyncIterator[Visit]:
    """Open an app's page, with a script of the test's before its own, and start a call; over a road, if there is one."""
    page = await browser.new_page()
    try:
        await page.add_init_script(PROBE + COUNT_CALLS + script)
        network = await network_of(page)
        async with led_over(page, road, shop.endpoint) if road else nullcontext():
            await page.goto(f"{shop.address}/{app}")
            await page.evaluate("(told.started = performance.now(), voice.start())")
            yield Visit(page, network)
    finally:
        await page.close()
