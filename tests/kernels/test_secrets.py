"""A token is looked for everywhere it could leak to: the saved notebook, the log, a traceback, what Python shows."""

import asyncio
import json
from collections.abc import AsyncIterator

import nbformat
import pytest
from nbclient import NotebookClient
from websockets.asyncio.server import serve

CANARY = "ek_canary_c0ffee"

pytestmark = pytest.mark.kernel

CELLS = [
    """
import logging, asyncio
logging.basicConfig(level=logging.DEBUG, filename="everything.log")
from genmb_voice_widget import VoiceAgent
from ipywidgets import Widget
agent = VoiceAgent(endpoint="{endpoint}")
agent
""",
    "await agent.start(headless=True); agent",
    "turn = await agent.ask('Hello?', timeout=10); agent.turns, turn, agent.usage, agent.errors",
    "print(Widget.get_manager_state(), vars(agent), agent.events, agent._starter.client.__dict__, agent._link.__dict__)",
    "agent.save('talk.jsonl'); await agent.stop(); agent.status",
    "%xmode Verbose",
    "refused = VoiceAgent(endpoint='{endpoint}', model='refused'); await refused.start(headless=True)",
]


async def _endpoint(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as a token endpoint would, with the canary for a secret."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.split("content-length: ")[1].split("\r\n")[0])
    asked = json.loads(await reader.readexactly(length))
    body = {"id": "vs_1", "state": "captured"}
    if "session" in asked:
        path = "/refused" if asked["session"].get("model") == "refused" else "/"
        body |= {"provider": "local", "transport": "websocket", "model": "m", "voice": None, "expires_at": 1}
        body |= {"url": f"ws://127.0.0.1:{_port[0]}{path}", "token": CANARY}
    answer = json.dumps(body).encode()
    writer.write(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nConnection: close\r\n")
    writer.write(b"Content-Length: %d\r\n\r\n" % len(answer) + answer)
    await writer.drain()
    writer.close()


_port = [0]
_seen: list[str] = []


async def _service(socket) -> None:
    _seen.append(socket.request.headers["Authorization"])
    await socket.send(json.dumps({"type": "session.created", "session": {"id": "s"}}))
    async for message in socket:
        event = json.loads(message)
        if event["type"] == "conversation.item.create":
            await socket.send(json.dumps({"type": "conversation.item.added", "item": event["item"]}))
        if event["type"] == "response.create":
            item = {"id": "a1", "type": "message", "role": "assistant", "status": "completed"}
            item["content"] = [{"type": "output_text", "text": "Hello!"}]
            response = {"id": "r1", "conversation_id": "c1", "status": "completed", "output": [item]}
            await socket.send(
                json.dumps({"type": "response.created", "response": {**response, "output": []}})
            )
            await socket.send(json.dumps({"type": "conversation.item.done", "item": item}))
            await socket.send(json.dumps({"type": "response.done", "response": response}))


def _refuse(connection, request):
    return connection.respond(401, f"bad key {CANARY}") if request.path == "/refused" else None


@pytest.fixture
async def endpoint() -> AsyncIterator[str]:
    server = await asyncio.start_server(_endpoint, "127.0.0.1", 0)
    async with server, serve(_service, "127.0.0.1", 0, process_request=_refuse) as service:
        _port[0] = next(iter(service.sockets)).getsockname()[1]
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_the_secret_is_in_no_trait_repr_log_traceback_recording_or_saved_notebook(endpoint, tmp_path):
    cells = [nbformat.v4.new_code_cell(code.replace("{endpoint}", endpoint).strip()) for code in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(
        notebook,
        timeout=30,
        allow_errors=True,
        store_widget_state=True,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    await client.async_execute()
    saved = nbformat.writes(notebook)
    (refused,) = [output for output in notebook.cells[-1].outputs if output.output_type == "error"]
    assert refused.ename == "VoiceError" and "provider_refused" in refused.evalue
    errors = [
        output for cell in notebook.cells[:-1] for output in cell.outputs if output.output_type == "error"
    ]
    assert errors == [] and _seen == [f"Bearer {CANARY}"]
    assert notebook.metadata.widgets, "the widgets' state was stored, so it was looked at"
    assert "Hello!" in saved and "Hello!" in (tmp_path / "talk.jsonl").read_text()
    log = (tmp_path / "everything.log").read_text()
    assert "HTTP Request: POST" in log
    for place in (saved, log, (tmp_path / "talk.jsonl").read_text()):
        assert CANARY not in place
