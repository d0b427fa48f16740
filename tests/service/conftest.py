"""Parts for the endpoint's tests: a clock that is set by hand, a provider that obeys, and a service that misbehaves."""

import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from harness.apps_memory import MemoryApps
from harness.audit_log import AuditLog

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.access import OpenAccess
from genmb_voice_widget.service.access.app_keys import hash_key, mark_of, new_key
from genmb_voice_widget.service.access.app_tokens import AppTokens
from genmb_voice_widget.service.access.apps import App
from genmb_voice_widget.service.access.by_app import AppAccess
from genmb_voice_widget.service.app import make_app, shut_down
from genmb_voice_widget.service.caller import Caller
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.policy import NOTEBOOK, Plan, Rate
from genmb_voice_widget.service.providers import Answer, Ticket
from genmb_voice_widget.service.sessions import Sessions
from genmb_voice_widget.service.sessions.legs import Legs
from genmb_voice_widget.service.sessions.opening import Request
from genmb_voice_widget.service.sessions.parts import Parts
from genmb_voice_widget.service.sessions.sweeper import Sweeper
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.service.window import MemoryWindow

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
SESSION = {"type": "realtime", "model": "a-model", "audio": {"output": {"voice": "marin"}}}
TOKEN = "ek_canary_7f3a"
SERVE = "import sys; from genmb_voice_widget.service.serve import main; sys.exit(main(sys.argv[1:]))"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class ObedientProvider:
    """Answers each offer with an answer of its own; a test may replace what it does before it answers."""

    def __init__(self) -> None:
        self.live: set[str] = set()
        self.hung_up: list[str] = []
        self.sessions: list[object] = []
        self.before: Callable[[], Awaitable[None]] = _nothing
        self.before_hang_up: Callable[[], Awaitable[None]] = _nothing
        self.closed = False
        self.readied = 0
        self._count = 0

    async def answer(self, session, sdp):
        self.sessions.append(session)
        self._count += 1
        call_id = f"rtc_{self._count}"
        await self.before()
        self.live.add(call_id)
        return Answer(
            "ga", session.get("model"), "marin", call_id, f"v=0\r\ns=answer to {session.get('model')}\r\n"
        )

    async def mint(self, session):
        await self.before()
        return Ticket(
            "ga", session.get("model"), None, "ws://127.0.0.1:9/v1/realtime", Secret(TOKEN), 1_000_060.0
        )

    async def proven(self, call_id):
        return False

    async def ready(self):
        self.readied += 1

    async def hang_up(self, call_id):
        await self.before_hang_up()
        self.hung_up.append(call_id)
        self.live.discard(call_id)

    async def close(self):
        self.closed = True


async def _nothing() -> None:
    pass


@dataclass
class Endpoint:
    """A mounted endpoint and everything behind it."""

    app: FastAPI
    http: httpx.AsyncClient
    clock: Clock
    ledger: MemoryLedger
    window: MemoryWindow
    provider: ObedientProvider

    async def start(self, **body):
        return await self.http.post(
            "/v1/sessions", json={"provider": "here", "session": SESSION, "sdp": OFFER} | body
        )

    async def connected(self, id, **body):
        return await self.http.post(f"/v1/sessions/{id}/connected", json=body)

    async def ended(self, id, **body):
        return await self.http.post(f"/v1/sessions/{id}/ended", json=body)

    async def status(self, id):
        return (await self.http.get(f"/v1/sessions/{id}")).json()


@pytest.fixture
def make_provider():
    return ObedientProvider


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_endpoint(clock):
    """Mount an endpoint with a plan, an account and time limits of the test's choice."""

    @asynccontextmanager
    async def make(
        plan: Plan = NOTEBOOK,
        granted: int | None = None,
        timing: Timing | None = None,
        origins=(),
        hosts=None,
        provider=None,
        access=None,
        audit=None,
        metrics=None,
        hand_out_secrets=True,
        **others,
    ) -> AsyncIterator[Endpoint]:
        provider = provider or ObedientProvider()
        ledger, window = MemoryLedger(clock, granted), MemoryWindow(clock)
        app = make_app(
            providers={"here": provider},
            access=access or OpenAccess(plan, origins),
            window=window,
            ledger=ledger,
            clock=clock,
            timing=timing,
            hosts=hosts,
            audit=audit,
            metrics=metrics,
            hand_out_secrets=hand_out_secrets,
            **others,
        )
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as http:
            yield Endpoint(app, http, clock, ledger, window, provider)
        await shut_down(app)

    return make


