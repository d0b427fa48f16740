"""When a node is ready, and that it stays so without what all nodes lack: a real Redis goes and comes back."""

import asyncio
import logging
import time

import httpx
import pytest
from harness.redis_server import redis_server

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.access import OpenAccess
from genmb_voice_widget.service.app import make_app, shut_down
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.policy import Plan, Rate
from genmb_voice_widget.service.window.redis import RedisWindow

PAGE = {"Origin": "https://app.example"}
BODY = {"session": {"type": "realtime"}, "sdp": "v=0\r\ns=-\r\n"}


@pytest.fixture
def redis(tmp_path):
    with redis_server(tmp_path) as server:
        yield server


@pytest.fixture
async def node(redis, make_provider):
    app = make_app(
        providers={"here": make_provider()},
        access=OpenAccess(Plan("pro", rate=Rate(20)), ["https://app.example"]),
        window=RedisWindow(Secret(redis.url)),
        ledger=MemoryLedger(time.time),
        clock=time.time,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://endpoint") as http:
        yield http
    await shut_down(app)


async def test_a_node_that_never_reached_a_store_is_not_ready_until_it_has(node, redis):
    redis.stop()
    refused = await node.get("/readyz")
    assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
    redis.start()
    assert (await node.get("/readyz")).json() == {"status": "ready"}


@pytest.mark.parametrize("gone", ["stop", "freeze"])
async def test_a_node_that_was_ready_stays_so_without_a_store_and_refuses_in_words_a_page_can_read(
    node, redis, gone, caplog
):
    caplog.set_level(logging.WARNING, "genmb_voice_widget.service.outage")
    assert (await node.get("/readyz")).json() == {"status": "ready"}
    getattr(redis, gone)()
    for _ in range(2):
        ready = await node.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready", "away": ["window"]})
    refused = await node.post("/v1/sessions", json=BODY, headers=PAGE)
    assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
    assert refused.headers["access-control-allow-origin"] == PAGE["Origin"]
    redis.start() if gone == "stop" else redis.thaw()
    assert (await node.get("/readyz")).json() == {"status": "ready"}
    said = [record.getMessage() for record in caplog.records if "sessions need" in record.getMessage()]
    assert said == [
        "what sessions need is away: window, service_unavailable",
        "all that sessions need is there again",
    ]


async def test_a_ready_node_does_not_wait_for_a_service_that_hangs(make_endpoint, make_provider):
    provider, hangs = make_provider(), asyncio.Event()
    async with make_endpoint(provider=provider) as endpoint:
        await endpoint.http.get("/readyz")
        provider.ready = hangs.wait
        began = time.monotonic()
        assert (await endpoint.http.get("/readyz")).json() == {"status": "ready", "away": ["providers"]}
        assert time.monotonic() - began < 3
        hangs.set()
