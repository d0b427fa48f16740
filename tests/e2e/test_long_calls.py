"""A call that grows old, and one whose page slept: the conversation goes on, and is paid once."""

import asyncio

import pytest
from harness.browser import chromium, silence
from harness.shop import shop, visit

CLOCK = """
window.ahead = 0;
const now = Date.now.bind(Date);
Date.now = () => now() + ahead;
"""
"""The page's wall clock; the local peer's calls end after 60 minutes."""


@pytest.mark.fault("aged")
async def test_a_call_is_renewed_before_it_is_60_minutes_old_and_nobody_notices(tmp_path, fault):
    quiet = silence(tmp_path / "silence.wav")
    async with shop(tmp_path) as service, chromium(quiet) as browser:
        await service.add("shop", 10)
        async with visit(browser, service, "shop", CLOCK) as call:
            await call.ask("Who are you?", answers=1)
            await call.page.wait_for_function("told.activity === 'listening'", timeout=30_000)
            await call.told("window.ahead = 59.2 * 60_000")
            await call.page.wait_for_function("calls.length === 2")
            await call.told("window.ahead = 0")
            await call.page.wait_for_function("calls[1].connectionState === 'connected'")
            await call.ask("Who are you?", answers=2)
            assert [status for _, status in await call.statuses()] == ["connecting", "live"]
            assert await call.told("calls.map((one) => one.connectionState)") == ["closed", "connected"]
            assert await call.told("[told.problems, probe.microphones.length, turns('user').length]") == [
                [],
                1,
                2,
            ]
            fault("aged", **await call.measured(), entries=service.entries("shop"))
            await call.told("voice.stop()")
        assert service.entries("shop") == [("grant", 10), ("reserve", 5), ("capture", 5)]


@pytest.mark.fault("frozen")
async def test_a_page_that_was_frozen_finds_its_call_alive(tmp_path, fault):
    quiet = silence(tmp_path / "silence.wav")
    async with shop(tmp_path) as service, chromium(quiet) as browser:
        await service.add("shop", 10)
        async with visit(browser, service, "shop") as call:
            await call.ask("Who are you?", answers=1)
            browser_says = await call.page.context.new_cdp_session(call.page)
            await browser_says.send("Page.setWebLifecycleState", {"state": "frozen"})
            await asyncio.sleep(17)
            await browser_says.send("Page.setWebLifecycleState", {"state": "active"})
            await call.ask("Who are you?", answers=2)
            assert [status for _, status in await call.statuses()] == ["connecting", "live"]
            assert await call.told("calls.length") == 1
            fault("frozen", **await call.measured(), entries=service.entries("shop"))
