"""One JupyterLab for all browser tests; a Chromium for each microphone file."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from harness.browser import chromium, silence
from harness.lab import Lab, Notebook, jupyter_lab
from playwright.async_api import Page


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", type=Path, help="keep the screenshots in this folder")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "e2e":
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with jupyter_lab(tmp_path_factory.mktemp("lab")) as running:
        yield running


PLAIN = str.maketrans("[", "-", "]")
OpenNotebook = Callable[..., AbstractAsyncContextManager[Notebook]]


@pytest.fixture
def open_notebook(lab: Lab, request: pytest.FixtureRequest, tmp_path: Path) -> OpenNotebook:
    """`async with open_notebook(*cells, microphone=…, kernel=…) as notebook`: a fresh browser on a fresh notebook."""

    @asynccontextmanager
    async def opening(
        *cells: str,
        microphone: Path | None = None,
        kernel: str = "python3",
        name: str | None = None,
        prepare: Callable[[Page], Awaitable[None]] | None = None,
        **how: object,
    ) -> AsyncIterator[Notebook]:
        file = lab.write(f"{name or request.node.name.translate(PLAIN)}.ipynb", *cells, kernel=kernel)
        async with chromium(microphone or silence(tmp_path / "silence.wav"), **how) as browser:
            page = await browser.new_page(viewport={"width": 1100, "height": 900})
            if prepare:
                await prepare(page)
            notebook = await Notebook.open(page, lab, file)
            try:
                yield notebook
            finally:
                await lab.end_kernels()

    return opening
