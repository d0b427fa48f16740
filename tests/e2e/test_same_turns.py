"""The same spoken conversation gives the same turns, whatever the service and whatever the way to it; see docs/parity.md."""

import asyncio
from pathlib import Path

import httpx
from harness.browser import chromium
from harness.lab import Notebook
from harness.parity import (
    CANNOT_BE,
    FAULTS,
    PROVIDERS,
    RELAY,
    SCRIPT,
    SECRET,
    SENTENCES,
    WAYS,
    WEBRTC,
    WEBRTC_SECRET,
    converse,
    expected,
    get_weather,
    page,
)
from harness.personas import endpoint_of_all
from harness.seats import MOUTH, InNotebook, InPage, InPython, show

from genmb_voice_widget import spoken
from genmb_voice_widget.peer.testing import running_peer

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"
SESSION = {"type": "realtime"}


async def test_the_turns_are_the_same_in_every_cell_and_docs_parity_says_so(lab, tmp_path, request):
    said = await asyncio.gather(*(asyncio.to_thread(say, sentence, tmp_path) for sentence in SENTENCES))
    sounds = dict(zip(SENTENCES, said, strict=True))
    with running_peer(FAULTS, SCRIPT) as peer, endpoint_of_all(peer) as endpoint:
        async with chromium() as browser:
            context = await browser.new_context()
            await context.add_init_script(MOUTH)
            cells = [(provider, way) for way in WAYS for provider in PROVIDERS]
            talked = [cell for cell in cells if cell not in CANNOT_BE]
            notebook = await shown(lab, await context.new_page(), endpoint)
            begins = asyncio.Lock()
            seats = {cell: await seat(notebook, begins, context, endpoint, *cell) for cell in talked}
            came = {}
            for way in (WEBRTC, RELAY, SECRET):  # all at once would be too much for a small machine
                some = [cell for cell in talked if cell[1] is way]
                talks = (converse(seats[cell], sounds, cell[1].tools) for cell in some)
                turns = await asyncio.gather(*talks, return_exceptions=True)
                came |= dict(zip(some, turns, strict=True))
                if way is WEBRTC:
                    await lab.end_kernels()
                    await notebook.page.close()
        async with httpx.AsyncClient(base_url=endpoint) as http:
            assert {cell: await refusal(http, *cell) for cell in CANNOT_BE} == {
                cell: why.code for cell, why in CANNOT_BE.items()
            }
    for (provider, way), failed in came.items():
        assert not isinstance(failed, Exception), (provider, way.name, str(failed))
    found = page({cell: came.get(cell) or CANNOT_BE[cell] for cell in cells})
    print(f"\n{found}")
    for (provider, way), turns in came.items():
        assert turns == expected(came[talked[0]], way), (provider, way)
    if (written := request.config.getoption("--parity")) is not None:
        written.write_text(found)
    assert PAGE.read_text() == found


def say(sentence: str, folder: Path) -> Path:
    return spoken(sentence, folder / f"{SENTENCES.index(sentence)}.wav", lead_in=0.3, tail=0.3)


async def shown(lab, tab, endpoint: str) -> Notebook:
    file = lab.write("same_turns.ipynb", show(endpoint, PROVIDERS, get_weather))
    notebook = await Notebook.open(tab, lab, file)
    await notebook.run(0)
    return notebook


async def seat(notebook: Notebook, begins: asyncio.Lock, context, endpoint: str, provider: str, way):
    if way is WEBRTC:
        return InNotebook(notebook, PROVIDERS.index(provider), begins)
    if way is RELAY:
        return InPage(await context.new_page(), endpoint, provider, "websocket")
    assert way is SECRET
    return InPython(endpoint, provider, get_weather)


async def refusal(http: httpx.AsyncClient, provider: str, way) -> str:
    """Ask for what cannot be, as the page or the program would that wants it; gives the code of the answer."""
    headers = {"Origin": str(http.base_url)} if way is WEBRTC_SECRET else {}
    transport = "relay" if way is RELAY else "websocket"
    body = {"provider": provider, "session": SESSION, "transport": transport}
    return (await http.post("/v1/sessions", json=body, headers=headers, timeout=30)).json()["code"]
