"""Pages of two origins in a real browser: what theirs may ask, read and send while they are being closed."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest
from harness.audit_log import AuditLog
from harness.browser import chromium

from genmb_voice_widget.service.app import make_app
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.window import MemoryWindow

pytestmark = pytest.mark.browser

START = """async (url) => {
    const body = JSON.stringify({ session: { type: "realtime" }, sdp: "v=0\\r\\n" });
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(`${url}/v1/sessions?app=page`, { method: "POST", headers, body });
    return [response.status, response.headers.get("RateLimit"), await response.json()];
}"""
LEAVE = """(address) => addEventListener("pagehide", () =>
    navigator.sendBeacon(address, JSON.stringify({ reason: "page_gone" })))"""


@asynccontextmanager
async def page_server():
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
        )
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


class Heard(AuditLog):
    """Tells the test what the endpoint decided, as it decides it."""

    def __init__(self):
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._queue = asyncio.Queue()

    def record(self, decision):
        self._loop.call_soon_threadsafe(self._queue.put_nowait, decision)

    async def next(self):
        decision = await asyncio.wait_for(self._queue.get(), 10)
        return decision.action, decision.outcome, decision.via


async def test_a_page_of_the_app_starts_reads_and_ends_by_beacon_and_a_page_of_another_site_does_none(
    register, running, make_provider
):
    provider, heard = make_provider(), Heard()
    async with page_server() as port, chromium() as browser:
        await register.enter("page", "alice", "pro", f"http://localhost:{port}")
        app = make_app(
            providers={"here": provider},
            access=register.access(),
            window=MemoryWindow(),
            ledger=MemoryLedger(time.time, 100),
            clock=time.time,
            audit=heard,
        )
        with running(app) as url:
            page, other = await browser.new_page(), await browser.new_page()
            await page.goto(f"http://localhost:{port}")
            await other.goto(f"http://127.0.0.1:{port}")
            status, limit, ticket = await page.evaluate(START, url)
            assert (status, limit) == (201, '"sessions";r=19;t=3600')
            assert await heard.next() == ("open", "ok", "page")
            with pytest.raises(Exception, match="Failed to fetch"):
                await other.evaluate(START, url)
            for leaving in (other, page):
                await leaving.evaluate(LEAVE, f"{url}/v1/sessions/{ticket['id']}/ended?app=page")
            await other.goto("about:blank")
            assert await heard.next() == ("ended", "origin_refused", None)
            assert provider.hung_up == []
            await page.goto("about:blank")
            assert await heard.next() == ("ended", "ok", "page")
            assert provider.hung_up == [ticket["call_id"]]
    assert len(provider.sessions) == 1