@pytest.fixture
async def endpoint(make_endpoint) -> AsyncIterator[Endpoint]:
    async with make_endpoint() as made:
        yield made


SIGNING_KEY = Secret("canary-signing-key-0123456789abcdef")


class Register:
    """Apps in memory with their keys at hand: `shop` and `other` may ask, `gone` is revoked, `free` has no voice."""

    def __init__(self, clock: Clock) -> None:
        self.apps = MemoryApps()
        self.keys: dict[str, str] = {}
        self.tokens = AppTokens(SIGNING_KEY, clock)

    async def fill(self) -> None:
        await self.enter("shop", "alice", "pro", "https://shop.example", "http://localhost:3000")
        await self.enter("other", "bob", "business", "https://other.example")
        await self.enter("free", "carol", "free", "https://free.example")
        await self.enter("gone", "alice", "pro", "https://gone.example", "https://shop.example")
        await self.apps.revoke("gone")

    async def enter(self, id: str, owner: str, plan: str, *origins: str, **others) -> None:
        key = new_key(id)
        self.keys[id] = key.reveal()
        assert await self.apps.add(App(id, owner, plan, origins, hash_key(key), **others))

    def bearer(self, id: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[id]}"}

    def mark(self, id: str) -> str:
        return mark_of(hash_key(Secret(self.keys[id])))

    def token(self, id: str, seconds: int = 60, **claims) -> dict[str, str]:
        made, _ = self.tokens.issue(id, self.mark(id), seconds, **claims)
        return {"Authorization": f"Bearer {made.reveal()}"}

    def access(self, **others) -> AppAccess:
        return AppAccess(self.apps, **{"tokens": self.tokens} | others)


@pytest.fixture
async def register(clock) -> Register:
    register = Register(clock)
    await register.fill()
    return register


@pytest.fixture
def audit() -> AuditLog:
    return AuditLog()


@pytest.fixture
async def service(make_endpoint, register, audit) -> AsyncIterator[Endpoint]:
    """An endpoint that tells apps apart; each owner has a thousand credits."""
    async with make_endpoint(granted=1000, access=register.access(), audit=audit) as made:
        yield made


@dataclass
class Desk:
    """Sessions without HTTP, and the sweeper that looks after them, to be told when to look."""

    parts: Parts
    sessions: Sessions
    sweeper: Sweeper
    ledger: MemoryLedger
    window: MemoryWindow
    provider: ObedientProvider
    clock: Clock
    plan: Plan

    @property
    def caller(self):
        return Caller("owner", "owner", self.plan, "open")

    async def open(self):
        return (await self.sessions.open(self.caller, Request("here", SESSION, OFFER))).hold

    async def slots(self) -> int:
        return len(await self.window.ages("sessions:owner", self.plan.rate))


@pytest.fixture
def make_desk(clock, audit):
    def make(timing: Timing | None = None) -> Desk:
        timing = timing or Timing()
        ledger, window, provider = MemoryLedger(clock, 100), MemoryWindow(clock), ObedientProvider()
        plan = Plan("limited", rate=Rate(20))
        parts = Parts(
            Legs({"here": provider}, timing),
            window,
            ledger,
            timing,
            clock,
            watch=True,
            records=[audit.record],
        )
        sessions = Sessions(parts)
        return Desk(parts, sessions, Sweeper(sessions, ledger, timing), ledger, window, provider, clock, plan)

    return make


@pytest.fixture
def desk(make_desk) -> Desk:
    return make_desk()


@pytest.fixture
def running():
    """Run an ASGI app on a free port, in a thread of its own: `with running(app) as url`."""

    @contextmanager
    def run(app):
        started = threading.Event()

        class Server(uvicorn.Server):
            async def startup(self, sockets=None):
                await super().startup(sockets)
                started.set()

        server = Server(uvicorn.Config(app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert started.wait(10)
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)

    return run


@pytest.fixture
def serving():
    """Run the endpoint as a program on a free port: `with serving(*options) as (url, process)`."""

    @contextmanager
    def run(*options, code=SERVE, environ=None):
        process = subprocess.Popen(
            [sys.executable, "-c", code, "--port", "0", *options],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (environ or {}),
        )
        try:
            said = ""
            for line in process.stderr:
                said += line
                if "running on " in line:
                    yield line.partition("running on ")[2].split()[0], process
                    return
            pytest.fail(said)
        finally:
            process.kill()
            process.wait()
            process.stderr.close()

    return run
