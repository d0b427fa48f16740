"""What the README shows: the widget after a short conversation, in both of JupyterLab's themes."""

from pathlib import Path

import pytest
from harness.agent import PATIENCE_MS, READ, SHOW, go_live
from playwright.async_api import expect

from genmb_voice_widget import spoken

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


@pytest.mark.parametrize("theme", THEMES)
async def test_the_widget_fits_the_theme(open_notebook, tmp_path, request, theme):
    speech = spoken(["Tell me a story.", "Who are you?"], tmp_path / "speech.wav", lead_in=3.0, pause=6.0)
    folder = request.config.getoption("--screenshots") or tmp_path
    async with open_notebook(SHOW, READ, microphone=speech, name=f"hello-{theme}") as notebook:
        page = notebook.page
        await page.set_viewport_size({"width": 1000, "height": 760})
        await notebook.command("application:toggle-left-area")
        await page.evaluate(
            "name => jupyterapp.commands.execute('apputils:change-theme', {theme: name})", THEMES[theme]
        )
        await go_live(notebook)
        replies = page.locator("[data-testid=turn][data-role=assistant][data-status=completed]")
        await expect(replies).to_have_count(1, timeout=2 * PATIENCE_MS)
        await notebook.run(1)
        background = await page.get_by_test_id("captions").evaluate(BACKGROUND)
        assert (sum(background) < 200) == (theme == "dark"), f"the captions stand on {background}"
        text = await page.get_by_test_id("turn").first.evaluate(
            "element => getComputedStyle(element).color.match(/\\d+/g).map(Number)"
        )
        assert abs(sum(text[:3]) - sum(background)) > 300, "the captions can hardly be read"
        await page.locator(".jp-WindowedPanel-outer").evaluate("panel => { panel.scrollTop = 0 }")
        await page.screenshot(path=Path(folder) / f"conversation-{theme}.png")


# The colour that is really behind an element: the nearest ancestor that has one.
BACKGROUND = """element => {
    for (let at = element; at; at = at.parentElement) {
        const [red, green, blue, alpha = 1] = getComputedStyle(at).backgroundColor.match(/[\\d.]+/g).map(Number);
        if (alpha > 0) return [red, green, blue];
    }
    return [255, 255, 255];
}"""
