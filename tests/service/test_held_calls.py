"""Calls that only one node can end: its sessions are ended at another, with two nodes and the stand-in of Voice Live."""

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest
from harness.voice_live_page import Page

from genmb_voice_widget.peer.testing import running_peer
from genmb_voice_widget.service.access import OpenAccess
from genmb_voice_widget.service.app import make_app, shut_down
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.policy import NOTEBOOK
from genmb_voice_widget.service.providers.credential import Key, api_key
from genmb_voice_widget.service.providers.upstream import Upstream
from genmb_voice_widget.service.providers.voice_live import VoiceLiveProvider
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.service.window import MemoryWindow
from genmb_voice_widget.session import Session


@pytest.fixture
async def nodes(clock):
    """Two nodes with one ledger; the sweeper of neither runs of itself."""
    window, ledger = MemoryWindow(clock), MemoryLedger(clock, None)
    async with AsyncExitStack() as stack:
        peer = stack.enter_context(running_peer())

        async def node():
            provider = VoiceLiveProvider(peer.url, Key(api_key(peer.secret)), Upstream())
            app = make_app(
                providers={"voice-live": provider},
                access=OpenAccess(NOTEBOOK),
                window=window,
                ledger=ledger,
                clock=clock,
                timing=Timing(look_every=0.05, sweep_every=3600),
                watch=True,
            )
            stack.push_async_callback(shut_down, app)
            transport = httpx.ASGITransport(app)
            client = httpx.AsyncClient(transport=transport, base_url="http://node")
            return await stack.enter_async_context(client), provider

        yield [await node(), await node()]


async def test_a_call_whose_session_was_ended_at_another_node_is_hung_up_by_the_one_that_holds_it(nodes):
    (holder, provider), (other, _) = nodes
    page = Page()
    session = Session(model="local").to_wire("beta")
    started = await holder.post("/v1/sessions", json={"session": session, "sdp": await page.offer()})
    ticket = started.json()
    await page.take(ticket["sdp"])
    path = f"/v1/sessions/{ticket['id']}"
    await other.post(f"{path}/connected", json={"call_id": ticket["call_id"]})
    assert not (await other.get(path)).json()["over"]

    assert (await other.post(f"{path}/ended", json={})).json()["state"] == "captured"
    await asyncio.wait_for(page.closed.wait(), 10)
    async with asyncio.timeout(10):
        while not (await other.get(path)).json()["over"]:
            await asyncio.sleep(0.02)
    assert provider._calls == {}
    await page.connection.close()
