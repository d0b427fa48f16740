"""Plain pages of other origins with nothing but `/sdk.js`, against an endpoint that tells apps apart."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.agent import PROBE
from harness.browser import chromium, silence
from harness.hearing import peer_connections, sounds
from harness.redis_server import RedisServer, redis_server
from harness.served import run_app_command, served
from playwright.async_api import Browser, Page

from genmb_voice_widget import spoken

SHOP, OTHER = "localhost", "127.0.0.1"
"""Names for this machine: two origins with one port."""
HTML = """<!doctype html><script src="{endpoint}/sdk.js" data-app="{app}"></script>
<script>
  const {{ voice }} = window.genmb;
  const told = {{ statuses: [], problems: [], turns: new Map() }};
  voice.onstatus = (status) => told.statuses.at(-1) === status || told.statuses.push(status);
  voice.onerror = (problem) => told.problems.push(problem);
  voice.ontranscript = ({{ id, role, text, status }}) => told.turns.set(id, {{ role, text, status }});
  const turns = (role) =>
    [...told.turns.values()].filter((turn) => turn.role === role && turn.status === "completed").map(({{ text }}) => text);
</script>"""


@dataclass(frozen=True)
class Service:
    """A running endpoint, where its apps and its window are, and the port of the pages."""

    url: str
    database: Path
    redis: RedisServer
    port: int

    def origin(self, name: str) -> str:
        return f"http://{name}:{self.port}"

    def entries(self, owner: str) -> list[tuple[str, int]]:
        with sqlite3.connect(self.database) as connection:
            query = "SELECT kind, credits FROM entries WHERE owner = ? ORDER BY id"
            return connection.execute(query, (owner,)).fetchall()


@asynccontextmanager
async def pages(endpoint: str) -> AsyncIterator[int]:
    """Serve `/APP`, a page of that app, under every name of this machine; gives the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readuntil(b"\r\n\r\n")).decode().split()
        html = HTML.format(endpoint=endpoint, app=line[1].strip("/")).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(html)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + html)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[tuple[dict[str, str], RedisServer]]:
    with redis_server(tmp_path) as redis:
        yield (
            {
                "GENMB_VOICE_ACCESS": "apps",
                "GENMB_VOICE_DATABASE": str(tmp_path / "voice.db"),
                "GENMB_VOICE_REDIS": redis.url,
            },
            redis,
        )


@pytest.fixture
def serve(environ: tuple[dict[str, str], RedisServer], tmp_path: Path) -> Any:
    """`async with serve({app: (plan, credits, names)}) as service`: the apps' pages may come from these names."""
    variables, redis = environ

    @asynccontextmanager
    async def serving(apps: dict[str, tuple[str, int, list[str]]]) -> AsyncIterator[Service]:
        with served(variables) as url:
            async with pages(url) as port:
                for app, (plan, credits, names) in apps.items():
                    origins = [part for name in names for part in ("--origin", f"http://{name}:{port}")]
                    add = ("add", app, "--owner", f"owner-of-{app}", "--plan", plan, *origins)
                    await asyncio.to_thread(run_app_command, variables, *add)
                    if credits:
                        await asyncio.to_thread(run_app_command, variables, "credit", app, str(credits))
                yield Service(url, tmp_path / "voice.db", redis, port)

    return serving


async def open_page(browser: Browser, service: Service, app: str, name: str = SHOP) -> Page:
    page = await browser.new_page()
    await page.add_init_script(PROBE)
    await page.goto(f"{service.origin(name)}/{app}")
    return page


async def refused(page: Page) -> dict[str, Any]:
    """Start a session that is refused; what is thrown and what `onerror` gets must be the same problem."""
    thrown = await page.evaluate(
        "voice.start().then(() => null, ({code, say, fix, retryable, detail, retry_after}) => ({code, retry_after}))"
    )
    [told] = await page.evaluate("told.problems.splice(0)")
    assert {"code": told["code"], "retry_after": told.get("retry_after")} == {"retry_after": None, **thrown}
    assert told["say"] and told["fix"]
    assert await page.evaluate("told.statuses.at(-1)") == "failed"
    assert await page.evaluate("probe.openMicrophones()") == 0
    return told


async def measured(page: Page, problem: dict[str, Any]) -> dict[str, Any]:
    """What came of a start that was refused with this problem."""
    await page.wait_for_function("probe.asking === 0")
    told = await page.evaluate("({ status: told.statuses, microphone: probe.state() })")
    return {**told, "codes": [problem["code"]]}


