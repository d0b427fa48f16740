"""Two nodes of the program on one PostgreSQL and one Redis: whatever one knows the other knows, also when it is gone."""

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import httpx
import psycopg
import pytest
from harness.redis_server import redis_server
from harness.upstream import OPENAI_KEY, Cloud

pytest_plugins = ["harness.postgres_plugin"]

NODE = """
import os, sys
from functools import partial
from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service import assemble
from genmb_voice_widget.service.app import make_app
from genmb_voice_widget.service.settings.provider_kinds import Kind
from genmb_voice_widget.service.providers.exchange import BY_STATUS, Link
from genmb_voice_widget.service.providers.openai import REQUEST_ID, OpenAIProvider
from genmb_voice_widget.service.providers.sideband import sees_the_caller
from genmb_voice_widget.service.serve import main
from genmb_voice_widget.service.settings import Timing

class Line(OpenAIProvider):
    def _link(self):
        return Link(self._upstream.way, os.environ["LINE"], BY_STATUS, REQUEST_ID)
    async def proven(self, call_id):
        return await sees_the_caller(self._link(), self._auth, call_id, None)

timing = Timing(connect_within=float(os.environ["CONNECT_WITHIN"]), sweep_every=0.2)
assemble.make_app = partial(make_app, timing=timing)
made = lambda options, upstream: Line(Secret(os.environ["LINE_KEY"]), upstream(), model="gpt-realtime-1.5")
sys.exit(main(sys.argv[1:], {"line": Kind({}, made)}))
"""
"""The program, with a service that is spoken to without TLS, and less patience."""
COMMAND = "import sys; from genmb_voice_widget.cli import main; sys.exit(main(sys.argv[1:]))"
BODY = {"session": {"type": "realtime"}, "sdp": "v=0\r\ns=-\r\n"}
PATIENCE = 10.0


@dataclass
class Pair:
    """Both nodes, what they share, and an app that was entered by the command."""

    cloud: Cloud
    database: str
    processes: list[subprocess.Popen] = field(default_factory=list)
    nodes: list[httpx.AsyncClient] = field(default_factory=list)

    async def start(self, node: int) -> httpx.Response:
        return await self.nodes[node].post("/v1/sessions", json=BODY)

    async def opened(self, node: int) -> str:
        """Open a session; on a busy machine the database may be late for a moment, and says so."""
        answer = await self.start(node)
        for _ in range(3):
            if answer.status_code == 503:
                answer = await self.start(node)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    async def left(self, node: int) -> tuple[int, int]:
        """Credits and sessions that are left."""
        allowance = (await self.nodes[node].get("/v1/allowance")).json()
        return allowance["credits"], allowance["sessions"]["remaining"]

    async def last_look(self, node: int) -> str:
        """When the node's sweeper looked for the last time."""
        shown = {"Authorization": "Bearer canary-metrics"}
        text = (await self.nodes[node].get("/metrics", headers=shown)).text
        [line] = [line for line in text.splitlines() if line.startswith("genmb_voice_sweeper_last_run")]
        return line

    def audited(self, action: str) -> list[tuple]:
        with psycopg.connect(self.database) as connection:
            return connection.execute("SELECT outcome, via FROM audit WHERE action = %s", [action]).fetchall()


