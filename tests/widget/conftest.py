"""Parts for the tests of the Python side: an endpoint that is scripted, pages that are lists, a service on a socket."""

import asyncio
import base64
import json
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.openai_types import faults
from openai.types.realtime import RealtimeClientEvent
from websockets.asyncio.server import ServerConnection, serve

from genmb_voice_widget.bridge import Bridge
from genmb_voice_widget.calls import Calls
from genmb_voice_widget.client import TokenClient
from genmb_voice_widget.conversation import Conversation
from genmb_voice_widget.protocol import Envelope
from genmb_voice_widget.session import Session
from genmb_voice_widget.settings import Settings

CANARY = "ek_canary_5d1c"


class Endpoint:
    """A token endpoint that answers as told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.keys: list[str | None] = []
        self.answers: dict[str, httpx.Response | Exception] = {}
        self.url = "ws://127.0.0.1:9"
        slots = {"limit": 20, "seconds": 3600.0, "remaining": 12, "reset": 600}
        self.allowance: dict[str, Any] = {
            "plan": "class",
            "voice": True,
            "credits": 95,
            "credits_per_session": 5,
            "enough_credits": True,
            "sessions": slots,
        }
        transport = httpx.MockTransport(self._answer)
        self.client = TokenClient(lambda: httpx.AsyncClient(transport=transport, base_url="http://endpoint"))

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/readyz":
            return httpx.Response(200, json={"status": "ready"})
        body = json.loads(request.content or "{}")
        self.asked.append((request.url.path, body))
        self.keys.append(request.headers.get("Idempotency-Key"))
        answer = self.answers.get(request.url.path)
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        if request.url.path == "/v1/allowance":
            return httpx.Response(200, json=self.allowance)
        if request.url.path != "/v1/sessions":
            return httpx.Response(200, json={"id": "vs_1", "state": "captured"})
        common = {"id": "vs_1", "provider": "local", "dialect": "ga", "model": "local", "voice": None}
        common["transcription"] = "local"
        if "sdp" in body:
            return httpx.Response(
                201, json={**common, "transport": "webrtc", "call_id": "rtc_1", "sdp": "v=0"}
            )
        ticket = {"transport": "websocket", "url": self.url, "token": CANARY, "expires_at": 1}
        return httpx.Response(201, json=common | ticket)


class Rig:
    """A bridge, what it has sent, and pages to speak to it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.sent: list[dict[str, Any]] = []
        self.sounds: list[bytes] = []
        self.arrived = asyncio.Event()
        self.conversation = Conversation(lambda log_id: self.bridge.resync(log_id))
        self.settings = Settings("local", Session())
        self.calls = Calls(endpoint.client, self.settings, self._send, self.conversation.hear)
        self.bridge = Bridge(self.conversation, self.calls, self._send, self.settings)

    def _send(self, message: dict[str, Any], buffers: Sequence[bytes] = ()) -> None:
        self.sent.append(json.loads(json.dumps(message)))
        self.sounds.extend(buffers)
        self.arrived.set()

    def page(self, client: str, op: str, **members: Any) -> None:
        self.bridge.receive({"op": op, "client": client, **members})

    def speak(self, client: str, log: str, sound: bytes) -> None:
        """Send sound of this page's microphone on its line."""
        self.bridge.receive({"op": "line", "client": client, "log": log}, sound)

    def greet(self, *clients: str) -> None:
        for client in clients:
            self.page(client, "hello", proto=1, environment={})

    def status(self, client: str, log: str, *statuses: str, seq: int = 1) -> None:
        events = [
            own(seq + number, type="genmb.status", status=status).to_json()
            for number, status in enumerate(statuses)
        ]
        self.page(client, "events", log=log, events=events)

    def call(self, client: str, number: str, method: str, **params: Any) -> None:
        self.page(client, "call", id=number, method=method, params=params)

    def to(self, client: str, op: str) -> list[dict[str, Any]]:
        return [message for message in self.sent if (message.get("client"), message["op"]) == (client, op)]

    def beats(self) -> list[str | None]:
        """Who held the call at each beat so far."""
        return [message["holder"] for message in self.sent if message["op"] == "beat"]

    async def replied(self, number: str) -> dict[str, Any]:
        return await self.told(lambda message: message["op"] == "reply" and message["id"] == number)

    async def told(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Wait for the first message to a page that is wanted."""
        async with asyncio.timeout(20):
            while True:
                for message in self.sent:
                    if wanted(message):
                        return message
                self.arrived.clear()
                await self.arrived.wait()

    async def settled(self) -> None:
        """Wait until no call to the endpoint is under way."""
        await asyncio.gather(*self.calls._tasks)

    def tick(self, times: int, heard: bool = True) -> None:
        for _ in range(times):
            self.bridge.tick(heard)


def own(seq: int, **event: Any) -> Envelope:
    return Envelope(seq, 10 * seq, "own", event)


async def _ignore(event: dict[str, Any]) -> None:
    pass


class Service:
    """A realtime service on a socket: sends `session.created`, then what the test says."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.header: str | None = None
        self.silent = False
        self.react: Callable[[dict[str, Any]], Awaitable[None]] = _ignore
        self.url = ""
        self._arrived = asyncio.Event()
        self.accepted = asyncio.Event()
        self._sockets: list[ServerConnection] = []

    async def handle(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.header = socket.request.headers.get("Authorization")
        self._sockets.append(socket)
        self.accepted.set()
        if not self.silent:
            await self.send({"type": "session.created", "session": {"id": "sess_1", "model": "local"}})
        async for message in socket:
            event = json.loads(message)
            silence = event["type"] == "input_audio_buffer.append" and not event["audio"].strip("A=")
            if not silence:
                assert faults(event, RealtimeClientEvent) == []
                self.received.append(event)
                self._arrived.set()
                await self.react(event)

    async def send(self, *events: dict[str, Any]) -> None:
        for event in events:
            await self._sockets[-1].send(json.dumps(event))

    async def send_raw(self, *messages: str) -> None:
        for message in messages:
            await self._sockets[-1].send(message)

    async def close(self, code: int = 1000) -> None:
        await self._sockets[-1].close(code)

    def abort(self) -> None:
        self._sockets[-1].transport.abort()

    async def got(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many events of this type have come."""
        async with asyncio.timeout(20):
            while True:
                found = [event for event in self.received if event["type"] == kind]
                if len(found) >= count:
                    return found
                self._arrived.clear()
                await self._arrived.wait()


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
def rig(endpoint: Endpoint) -> Iterator[Rig]:
    yield Rig(endpoint)


@pytest.fixture
def rig_of() -> Callable[[Any], Rig]:
    """Make one for another endpoint: anything with a `client`."""
    return Rig


@pytest.fixture
async def service(endpoint: Endpoint) -> AsyncIterator[Service]:
    """A scripted service, to which the endpoint's tickets lead."""
    service = Service()
    async with serve(service.handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        service.url = endpoint.url = f"ws://127.0.0.1:{port}"
        yield service


@pytest.fixture
def envelope() -> Callable[..., Envelope]:
    """Make an envelope of our own: `envelope(seq, type=…, …)`."""
    return own


def _talk(service: Service, replies: bool = True) -> None:
    turns = 0

    async def react(event: dict[str, Any]) -> None:
        nonlocal turns
        heard = sum(each["type"] == "input_audio_buffer.append" for each in service.received)
        if event["type"] == "conversation.item.create":
            await service.send({"type": "conversation.item.added", "item": event["item"]})
        spoken = event["type"] == "input_audio_buffer.append" and heard % 10 == 0
        if not replies or not (spoken or event["type"] == "response.create"):
            return
        turns += 1
        if spoken:
            content = [{"type": "input_audio", "transcript": f"Turn {turns}"}]
            await service.send(
                {"type": "conversation.item.added", "item": _message(f"u{turns}", "user", content)}
            )
        response = {"id": f"r{turns}", "conversation_id": "c1"}
        content = [{"type": "output_audio", "transcript": f"Reply {turns}"}]
        ids = {"response_id": f"r{turns}", "item_id": f"a{turns}", "content_index": 0}
        await service.send(
            {"type": "response.created", "response": {**response, "status": "in_progress"}},
            {
                "type": "conversation.item.added",
                "item": {**_message(f"a{turns}", "assistant", []), "status": "in_progress"},
            },
            {"type": "response.output_audio.delta", "delta": base64.b64encode(bytes(9600)).decode(), **ids},
            {"type": "conversation.item.done", "item": _message(f"a{turns}", "assistant", content)},
            {"type": "response.done", "response": {**response, "status": "completed", "output": []}},
        )

    service.react = react


def _message(item_id: str, role: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": item_id, "type": "message", "role": role, "status": "completed", "content": content}


@pytest.fixture
def talker(tmp_path: Path) -> Callable[..., None]:
    """Make two files of 0.2 s, and a service take every ten chunks of sound, or every text, for a turn."""
    for name in ("one.wav", "two.wav"):
        with wave.open(str(tmp_path / name), "wb") as file:
            file.setparams((1, 2, 24_000, 0, "NONE", ""))
            file.writeframes(b"\x10\x10" * 4_800)
    return _talk
