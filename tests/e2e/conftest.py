"""One JupyterLab for all browser tests; a Chromium for each microphone file."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from harness.browser import chromium, silence
from harness.desk import Desk, desk, page_of
from harness.lab import Lab, Notebook, jupyter_lab
from harness.shop import Visit
from playwright.async_api import Browser, Page

from genmb_voice_widget.peer.launch import PeerAddress
from genmb_voice_widget.peer.testing import running_peer


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", type=Path, help="keep the screenshots in this folder")
    parser.addoption("--parity", type=Path, help="write the page of test_same_turns.py to this file")


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


@pytest.fixture(scope="session")
def peer() -> Iterator[PeerAddress]:
    with running_peer() as address:
        yield address


STRANGER = "shop.test"
"""A name that leads here, of which browsers do not know that it does."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def quiet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A browser in silence; each page must be given the microphone."""
    file = silence(tmp_path_factory.mktemp("quiet") / "silence.wav")
    names = f"--host-resolver-rules=MAP {STRANGER} 127.0.0.1"
    async with chromium(file, allow_microphone=False, flags=(names,)) as browser:
        yield browser


@pytest.fixture
def charging(peer: PeerAddress) -> Iterator[Desk]:
    """An endpoint that charges, outside the kernel."""
    with desk(peer) as its:
        yield its


VisitDesk = Callable[..., AbstractAsyncContextManager[tuple[Desk, Visit]]]


@pytest.fixture
def visit_desk(peer: PeerAddress, quiet: Browser) -> VisitDesk:
    """`async with visit_desk(faults) as (desk, visit)`: an endpoint that charges, and its page, before a start."""

    @asynccontextmanager
    async def visiting(
        faults: str = "",
        *,
        microphone: bool = True,
        script: str = "",
        host: str = "localhost",
        browser: Browser = quiet,
        **how: object,
    ) -> AsyncIterator[tuple[Desk, Visit]]:
        with desk(peer, **how) as its:
            its.provider.faults = faults
            context = await browser.new_context(permissions=["microphone"] if microphone else [])
            async with page_of(context, f"{its.url.replace('localhost', host)}/page", script) as visit:
                yield its, visit
            await context.close()

    return visiting
