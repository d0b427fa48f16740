"""The pages of a kernel's cells: served to who knows their names, from an origin of their own, and forgotten in order."""

import socket

import httpx
import pytest

from genmb_voice_widget import VoiceError, voice_app
from genmb_voice_widget.service.cell_server import KEPT, CellServer


@pytest.fixture
async def server():
    server = CellServer()
    await server.start()
    async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
        yield server, http
    await server.stop()


async def test_a_page_is_served_with_the_endpoint_it_needs_from_one_origin_of_this_machine(server):
    server, http = server
    address = server.put("<p>Hi")
    assert address.startswith(f"{server.url}/cells/") and server.url.startswith("http://127.0.0.1:")
    page = await http.get(address)
    assert (page.text, page.headers["content-type"]) == ("<p>Hi", "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-store"
    assert (await http.get("/sdk.js")).status_code == 200
    assert (await http.get("/healthz")).json() == {"status": "ok"}


async def test_a_page_of_the_notebook_may_know_that_it_is_there_and_no_more(server):
    server, http = server
    address, notebook = server.put("<p>Hi"), {"Origin": "http://localhost:8888"}
    here = await http.get(f"{address}/here", headers=notebook)
    assert here.text == address.rpartition("/")[2]
    assert here.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in (await http.get(address, headers=notebook)).headers
    asked = await http.post("/v1/sessions", headers=notebook, json={"session": {}, "sdp": "v=0"})
    assert (asked.status_code, asked.json()["code"]) == (403, "origin_refused")


async def test_a_page_that_was_made_to_resolve_to_this_machine_gets_nothing(server):
    server, http = server
    refused = await http.get(server.put("<p>Hi"), headers={"Host": "rebound.example"})
    assert refused.status_code == 400


async def test_the_oldest_pages_are_forgotten(server):
    server, http = server
    addresses = [server.put(str(number)) for number in range(KEPT + 1)]
    assert (await http.get(addresses[0])).status_code == 404
    assert (await http.get(f"{addresses[0]}/here")).status_code == 404
    assert [(await http.get(address)).text for address in addresses[1:3]] == ["1", "2"]


def test_the_frame_lets_the_microphone_through_and_no_name_leaves_its_place(monkeypatch):
    monkeypatch.setattr("platform.node", lambda: '"><script>alert(1)</script>')
    made = voice_app.frame("http://127.0.0.1:50123/cells/abc", 300)
    assert made.startswith('<div><iframe srcdoc="&lt;!doctype html&gt;')
    assert made.endswith(
        'height="300" style="border:0" allow="microphone; autoplay" title="voice app"></iframe></div>'
    )
    assert made.count('"') == 12
    assert "ssh -L 50123:127.0.0.1:50123" in made
    assert "&lt;script&gt;alert" not in made


@pytest.mark.parametrize(
    "line", ["--width 3", "300", "--height", "--height 0", "--height 99999", "--height 3x"]
)
def test_a_line_that_is_no_height_is_refused(line):
    with pytest.raises(VoiceError, match="--height 300"):
        voice_app.voice_app(line, "<p>Hi")


async def test_a_server_that_has_stopped_leaves_its_port(server):
    server, _ = server
    port = int(server.url.rpartition(":")[2])
    await server.stop()
    with socket.create_server(("127.0.0.1", port)):
        pass