async def test_it_starts_is_spoken_with_and_stops(serve, tmp_path):
    question = spoken("Who are you?", tmp_path / "question.wav", lead_in=3.0, tail=1.0)
    async with serve({"shop": ("pro", 10, [SHOP])}) as service, chromium(question) as browser:
        page = await open_page(browser, service, "shop")
        await page.evaluate("probe.listen()")
        await page.evaluate("voice.start()")
        await page.wait_for_function("turns('assistant').length === 1", timeout=30_000)
        assert await page.evaluate("turns('user')") == ["Who are you?"]
        assert (await page.evaluate("turns('assistant')"))[0].startswith("I am the demo agent")
        heard = sounds(await page.evaluate("probe.levels"), "agent")
        assert sum(sound.end - sound.start for sound in heard) > 3_000
        async with page.expect_response(lambda response: "/ended?app=shop" in response.url) as hung_up:
            await page.evaluate("voice.stop()")
        assert (await (await hung_up.value).json())["state"] == "captured"
        assert await page.evaluate("[told.statuses, told.problems]") == [["connecting", "live", "ended"], []]
        assert await page.evaluate("probe.openMicrophones()") == 0
        assert await peer_connections(page) == 0
        assert service.entries("owner-of-shop") == [("grant", 10), ("reserve", 5), ("capture", 5)]


async def test_a_page_that_is_closed_hangs_up(serve, tmp_path):
    async with serve({"shop": ("pro", 10, [SHOP])}) as service:
        async with chromium(silence(tmp_path / "silence.wav")) as browser:
            page = await open_page(browser, service, "shop")
            await page.evaluate("voice.start()")
            await page.goto("about:blank")
            await page.close()
        query = "SELECT phase, reason FROM holds"
        with sqlite3.connect(service.database) as connection:
            async with asyncio.timeout(10):
                while connection.execute(query).fetchall() != [("over", "page_gone")]:
                    await asyncio.sleep(0.05)


@pytest.mark.fault(
    "unauthorized", "credits_exhausted", "plan_required", "origin_refused", "rate_limited", "window_away"
)
async def test_each_refusal_is_told_with_its_code_and_the_time_of_a_yes(serve, tmp_path, fault):
    apps = {
        "shop": ("pro", 500, [SHOP]),
        "busy": ("pro", 500, [SHOP]),
        "poor": ("pro", 4, [SHOP]),
        "free": ("free", 500, [SHOP]),
        "other": ("pro", 500, [OTHER]),
    }
    async with serve(apps) as service, chromium(silence(tmp_path / "silence.wav")) as browser:
        await use_up(service, "busy")
        seen = {}
        for app in ("nobody", "poor", "free", "other", "busy"):
            before = len(service.entries(f"owner-of-{app}"))
            page = await open_page(browser, service, app)
            problem = await refused(page)
            seen[app] = problem["code"]
            entries = service.entries(f"owner-of-{app}")[before:]
            fault(problem["code"], **await measured(page, problem), entries=entries)
        assert seen == {
            "nobody": "unauthorized",
            "poor": "credits_exhausted",
            "free": "plan_required",
            "other": "origin_refused",
            "busy": "rate_limited",
        }
        assert 3_500 < problem["retry_after"] <= 3_600
        assert "Possible again in 60 min." in problem["detail"]
        page = await open_page(browser, service, "shop")
        service.redis.kill()
        keys = []
        page.on("request", lambda request: keys.append(request.headers.get("idempotency-key")))
        problem = await refused(page)
        assert keys == [keys[0]] * 3
        assert problem["code"] == "service_unavailable"
        assert 1 <= problem["retry_after"] <= 60
        fault("window_away", **await measured(page, problem), entries=service.entries("owner-of-shop"))
        service.redis.start()
        await page.wait_for_timeout(problem["retry_after"] * 1_000)
        await page.evaluate("voice.start()")
        assert await page.evaluate("told.problems") == []
        await page.evaluate("voice.stop()")


async def test_a_page_of_an_origin_that_no_app_has_is_told_what_may_be_the_reason(serve, tmp_path):
    quiet = silence(tmp_path / "silence.wav")
    async with serve({"shop": ("pro", 10, [SHOP])}) as service, chromium(quiet) as browser:
        problem = await refused(await open_page(browser, service, "shop", name=OTHER))
    assert problem["code"] == "endpoint_unreachable"
    assert f"pages of {service.origin(OTHER)} may not ask there" in problem["detail"]


async def use_up(service: Service, app: str) -> None:
    """Start as many sessions as the app may in an hour, and end each."""
    headers = {"Origin": service.origin(SHOP)}
    async with httpx.AsyncClient(base_url=service.url, headers=headers, trust_env=False) as http:
        for _ in range(20):
            started = await http.post(f"/api/voice-agent?app={app}", json={}, timeout=30)
            assert started.status_code == 200, started.text
            for step in ("connected", "ended"):
                await http.post(f"/v1/sessions/{started.json()['id']}/{step}?app={app}", json={})