@pytest.fixture
async def make_pair(postgres, serving, tmp_path):
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path, "--appendonly", "yes"))
        database = postgres.database()
        environ = {
            "GENMB_VOICE_ACCESS": "apps",
            "GENMB_VOICE_DATABASE": database,
            "GENMB_VOICE_REDIS": redis.url,
            "GENMB_VOICE_DRAIN_SECONDS": "4",
            "GENMB_VOICE_METRICS_KEY": "canary-metrics",
        }

        def command(*words):
            done = subprocess.run(
                [sys.executable, "-c", COMMAND, "app", *words], env=environ, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        async with Cloud().listening() as cloud:

            async def make(connect_within: float) -> Pair:
                key = await asyncio.to_thread(command, "add", "shop", "--owner", "al", "--plan", "business")
                await asyncio.to_thread(command, "credit", "shop", "125")
                pair = Pair(cloud, database)
                line = {
                    "LINE": f"{cloud.url}/v1",
                    "LINE_KEY": OPENAI_KEY,
                    "CONNECT_WITHIN": str(connect_within),
                }
                for _ in range(2):
                    chosen = environ | line | {"GENMB_VOICE_PROVIDERS": "line"}
                    url, process = stack.enter_context(serving(code=NODE, environ=chosen))
                    shown = {"Authorization": f"Bearer {key}"}
                    http = httpx.AsyncClient(base_url=url, headers=shown, timeout=PATIENCE, trust_env=False)
                    pair.processes.append(process)
                    pair.nodes.append(http)
                pairs.append(pair)
                return pair

            pairs: list[Pair] = []
            yield make
            for http in [http for pair in pairs for http in pair.nodes]:
                await http.aclose()


async def until(condition):
    async with asyncio.timeout(PATIENCE):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
    return found


async def looked_again(pair, node, last):
    return await pair.last_look(node) != last


async def test_both_nodes_know_the_app_its_sessions_its_credits_and_its_window(make_pair):
    pair = await make_pair(connect_within=30)
    one, other = pair.nodes
    for turn in range(12):
        here, there = (one, other) if turn % 2 else (other, one)
        id = (await here.post("/v1/sessions", json=BODY)).json()["id"]
        assert (await there.post(f"/v1/sessions/{id}/connected", json={})).json()["state"] == "captured"
        assert (await here.get(f"/v1/sessions/{id}")).json()["over"] is False
        assert (await there.post(f"/v1/sessions/{id}/ended", json={})).status_code == 200
        assert (await here.get(f"/v1/sessions/{id}")).json()["over"] is True
    assert pair.cloud.calls == {}
    assert await pair.left(0) == await pair.left(1) == (65, 8)

    answers = await asyncio.gather(*(pair.start(turn % 2) for turn in range(13)))
    counts = Counter((answer.status_code, answer.json().get("code")) for answer in answers)
    assert counts == {(201, None): 8, (429, "rate_limited"): 5}
    assert all(3500 < int(answer.headers["retry-after"]) <= 3600 for answer in answers if answer.is_error)
    assert await pair.left(0) == await pair.left(1) == (25, 0)


async def test_what_a_killed_node_left_is_hung_up_and_released_by_one_that_never_had_a_session(make_pair):
    pair = await make_pair(connect_within=1.0)
    for _ in range(2):
        await until(partial(looked_again, pair, 1, await pair.last_look(1)))
    sessions = [await pair.opened(0) for _ in range(3)]
    assert len(pair.cloud.calls) == 3
    assert await pair.left(1) == (110, 17)
    pair.processes[0].kill()

    async def let_go():
        states = [(await pair.nodes[1].get(f"/v1/sessions/{id}")).json()["state"] for id in sessions]
        return states == ["released"] * 3

    await until(let_go)
    assert pair.cloud.calls == {}
    assert sum(path.endswith("/hangup") for path in pair.cloud.paths) == 3
    assert await pair.left(1) == (125, 20)

    async def noted():
        return await asyncio.to_thread(pair.audited, "expired")

    assert await until(noted) == [("ok", "sweeper")] * 3


async def test_while_both_nodes_sweep_each_call_is_hung_up_once_and_noted_once(make_pair):
    pair = await make_pair(connect_within=1.0)
    sessions = await asyncio.gather(*(pair.opened(turn % 2) for turn in range(10)))

    async def let_go():
        return await pair.left(0) == (125, 20)

    await until(let_go)
    hung_up = [path for path in pair.cloud.paths if path.endswith("/hangup")]
    assert len(hung_up) == len(set(hung_up)) == len(sessions)

    async def noted():
        return len(await asyncio.to_thread(pair.audited, "expired")) >= len(sessions)

    await until(noted)
    for process in pair.processes:
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, PATIENCE) == 0
    assert pair.audited("expired") == [("ok", "sweeper")] * len(sessions)


async def test_a_node_that_is_told_to_go_says_so_first_still_serves_and_does_not_wait_for_proofs_of_calls(
    make_pair,
):
    pair = await make_pair(connect_within=30)
    id = await pair.opened(0)
    await asyncio.wait_for(pair.cloud.attached.wait(), PATIENCE)
    told = time.monotonic()
    pair.processes[0].send_signal(signal.SIGTERM)

    async def says_so():
        return (await pair.nodes[0].get("/readyz")).status_code == 503

    await until(says_so)
    late = await pair.opened(0)
    assert (await pair.nodes[1].get("/readyz")).status_code == 200
    assert await asyncio.to_thread(pair.processes[0].wait, PATIENCE) == 0
    assert time.monotonic() - told > 1.9
    await asyncio.wait_for(pair.cloud.detached.wait(), PATIENCE)
    assert "left to the sweeper" not in await asyncio.to_thread(pair.processes[0].stderr.read)

    assert len(pair.cloud.calls) == 2
    for session in (id, late):
        connected = await pair.nodes[1].post(f"/v1/sessions/{session}/connected", json={})
        assert connected.json()["state"] == "captured"
        assert (await pair.nodes[1].post(f"/v1/sessions/{session}/ended", json={})).status_code == 200
    assert pair.cloud.calls == {}
