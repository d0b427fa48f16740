"""`%%voice_app` in JupyterLab: a cell's page talks through the kernel, and says so where it cannot."""

from harness.agent import PATIENCE_MS
from harness.lab import Notebook
from playwright.async_api import FrameLocator, expect

from genmb_voice_widget import spoken

LOAD = "%load_ext genmb_voice_widget"
PAGE = """%%voice_app --height 300
<button id="talk">Talk</button> <output id="status"></output>
<ol></ol>
<script>
  const { voice } = window.genmb;
  const lines = new Map();
  voice.onstatus = (now) => { document.getElementById("status").value = now; };
  voice.ontranscript = ({ id, role, text, status }) => {
    if (!lines.has(id)) lines.set(id, document.querySelector("ol").appendChild(document.createElement("li")));
    Object.assign(lines.get(id), { className: `${role} ${status}`, textContent: text });
  };
  document.getElementById("talk").addEventListener("click", () => voice.start());
</script>
"""


def shown(notebook: Notebook) -> FrameLocator:
    """The page of the cell, inside the frame that found it."""
    return outer(notebook).frame_locator("iframe")


def outer(notebook: Notebook) -> FrameLocator:
    return notebook.page.frame_locator(".jp-OutputArea iframe")


async def test_a_cells_page_is_talked_to_and_cannot_touch_the_notebook(open_notebook, tmp_path):
    question = spoken("Who are you?", tmp_path / "question.wav", lead_in=3.0, tail=1.0)
    async with open_notebook(LOAD, PAGE, microphone=question) as notebook:
        await notebook.run(0)
        await notebook.run(1)
        page = shown(notebook)
        await page.locator("#talk").click(timeout=PATIENCE_MS)
        await expect(page.locator("#status")).to_have_text("live", timeout=PATIENCE_MS)
        await expect(page.locator("li.user.completed")).to_have_text("Who are you?", timeout=PATIENCE_MS)
        await expect(page.locator("li.assistant.completed")).to_contain_text(
            "I am the demo agent", timeout=PATIENCE_MS
        )
        reach = "() => { try { return parent.parent.document.title; } catch (error) { return error.name; } }"
        assert await page.locator("#talk").evaluate(reach) == "SecurityError"


async def test_where_the_browser_cannot_reach_the_kernel_the_frame_says_what_to_do(open_notebook):
    async def hide(page):
        await page.route("http://127.0.0.1:*/**", lambda route: route.abort())

    async with open_notebook(LOAD, PAGE, prepare=hide) as notebook:
        await notebook.run(0)
        await notebook.run(1)
        frame = outer(notebook)
        await expect(frame.get_by_text("cannot reach the notebook's kernel")).to_be_visible(
            timeout=PATIENCE_MS
        )
        assert (await frame.locator("code").inner_text()).startswith("ssh -L ")
        await notebook.page.unroute("http://127.0.0.1:*/**")
        await frame.get_by_role("button", name="Try again").click()
        await expect(shown(notebook).locator("#talk")).to_be_visible(timeout=PATIENCE_MS)


async def test_an_option_that_is_none_is_told(open_notebook):
    async with open_notebook(LOAD, "%%voice_app --width 3\n<p>Hi</p>") as notebook:
        await notebook.run(0)
        await notebook.run(1)
        assert "%%voice_app takes --height PIXELS" in await notebook.output(1)
