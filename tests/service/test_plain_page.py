"""A page without a notebook, in a real browser, against the served endpoint and the real local peer."""

import asyncio

import httpx
import pytest
from harness.browser import chromium
from harness.lab import free_port

from genmb_voice_widget import cli

pytestmark = pytest.mark.browser


async def test_a_plain_page_holds_a_session_with_the_endpoint_that_served_it(serving):
    asked = []
    with serving() as (url, _):
        async with chromium() as browser:
            page = await browser.new_page()
            page.on(
                "response", lambda response: asked.append((response.url.removeprefix(url), response.status))
            )
            await page.goto(url)
            await page.get_by_role("button", name="Start").click()
            typed = page.get_by_label("Or type:")
            await typed.fill("hello", timeout=20_000)
            await typed.press("Enter")
            reply = page.locator("li[data-role=assistant]", has_text=".")
            await reply.wait_for(timeout=20_000)
            async with page.expect_response(lambda response: response.url.endswith("/ended")):
                await page.get_by_role("button", name="Stop").click()
            assert await page.get_by_role("alert").text_content() == ""
            assert await page.locator("li[data-role=user]").text_content() == "hello"
    calls = [each for each in asked if each[0].startswith("/v1")]
    id = calls[-1][0].split("/")[3]
    assert calls == [
        ("/v1/sessions", 201),
        (f"/v1/sessions/{id}/connected", 200),
        (f"/v1/sessions/{id}/ended", 200),
    ]


async def test_the_demonstration_starts_for_the_app_that_its_address_names_and_tells_a_refusal(
    serving, tmp_path, monkeypatch
):
    port = free_port()
    url = f"http://localhost:{port}"
    monkeypatch.setenv("GENMB_VOICE_ACCESS", "apps")
    monkeypatch.setenv("GENMB_VOICE_DATABASE", str(tmp_path / "voice.db"))
    entered = ["app", "add", "demo", "--owner", "alice", "--plan", "pro", "--origin", url]
    for command in (entered, ["app", "credit", "demo", "5"]):
        assert await asyncio.to_thread(cli.main, command) == 0
    with serving("--port", str(port)):
        async with chromium() as browser:
            page = await browser.new_page()
            for address, said in [
                (url, "does not know this caller"),
                (f"{url}/?app=demo", ""),
                (f"{url}/?app=demo", "no credits left. A session costs 5 credits. Add credits"),
            ]:
                await page.goto(address)
                await page.get_by_role("button", name="Start").click()
                if said:
                    await page.get_by_role("alert").filter(has_text=said).wait_for(timeout=20_000)
                else:
                    await page.get_by_text("listening").wait_for(timeout=20_000)
                    async with page.expect_response(lambda response: "/ended?app=demo" in response.url):
                        await page.get_by_role("button", name="Stop").click()


def test_a_page_that_isolates_itself_may_load_the_script(serving):
    with serving() as (url, _):
        headers = httpx.get(f"{url}/sdk.js", trust_env=False).headers
        assert headers["cross-origin-resource-policy"] == "cross-origin"
        assert "cross-origin-resource-policy" not in httpx.get(url, trust_env=False).headers


async def test_a_page_of_another_origin_may_start_only_where_it_is_allowed(serving):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
        )
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    origin = f"http://localhost:{server.sockets[0].getsockname()[1]}"
    heard = []
    async with server, chromium() as browser:
        for options in ([], ["--allow-origin", origin]):
            with serving(*options) as (url, _):
                page = await browser.new_page()
                await page.goto(origin)
                heard.append(
                    await page.evaluate(
                        """async (url) => {
                            const script = document.createElement("script");
                            script.src = `${url}/sdk.js`;
                            document.head.append(script);
                            await new Promise((resolve) => script.addEventListener("load", resolve));
                            const { voice } = window.genmb;
                            const outcome = await voice.start().then(() => "live", ({ code }) => code);
                            voice.stop();
                            return outcome;
                        }""",
                        url,
                    )
                )
                await page.close()
    assert heard == ["endpoint_unreachable", "live"]
