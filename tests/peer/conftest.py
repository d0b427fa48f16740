"""A real peer on a loopback port, and real clients for it: WebSocket and aiortc."""

import asyncio
import base64
import itertools
import json
import re
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from fractions import Fraction

import httpx
import numpy as np
import pytest
import uvicorn
import websockets
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame

from genmb_voice_widget.peer.faults import read_faults
from genmb_voice_widget.peer.scripted import scripted_stages
from genmb_voice_widget.peer.server import make_app

SECRET = "the-peer's-own-secret"
PATIENCE = 8.0


def loud(ms: int, rate: int = 24_000) -> np.ndarray:
    """Sound that the energy detector takes for speech."""
    return (np.sin(np.arange(ms * rate // 1000) * 0.3) * 9000).astype(np.int16)


def quiet(ms: int, rate: int = 24_000) -> np.ndarray:
    return np.zeros(ms * rate // 1000, np.int16)


class SpokenTurn:
    """The recorded order of a spoken turn with transcription, its neighbours of one type taken together."""

    @staticmethod
    def recorded(transport: str) -> list[str]:
        """The transports differ in where the sound goes.

        On a WebSocket it comes in events. On a call it goes by the media track, and `output_audio_buffer.*` tell
        of it on a clock of their own, so those are not in the list.
        """
        sound = {"websocket": ["response.output_audio.delta"], "webrtc": []}[transport]
        return [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "conversation.item.input_audio_transcription.delta",
            "conversation.item.input_audio_transcription.completed",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio_transcript.delta",
            *sound,
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ]

    @staticmethod
    def seen(kinds: list[str]) -> list[str]:
        told = [kind for kind in kinds if not kind.startswith(("session.", "output_audio_buffer."))]
        return [kind for kind, _ in itertools.groupby(told)]


class Events(list):
    """The events a client has received, in order, and a way to wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()
        self.at: list[float] = []

    def take(self, text: str) -> None:
        self.append(json.loads(text))
        self.at.append(time.perf_counter())
        self._news.set()

    def of(self, kind: str) -> list[dict]:
        return [event for event in self if event["type"] == kind]

    @property
    def kinds(self) -> list[str]:
        return [event["type"] for event in self]

    async def wait(
        self, kind: str, count: int = 1, where: Callable[[dict], bool] = lambda event: True
    ) -> dict:
        async with asyncio.timeout(PATIENCE):
            while len(found := [event for event in self.of(kind) if where(event)]) < count:
                self._news.clear()
                await self._news.wait()
        return found[count - 1]


class WsClient:
    """A client that is a WebSocket; sound goes by `input_audio_buffer.append`."""

    def __init__(self, socket) -> None:
        self.socket = socket
        self.events = Events()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with suppress(websockets.ConnectionClosed):
            async for text in self.socket:
                self.events.take(text)

    async def send(self, kind: str, **members) -> None:
        await self.socket.send(json.dumps({"type": kind, **members}))

    async def say(self, pcm: np.ndarray) -> None:
        for at in range(0, len(pcm), 2400):
            audio = base64.b64encode(pcm[at : at + 2400].tobytes()).decode()
            await self.send("input_audio_buffer.append", audio=audio)

    async def speak(self, ms: int = 600) -> None:
        await self.say(np.concatenate((quiet(200), loud(ms), quiet(600))))

    async def close(self) -> None:
        await self.socket.close()
        await self._reading


class Microphone(MediaStreamTrack):
    """A track that plays what it is given, and silence otherwise, in real time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.queue = np.zeros(0, np.int16)
        self._begun = None
        self._pts = 0

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        self._begun = self._begun or loop.time()
        await asyncio.sleep(max(0.0, self._begun + self._pts / 48_000 - loop.time()))
        block, self.queue = self.queue[:960], self.queue[960:]
        block = np.pad(block, (0, 960 - len(block)))
        frame = AudioFrame.from_ndarray(block[None, :], format="s16", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = 48_000, Fraction(1, 48_000), self._pts
        self._pts += 960
        return frame


class RtcClient:
    """A client that is a peer connection: a microphone, a loudspeaker and a channel for events."""

    def __init__(self, label: str = "oai-events") -> None:
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.events = Events()
        self.microphone = Microphone()
        self.heard: list[np.ndarray] = []
        self.pc.addTrack(self.microphone)
        self.channel = self.pc.createDataChannel(label)
        self.channel.on("message", self.events.take)
        self.pc.on("track", self._listen)
        self.call_id = ""
        self.answer = ""
        self.connected_ms = 0.0
        self._tasks = []

    async def connect(self, url: str, headers: dict[str, str], session: dict | None = None) -> httpx.Response:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        offer = self.pc.localDescription.sdp
        begun = time.perf_counter()
        async with httpx.AsyncClient() as client:
            if session is None:
                sdp = {**headers, "Content-Type": "application/sdp"}
                response = await client.post(url, content=offer, headers=sdp)
            else:
                files = {
                    "sdp": (None, offer, "application/sdp"),
                    "session": (None, json.dumps(session), "application/json"),
                }
                response = await client.post(url, files=files, headers=headers)
        if response.status_code == 201:
            self.call_id = response.headers["location"].rpartition("/")[2]
            await self.take(response.text)
            self.connected_ms = (time.perf_counter() - begun) * 1000
        return response

    async def take(self, answer: str) -> None:
        """Connect by an answer, and wait until events can be exchanged."""
        self.answer = answer
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        async with asyncio.timeout(PATIENCE):
            while self.channel.readyState != "open":
                await asyncio.sleep(0.002)

    async def connect_by(self, control: "WsClient", **members) -> None:
        """Connect as Voice Live does it: the offer and the answer go by the control socket."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        await control.send("rtc.call.sdp.create", sdp_offer=self.pc.localDescription.sdp, **members)
        created = await control.events.wait("rtc.call.sdp.created")
        self.call_id = created["rtc_call_id"]
        await self.take(created["sdp_answer"])

    def _listen(self, track) -> None:
        async def drain() -> None:
            with suppress(MediaStreamError):
                while True:
                    frame = await track.recv()
                    self.heard.append(frame.to_ndarray()[0, ::2].copy())

        self._tasks.append(asyncio.create_task(drain()))

    def send(self, kind: str, **members) -> None:
        self.channel.send(json.dumps({"type": kind, **members}))

    def speak(self, ms: int = 600) -> None:
        self.microphone.queue = np.concatenate((self.microphone.queue, loud(ms, 48_000)))

    async def said(self) -> None:
        """Wait until the microphone has sent all that it was given."""
        async with asyncio.timeout(PATIENCE):
            while len(self.microphone.queue):
                await asyncio.sleep(0.01)

    async def hear(self, ms: int) -> np.ndarray:
        """Wait for so much more sound, and return it."""
        have = len(self.heard)
        async with asyncio.timeout(PATIENCE):
            while len(self.heard) < have + ms // 20:
                await asyncio.sleep(0.01)
        return np.concatenate(self.heard[have:])

    async def close(self) -> None:
        await self.pc.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Peer:
    """A running peer and how to reach it."""

    def __init__(self, port: int, stages) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.ws_url = f"ws://127.0.0.1:{port}"
        self.stages = stages
        self.headers = {"Authorization": f"Bearer {SECRET}"}
        self._clients = []

    async def ws(self, path: str = "/v1/realtime?model=local", headers=None, **options) -> WsClient:
        socket = await websockets.connect(
            self.ws_url + path, additional_headers=self.headers if headers is None else headers, **options
        )
        self._clients.append(WsClient(socket))
        return self._clients[-1]

    async def rtc(self, path: str = "/v1/realtime/calls", headers=None, session=None) -> RtcClient:
        client = RtcClient()
        self._clients.append(client)
        response = await client.connect(self.url + path, headers or self.headers, session)
        assert response.status_code == 201, response.text
        return client

    async def rtc_raw(self, take: Callable[[str], None]) -> RtcClient:
        """Begin a call whose events are taken as the texts that they are."""
        client = RtcClient()
        client.channel.remove_all_listeners("message")
        client.channel.on("message", take)
        self._clients.append(client)
        await client.connect(f"{self.url}/v1/realtime/calls", self.headers)
        return client

    async def voice_live(self, **members) -> tuple[WsClient, RtcClient]:
        """Begin a call of Voice Live's: its control socket and its connection."""
        control = await self.ws(
            "/voice-live/realtime/calls?api-version=2026-01-01-preview&model=local", subprotocols=["realtime"]
        )
        return control, await self.rtc_by(control, **members)

    async def rtc_by(self, control: WsClient, **members) -> RtcClient:
        """Offer a call on a control socket, and connect."""
        client = RtcClient("voice-live-events")
        self._clients.append(client)
        await client.connect_by(control, **members)
        return client

    async def post(self, path: str, headers=None, **body) -> httpx.Response:
        async with httpx.AsyncClient() as client:
            return await client.post(
                self.url + path, headers=self.headers if headers is None else headers, **body
            )

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@asynccontextmanager
async def serving(stages, clock, faults) -> AsyncIterator[Peer]:
    listener = socket.create_server(("127.0.0.1", 0))
    app = make_app(stages, SECRET, clock, read_faults(faults))
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext
    ended = asyncio.Event()
    server.main_loop = ended.wait
    running = asyncio.create_task(server.serve(sockets=[listener]))
    peer = Peer(listener.getsockname()[1], stages)
    try:
        yield peer
    finally:
        await peer.close()
        ended.set()
        await running
        stages.close()


@pytest.fixture
async def start_peer():
    """Start a peer: `await start_peer(transcripts, replies, clock=…, faults=…)` or `await start_peer(stages=…)`."""
    running = []

    async def start(transcripts=(), replies=None, stages=None, clock=time.time, faults="") -> Peer:
        context = serving(stages or scripted_stages(transcripts, replies), clock, faults)
        running.append(context)
        return await context.__aenter__()

    yield start
    for context in reversed(running):
        await context.__aexit__(None, None, None)


@pytest.fixture
def spoken_turn() -> type[SpokenTurn]:
    """In which order the events of a spoken turn come."""
    return SpokenTurn


@pytest.fixture
def collected() -> type[Events]:
    """A list that a session may send its events to."""
    return Events


@pytest.fixture
def speech():
    """The sounds that tests are made of."""
    return type("Speech", (), {"loud": staticmethod(loud), "quiet": staticmethod(quiet)})


@pytest.fixture
def hex_id():
    """Check that an id has the wire's shape."""
    return lambda kind, value: re.fullmatch(rf"{kind}_[0-9a-f]{{32}}", value) is not None
