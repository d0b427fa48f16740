"""An endpoint with limits, in JupyterLab: the cell tells what is left before Start, wherever the endpoint is."""

import re

import pytest
from harness.agent import PATIENCE_MS, SHOW, go_live, has_status, press_start, show
from harness.served import run_app_command, served
from playwright.async_api import expect

PLAN = """
from genmb_voice_widget import VoiceAgent
from genmb_voice_widget.service import Plan, Rate, in_process
desk = in_process(plan=Plan("class", rate=Rate(2)), credits=100)
agent = VoiceAgent(endpoint=desk)
agent
"""


@pytest.mark.parametrize("kernel", ["python3", "ipykernel6"])
async def test_a_plan_that_is_used_up_is_told_before_start_and_refused_after_it(open_notebook, kernel):
    """Nothing moves meanwhile, a session in another cell counts too, and Python knows the same."""
    async with open_notebook(
        PLAN, "await agent.allowance()", "VoiceAgent(endpoint=desk)", kernel=kernel
    ) as notebook:
        page = notebook.page
        line, start = page.get_by_test_id("allowance").first, page.get_by_test_id("start").first
        await show(notebook)
        await expect(line).to_have_text(
            "2 of 2 sessions left this hour · 100 credits, 5 a session", timeout=PATIENCE_MS
        )
        await expect(start).to_have_accessible_description(re.compile("^2 of 2 sessions left"))
        place = await page.get_by_test_id("say-input").first.bounding_box()
        await press_start(notebook)
        await expect(line).to_have_count(0)
        assert await page.get_by_test_id("say-input").first.bounding_box() == place
        await page.get_by_test_id("stop").click()
        await expect(line).to_have_text("1 of 2 sessions left this hour · 95 credits, 5 a session")
        await notebook.run(2)
        await page.get_by_test_id("start").nth(1).click()
        await expect(line).to_have_text(
            re.compile("^No sessions left this hour · room again at "), timeout=PATIENCE_MS
        )
        await page.get_by_test_id("stop").click()
        await start.click()
        await expect(page.get_by_test_id("error")).to_have_attribute(
            "data-code", "rate_limited", timeout=PATIENCE_MS
        )
        await has_status(notebook, "failed")
        await notebook.run(1)
        assert re.fullmatch(
            r"Allowance\(class · 0 of 2 sessions left this hour · room again in \d+ min · 90 credits, 5 a session\)",
            await notebook.output(1),
        )


async def test_a_served_endpoint_lets_the_notebook_in_with_its_apps_key(open_notebook, tmp_path):
    variables = {"GENMB_VOICE_ACCESS": "apps", "GENMB_VOICE_DATABASE": str(tmp_path / "voice.db")}
    key = run_app_command(variables, "add", "shop", "--owner", "alice", "--plan", "pro")
    run_app_command(variables, "credit", "shop", "12")
    (tmp_path / "key").write_text(key)
    with served(variables) as url:
        cell = f"key = open({str(tmp_path / 'key')!r}).read\n" + SHOW.replace(
            ")", f", endpoint={url!r}, key=key())"
        )
        async with open_notebook(cell, "await agent.run([])") as notebook:
            await go_live(notebook)
            await notebook.page.get_by_test_id("stop").click()
            left = "19 of 20 sessions left this hour · 7 credits, 5 a session"
            await expect(notebook.page.get_by_test_id("allowance")).to_have_text(left, timeout=PATIENCE_MS)
            await notebook.run(1)
            assert "with hand_out_secrets = true" in await notebook.output(1)
            assert key not in await notebook.page.content()
