"""Pages that the script was put into, as a browser reads them: it is there first, and it reaches the endpoint."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from harness.browser import chromium, silence
from harness.served import served

from genmb_voice_widget import inject_sdk

SEES = "<script>window.seen = typeof window.genmb?.voice?.start;</script>"
NONCE = "script-src 'nonce-abc' 'strict-dynamic'; default-src 'none'"
PAGES = {
    "whole": f"<!doctype html><html><head><title>Hi</title>{SEES}</head><body>Hi</body></html>",
    "comments": f"<!doctype html><!-- <head> --><html><head><!-- </head> -->{SEES}</head><body>Hi",
    "scripts": f"<!doctype html><head><script>const end = '</head><head>';</script>{SEES}</head>",
    "no-head": f"<!doctype html><html><body>{SEES}",
    "fragment": f"<!doctype html>{SEES}<p>Hi",
    "base": f'<!doctype html><head><base href="https://elsewhere.example/">{SEES}</head>',
    "policy": f"""<!doctype html><head><meta http-equiv="Content-Security-Policy"
        content="default-src 'none'; script-src 'unsafe-inline'">{SEES}</head>""",
    "nonce": f"""<!doctype html><head><meta http-equiv=content-security-policy content="{NONCE}">
        {SEES.replace("<script", "<script nonce=abc")}</head>""",
}


@asynccontextmanager
async def site() -> AsyncIterator[tuple[str, dict[str, str]]]:
    """Serve what is put into a dictionary by name; gives the origin and the dictionary."""
    pages: dict[str, str] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = (await reader.readuntil(b"\r\n\r\n")).decode().split()
        html = pages.get(line[1].strip("/"), "").encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(html)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + html)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}", pages


async def test_the_script_is_there_before_the_pages_own_and_reaches_the_endpoint(tmp_path):
    async with site() as (origin, pages), chromium(silence(tmp_path / "silence.wav")) as browser:
        with served({}, "--allow-origin", origin) as url:
            pages.update({name: inject_sdk(html, enabled=True, endpoint=url) for name, html in PAGES.items()})
            # What the session is refused for comes from the endpoint, so the endpoint was asked.
            start = "genmb.voice.start({ provider: 'nobody' }).then(() => 'live', ({ code }) => code)"
            found = {}
            for name in PAGES:
                page = await browser.new_page()
                await page.goto(f"{origin}/{name}")
                found[name] = await page.evaluate(f"async () => [seen, document.compatMode, await {start}]")
                await page.close()
    assert found == {name: ["function", "CSS1Compat", "unknown_provider"] for name in PAGES}


@pytest.mark.parametrize("name", ["policy", "nonce"])
async def test_without_it_such_a_policy_would_keep_the_script_from_the_endpoint(tmp_path, name):
    async with site() as (origin, pages), chromium(silence(tmp_path / "silence.wav")) as browser:
        with served({}, "--allow-origin", origin) as url:
            pages[name] = PAGES[name]
            page = await browser.new_page()
            await page.goto(f"{origin}/{name}")
            asked = "fetch(url).then(() => true, () => false)"
            assert await page.evaluate(f"url => {asked}", f"{url}/healthz") is False
