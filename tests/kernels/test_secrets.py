"""A token and an app's key are looked for everywhere they could leak to: the saved notebook, the log, a traceback."""

import asyncio
import json
import os
from collections.abc import AsyncIterator

import nbformat
import pytest
from nbclient import NotebookClient
from websockets.asyncio.server import serve

CANARY = "ek_canary_c0ffee"
KEY = "gvk_shop_canary-beef"
OPENAI_KEY = "sk-canary-0ddba11"
OWN_SERVER = {
    "GENMB_VOICE_OPENAI_COMPATIBLE_BASE_URL": "http://127.0.0.1:9/v1",
    "GENMB_VOICE_OPENAI_COMPATIBLE_KEY": "own-canary-b0a7",
}
AZURE = {
    "AZURE_OPENAI_ENDPOINT": "https://canary-resource-77.openai.azure.com",
    "AZURE_OPENAI_API_KEY": "azure-canary-5afe",
    "AZURE_OPENAI_DEPLOYMENT": "gpt-realtime",
}

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
    "await agent.allowance()",
    """
def typed(): return "-".join(["gvk_shop_canary", "beef"])
other = VoiceAgent(endpoint="http://localhost:{port}", key=typed()); await other.allowance(), other
""",
    "VoiceAgent(endpoint='http://voice.example', key=typed())",
    "VoiceAgent(endpoint='https://voice.example', key=typed() + ' ')._starter.client.__dict__",
    "VoiceAgent(endpoint='https://voice.example', key=typed() + ' x')",
    "VoiceAgent(key=typed(), voise=1)",
    "VoiceAgent(endpoint='https://voice.example', api_key=typed())",
    "VoiceAgent(endpoint='https://voice.example', key=typed().encode())",
    "await VoiceAgent(endpoint='http://127.0.0.1:9', key=typed()).allowance()",
    "import os; del os.environ['GENMB_VOICE_KEY']; await VoiceAgent(endpoint='{endpoint}/x').allowance()",
    "refused = VoiceAgent(endpoint='{endpoint}', model='refused'); await refused.start(headless=True)",
    """
del os.environ['GENMB_VOICE_ENDPOINT']
cloud = [VoiceAgent(provider=name) for name in ('azure', 'openai', 'openai-compatible')]
await cloud[0].start(headless=True)
""",
    "await cloud[1].start(headless=True)",
    "await cloud[2].start(headless=True)",
    "os.environ['AZURE_OPENAI_API_KEY'] += ' x'; await cloud[0].start(headless=True)",
    "del os.environ['AZURE_OPENAI_ENDPOINT']; await cloud[0].start(headless=True)",
    "print(cloud, [vars(each) for each in cloud], [each._starter.client.__dict__ for each in cloud], cloud[0].errors)",
]


async def _endpoint(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as a token endpoint would, with the canary for a secret."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.split("content-length: ")[1].split("\r\n")[0]) if "content-length: " in head else 0
    asked = json.loads(await reader.readexactly(length) or b"{}")
    _keys.append("authorization: bearer " + KEY in head)
    body = {"id": "vs_1", "state": "captured"}
    if head.startswith("get"):
        body = {
            "plan": "pro",
            "voice": True,
            "credits": 95,
            "credits_per_session": 5,
            "sessions": None,
            "enough_credits": True,
        }
    status, code = "201 Created", None
    if "/x/" in head:
        status, code = "401 Unauthorized", {"code": "unauthorized", "detail": "The request shows no app."}
    if "session" in asked:
        path = "/refused" if asked["session"].get("model") == "refused" else "/"
        body |= {"provider": "local", "transport": "websocket", "model": "m", "voice": None, "expires_at": 1}
        body |= {"url": f"ws://127.0.0.1:{_port[0]}{path}", "token": CANARY}
    answer = json.dumps(code or body).encode()
    writer.write(f"HTTP/1.1 {status}\r\n".encode())
    writer.write(b"Content-Type: application/json\r\nConnection: close\r\n")
    writer.write(b"Content-Length: %d\r\n\r\n" % len(answer) + answer)
    await writer.drain()
    writer.close()


_port = [0]
_seen: list[str] = []
_keys: list[bool] = []


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


async def test_token_and_key_are_in_no_trait_repr_log_traceback_recording_or_saved_notebook(
    endpoint, tmp_path
):
    port = endpoint.rpartition(":")[2]
    sources = [code.replace("{endpoint}", endpoint).replace("{port}", port).strip() for code in CELLS]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in sources])
    client = NotebookClient(
        notebook,
        timeout=30,
        allow_errors=True,
        store_widget_state=True,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    environment = {"GENMB_VOICE_ENDPOINT": endpoint, "GENMB_VOICE_KEY": KEY, "OPENAI_API_KEY": OPENAI_KEY}
    # No cloud is reached from here.
    environment |= (
        AZURE | OWN_SERVER | {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost"}
    )
    await client.async_execute(env=os.environ | environment)
    saved = nbformat.writes(notebook)
    errors = [output for cell in notebook.cells for output in cell.outputs if output.output_type == "error"]
    codes = [error.evalue.rpartition("[")[2].rstrip("]") for error in errors]
    assert codes == [
        "insecure_endpoint",
        *("bad_option",) * 4,
        *("endpoint_unreachable", "unauthorized", "secret_expired"),
        *("provider_unreachable",) * 3,
        *("provider_not_set_up",) * 2,
    ]
    assert "VoiceAgent(endpoint=…, key=…)" in errors[6].evalue, "who has sent no key is told how to"
    assert _seen == [f"Bearer {CANARY}"]
    assert "Allowance(pro · 95 credits, 5 a session)" in saved
    assert _keys[:5] == [True] * 5 and not any(_keys[5:]), (
        "the key of the environment is taken when an agent is made"
    )
    assert notebook.metadata.widgets, "the widgets' state was stored, so it was looked at"
    assert "Hello!" in saved and "Hello!" in (tmp_path / "talk.jsonl").read_text()
    log = (tmp_path / "everything.log").read_text()
    assert "HTTP Request: POST" in log
    for place in (saved, log, (tmp_path / "talk.jsonl").read_text()):
        for secret in (CANARY, KEY, OPENAI_KEY, "azure-canary-5afe", "own-canary-b0a7"):
            assert secret not in place
