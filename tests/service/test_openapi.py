"""The endpoint's description of itself: a fuzzer finds no difference to what it does, and people can read it."""

import asyncio
import re
import subprocess
import sys
import time

import pytest

from genmb_voice_widget.service import policy
from genmb_voice_widget.service.app import make_app
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.window import MemoryWindow

FUZZ = (sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run")


@pytest.fixture
async def fuzz(monkeypatch, register, make_provider, running, tmp_path):
    """Have schemathesis try an endpoint with all its checks; return its exit status and what it said."""
    monkeypatch.setitem(policy.PLANS, "unlimited", policy.Plan("unlimited"))
    await register.enter("fuzz", "fay", "unlimited", "https://fuzz.example")

    async def run(change=lambda app: None, *options):
        app = make_app(
            providers={"here": make_provider()},
            access=register.access(),
            window=MemoryWindow(),
            ledger=MemoryLedger(time.time, 10**9),
            clock=time.time,
        )
        change(app)
        with running(app) as url:
            key = f"Authorization: {register.bearer('fuzz')['Authorization']}"
            fixed = ("--generation-deterministic", "--max-examples", "50", "--checks", "all", "-H", key)
            done = await asyncio.to_thread(
                subprocess.run,
                [*FUZZ, f"{url}/openapi.json", *fixed, *options],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=300,
            )
        return done.returncode, done.stdout

    return run


async def test_a_fuzzer_with_all_its_checks_finds_no_difference_between_the_description_and_the_endpoint(
    fuzz,
):
    status, said = await fuzz()

    assert status == 0, said
    assert re.search(r"Operations: +9 selected / 9 total", said), said
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in said, said
    assert int(re.search(r"(\d+) generated", said)[1]) > 400, said


async def test_the_fuzzer_does_find_a_route_that_does_not_do_what_it_says(fuzz):
    def plant(app):
        @app.get("/v1/planted")
        async def planted(number: int) -> int:
            raise ZeroDivisionError

    status, said = await fuzz(plant, "--include-path", "/v1/planted", "--phases", "coverage")

    assert status == 1
    assert "Undocumented status code" in said, said


async def test_the_description_names_who_may_ask_and_what_every_refusal_looks_like(service):
    schema = (await service.http.get("/openapi.json")).json()

    assert {scheme["type"] for scheme in schema["components"]["securitySchemes"].values()} == {
        "http",
        "apiKey",
    }
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            assert bool(operation.get("security")) == path.startswith("/v1/"), path
            for status, answer in operation["responses"].items():
                assert list(answer["content"]) == [
                    "application/json" if status < "300" else "application/problem+json"
                ], (path, status)


async def test_an_endpoint_that_asks_nobody_says_so(endpoint):
    schema = (await endpoint.http.get("/openapi.json")).json()

    assert "securitySchemes" not in schema["components"]
    assert "/v1/app-tokens" not in schema["paths"]


async def test_the_page_for_people_shows_every_route_and_loads_nothing_from_anywhere(service):
    page = await service.http.get("/docs")
    paths = (await service.http.get("/openapi.json")).json()["paths"]

    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "img-src data:;" in page.headers["content-security-policy"]  # the icon, which is none
    assert "`" not in page.text
    assert "<code>code</code>" in page.text
    assert all(path in page.text for path in paths)
    assert len(paths) == 9
    assert (
        re.findall(
            r"<(?:script|img|iframe|link(?! rel=\"icon\" href=\"data:,\"))|https?://(?!\w+\.example)",
            page.text,
        )
        == []
    )


async def test_the_page_for_people_shows_what_is_described_as_text_and_not_as_markup():
    from genmb_voice_widget.service.web.docs_page import docs_page

    hostile = "<script>alert(1)</script>"
    page = docs_page(
        {
            "info": {"title": hostile, "description": hostile},
            "components": {"securitySchemes": {"key": {"description": hostile}}},
            "paths": {
                f"/{hostile}": {
                    "get": {"description": hostile, "responses": {hostile: {"description": hostile}}}
                }
            },
        }
    )

    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 8
