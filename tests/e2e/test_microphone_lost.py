"""The microphone is taken away in the middle of a call: the call goes on, and takes the next one."""

import pytest
from harness.browser import chromium, silence
from harness.shop import shop, visit


@pytest.mark.fault("mic_lost")
async def test_without_a_microphone_the_call_stays_up_and_says_so_and_a_new_one_is_taken(tmp_path, fault):
    quiet = silence(tmp_path / "silence.wav")
    async with shop(tmp_path) as service, chromium(quiet, allow_microphone=False) as browser:
        await service.add("shop", 10)
        context = await browser.new_context(permissions=["microphone"])
        async with visit(context, service, "shop") as call:
            await call.page.wait_for_function("told.statuses.at(-1)[1] === 'live'")
            await context.clear_permissions()
            await call.page.wait_for_function("told.problems[0] === 'mic_lost'", timeout=5_000)
            await call.ask("Who are you?", answers=1)
            fault("mic_lost", **await call.measured(), entries=service.entries("shop"), within=5)
            await context.grant_permissions(["microphone"])
            await call.told("navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
            await call.page.wait_for_function("probe.openMicrophones() === 1", timeout=1_000)
            assert await call.told("calls[0].getSenders()[0].track.readyState") == "live"
            assert await call.told("[calls.length, told.problems, told.statuses.at(-1)[1]]") == [
                1,
                ["mic_lost"],
                "live",
            ]
