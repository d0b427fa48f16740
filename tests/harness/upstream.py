"""The cloud's realtime services, standing in: to the letter of Azure OpenAI's and OpenAI's, or as badly as a test likes.

`Server` is a raw HTTP/1.1 server that a test may have answer anything. `Cloud` adds the services' own rules, by the names
that they have: real names under real TLS, with certificates of its own (`SSL_CERT_FILE`) and only name resolution faked, so
that what is tested is what goes out. Each name that is looked up is kept: a request that goes astray is seen.

Shapes: OpenAI Realtime API reference (client secrets, calls, hangup, server controls); Azure OpenAI how-to, realtime audio by
WebRTC; Microsoft identity platform, client credentials flow.
"""

import asyncio
import datetime
import json
import os
import secrets
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from azure.identity.aio import ClientSecretCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from harness.cloud_session import SILENT, CloudSession, hold
from websockets.server import ServerProtocol

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.providers.azure import AzureProvider
from genmb_voice_widget.service.providers.credential import Entra, Key, api_key
from genmb_voice_widget.service.providers.openai import OpenAIProvider
from genmb_voice_widget.service.providers.upstream import Upstream

ANSWER = "v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=-\r\na=group:BUNDLE 0 1\r\n"
RESOURCE = "canary-resource-5e1f.openai.azure.com"
ENDPOINT = f"https://{RESOURCE}"
OPENAI = "api.openai.com"
LOGIN = "login.microsoftonline.com"
AZURE_KEY = "azurekeycanary0b7d"
OPENAI_KEY = "sk-openai-canary-77ac"
ENTRA_TOKEN = "eyJ.entra-canary-e4.sig"
ENTRA_SECRET = "entra-client-secret-canary-1c"
DEPLOYMENT = "My-Realtime"


@dataclass
class Request:
    method: str
    path: str
    headers: dict
    body: bytes

    @property
    def host(self):
        return self.headers.get("host", "")

    def parts(self):
        """The parts of a multipart body by name: content type and text."""
        head = b"Content-Type: " + self.headers["content-type"].encode() + b"\r\n\r\n"
        message = message_from_bytes(head + self.body, policy=HTTP)
        return {
            part.get_param("name", header="content-disposition"): (
                part.get_content_type(),
                part.get_payload(decode=True).decode(),
            )
            for part in message.iter_parts()
        }


def http(status, body, *headers):
    raw = body if isinstance(body, bytes) else body.encode()
    lines = [f"HTTP/1.1 {status} Whatever", *headers, f"Content-Length: {len(raw)}", "", ""]
    return "\r\n".join(lines).encode("latin-1") + raw


def answer(body=ANSWER, location="/v1/realtime/calls/rtc_0a1b", *headers, status=201):
    return http(status, body, "Content-Type: text/plain; charset=utf-8", f"Location: {location}", *headers)


def error(status, code, message, *headers):
    body = {"error": {"message": message, "type": "invalid_request_error", "code": code, "param": None}}
    return http(status, json.dumps(body), "Content-Type: application/json", *headers)


@dataclass
class Server:
    """A raw HTTP/1.1 server: each path answers with the bytes, or does what the function says, that a test gave it."""

    port: int = 0
    replies: dict = field(default_factory=dict)
    requests: list = field(default_factory=list)
    open_sockets: set = field(default_factory=set)
    tasks: set = field(default_factory=set)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def paths(self):
        return [request.path for request in self.requests]

    async def serve(self, reader, writer):
        self.open_sockets.add(writer)
        self.tasks.add(asyncio.current_task())
        try:
            while raw := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = raw.decode().split("\r\n")
                fields = (line.partition(": ") for line in lines if line)
                headers = {name.lower(): value for name, _, value in fields}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                method, path, _ = first.split(" ")
                request = Request(method, path, headers, body)
                self.requests.append(request)
                place = urlsplit(path).path
                reply = next((reply for end, reply in self.replies.items() if place.endswith(end)), None)
                if callable(reply):
                    await reply(writer)
                elif reply is None and headers.get("upgrade", "").lower() == "websocket":
                    await self.upgrade(request, raw, reader, writer)
                    return
                else:
                    writer.write(reply or self.answer_to(request))
                    await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            pass
        finally:
            self.open_sockets.discard(writer)
            writer.close()

    def answer_to(self, request):
        return error(404, "not_found", "Not found.")

    async def upgrade(self, request, raw, reader, writer):
        writer.write(self.answer_to(request))
        await writer.drain()

    @asynccontextmanager
    async def listening(self, tls=None):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for writer in list(self.open_sockets):
                writer.transport.abort()
            await _ended(self.tasks)
            await server.wait_closed()


async def _ended(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def never(writer):
    await asyncio.Event().wait()


async def drip(writer):
    writer.write(b"HTTP/1.1 201 Created\r\nLocation: /calls/rtc_1\r\nContent-Length: 100000\r\n\r\nv=0")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


def cut_off(reply):
    async def send_and_close(writer):
        writer.write(reply)
        writer.close()

    return send_and_close


@dataclass
class Call:
    """A call that was answered, and whoever observes it."""

    session: dict
    offer: str
    filtered: bool
    observers: list = field(default_factory=list)

    def tell(self, *events):
        """Send events to the observers; None closes their sockets."""
        for observer in self.observers:
            for event in events:
                observer.put_nowait(event if event is None else json.dumps(event))


@dataclass
class Cloud(Server):
    """Azure OpenAI, OpenAI and Microsoft Entra, each by its name; so many of its next secrets have `expired` at once."""

    deployments: set = field(default_factory=lambda: {DEPLOYMENT, "gpt-realtime-1.5"})
    takes_life: bool = True
    expired: int = 0
    secrets: dict = field(default_factory=dict)
    calls: dict = field(default_factory=dict)
    sessions: list = field(default_factory=list)
    names: "Names | None" = None
    attached: asyncio.Event = field(default_factory=asyncio.Event)
    detached: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def minted(self):
        """What each request for a secret said."""
        return [
            json.loads(request.body) for request in self.requests if request.path.endswith("client_secrets")
        ]

    def answer_to(self, request):
        path = urlsplit(request.path).path
        if request.host == LOGIN:
            return http(
                200,
                json.dumps({"token_type": "Bearer", "expires_in": 3599, "access_token": ENTRA_TOKEN}),
                "Content-Type: application/json",
            )
        azure = request.host == RESOURCE
        named = f"apim-request-id: {uuid4()}" if azure else f"x-request-id: req_{secrets.token_hex(16)}"
        step = path.removeprefix("/openai/v1/realtime" if azure else "/v1/realtime")
        if step == path:
            return error(404, "404", "Resource not found", named)
        match step.split("/")[1:]:
            case ["client_secrets"]:
                return self._mint(request, azure, named)
            case ["calls"]:
                return self._call(request, azure, named)
            case ["calls", call_id, "hangup"]:
                return self._hang_up(request, call_id, named)
            case _:
                return error(404, "404", "Resource not found", named)

    async def upgrade(self, request, raw, reader, writer):
        """A session, opened with a short-lived secret; or, of a call, the sideband."""
        query = parse_qs(urlsplit(request.path).query)
        if "call_id" in query:
            await self._sideband(request, raw, reader, writer)
            return
        session = self._opened(request.headers.get("authorization", "").removeprefix("Bearer "))
        if session is None:
            writer.write(error(401, "invalid_api_key", "Incorrect or expired key."))
            await writer.drain()
            return
        self.sessions.append(CloudSession(session, self.deployments))
        await hold(self.sessions[-1], raw, reader, writer)

    def _opened(self, token):
        """The session that a secret is good for now."""
        expires_at, session = self.secrets.get(token, (0, None))
        return session if expires_at > time.time() else None

    async def _sideband(self, request, raw, reader, writer):
        """No greeting, whatever the test tells, until either side closes."""
        call = self.calls.get(parse_qs(urlsplit(request.path).query).get("call_id", [""])[0])
        if not self._is_own(request) or call is None:
            writer.write(error(404, "call_id_not_found", f"No session found for {ENTRA_TOKEN}."))
            await writer.drain()
            return
        protocol = ServerProtocol(logger=SILENT)
        protocol.receive_data(raw)
        [handshake] = protocol.events_received()
        protocol.send_response(protocol.accept(handshake))
        texts = asyncio.Queue()
        call.observers.append(texts)
        self.attached.set()

        def flush():
            writer.write(b"".join(protocol.data_to_send()))

        async def tell():
            while (text := await texts.get()) is not None:
                protocol.send_text(text.encode())
                flush()
            protocol.send_close(1000)
            flush()

        flush()
        telling = asyncio.create_task(tell())
        try:
            while not protocol.close_expected() and (data := await reader.read(65536)):
                protocol.receive_data(data)
                flush()
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
            call.observers.remove(texts)
            self.detached.set()

    def _is_own(self, request):
        """Whether a request carries the resource's own credential."""
        if request.host == RESOURCE:
            return (
                request.headers.get("api-key") == AZURE_KEY
                or request.headers.get("authorization") == f"Bearer {ENTRA_TOKEN}"
            )
        return request.headers.get("authorization") == f"Bearer {OPENAI_KEY}"

    def _mint(self, request, azure, named):
        if not self._is_own(request):
            return error(
                401, "invalid_api_key", f"Incorrect key {AZURE_KEY} {ENTRA_TOKEN} {OPENAI_KEY}.", named
            )
        body = json.loads(request.body)
        session, wish = body["session"], body.get("expires_after")
        if wish is not None and not self.takes_life:
            return error(400, "unknown_parameter", "Unknown parameter: 'expires_after'.", named)
        if wish is not None and not (wish["anchor"] == "created_at" and 10 <= wish["seconds"] <= 7200):
            return error(400, "invalid_value", "Invalid value for 'expires_after.seconds'.", named)
        if session.get("type") != "realtime" or ("tracing" in session and azure):
            return error(400, "invalid_value", "Invalid session.", named)
        if session["model"] not in self.deployments:
            return error(404, "DeploymentNotFound", f"No deployment at {RESOURCE}.", named)
        life = wish["seconds"] if wish else 7200 if azure else 600
        value, expires_at = f"ek_canary_{secrets.token_hex(16)}", int(time.time()) + life
        if self.expired:
            self.expired -= 1
            self.secrets[value] = (0, session)
        else:
            self.secrets[value] = (expires_at, session)
        made = {
            **session,
            "object": "realtime.session",
            "id": f"sess_{secrets.token_hex(8)}",
            "expires_at": 0,
        }
        body = json.dumps({"value": value, "expires_at": expires_at, "session": made})
        return http(200, body, "Content-Type: application/json", named)

    def _call(self, request, azure, named):
        kind = request.headers.get("content-type", "")
        token = request.headers.get("authorization", "").partition(" ")[2]
        session = self._opened(token)
        if session is not None and kind == "application/sdp":
            offer = request.body.decode()
        elif azure:
            return error(401, "401", "This operation requires ephemeral tokens", named)
        elif self._is_own(request) and kind.startswith("multipart/form-data"):
            parts = request.parts()
            assert {name: kind for name, (kind, _) in parts.items()} == {
                "sdp": "application/sdp",
                "session": "application/json",
            }
            offer, session = parts["sdp"][1], json.loads(parts["session"][1])
            if session["model"] not in self.deployments:
                return error(404, "model_not_found", "The model does not exist.", named)
        else:
            return error(401, "invalid_api_key", f"Incorrect API key provided: {token}.", named)
        call_id = f"rtc_{secrets.token_hex(16)}" if azure else f"rtc_u2_{secrets.token_hex(12)}"
        filtered = parse_qs(urlsplit(request.path).query).get("webrtcfilter") == ["on"]
        self.calls[call_id] = Call(session, offer, filtered)
        return answer(
            ANSWER,
            f"/v1/realtime/calls/{call_id}",
            named,
            "Access-Control-Allow-Origin: *",
            "Access-Control-Expose-Headers: Location,X-Request-Id",
            "Timing-Allow-Origin: *",
            "Set-Cookie: __cf_bm=canary; path=/; HttpOnly; Secure",
        )

    def _hang_up(self, request, call_id, named):
        if not self._is_own(request):
            return error(401, "invalid_api_key", f"Incorrect key {AZURE_KEY}.", named)
        call = self.calls.pop(call_id, None)
        if call is None:
            return error(404, "call_id_not_found", "No such call.", named)
        call.tell(None)
        return http(200, "", named)


class Names:
    """Name resolution that knows the stand-in's names alone, and keeps what was asked."""

    def __init__(self, port):
        self.ports = dict.fromkeys((RESOURCE, OPENAI, LOGIN), port)
        self.asked = []
        self._real = socket.getaddrinfo

    def __call__(self, host, port, *args, **kwargs):
        name = host.decode() if isinstance(host, bytes) else host
        self.asked.append(name)
        if name in ("127.0.0.1", "localhost"):
            return self._real(host, port, *args, **kwargs)
        if name not in self.ports:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", self.ports[name]))]

    @property
    def astray(self):
        return set(self.asked) - {*self.ports, "127.0.0.1", "localhost"}


def certificates(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context for those names, and the file with which a client trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "stand-in")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "stand-in.pem", folder / "stand-in.key"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(public, private)
    return tls, public


@asynccontextmanager
async def cloud_at(folder: Path, monkeypatch) -> AsyncIterator[Cloud]:
    """Let the services' names lead to a stand-in that has certificates for them."""
    tls, trusted = certificates(folder, RESOURCE, OPENAI, LOGIN)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with Cloud().listening(tls) as cloud:
        cloud.names = Names(cloud.port)
        monkeypatch.setattr(socket, "getaddrinfo", cloud.names)
        yield cloud


def azure_by_key(upstream: Upstream, key: str = AZURE_KEY, **options) -> AzureProvider:
    options = {"deployment": DEPLOYMENT} | options
    return AzureProvider(ENDPOINT, Key(api_key(Secret(key))), upstream, **options)


def azure_by_entra(upstream: Upstream, **options) -> AzureProvider:
    """The real `azure-identity`, as a service principal; its authority is the stand-in."""

    def credential() -> ClientSecretCredential:
        trusted = os.environ["SSL_CERT_FILE"]
        return ClientSecretCredential(
            "contoso", "client", ENTRA_SECRET, connection_verify=trusted, retry_total=0
        )

    return AzureProvider(ENDPOINT, Entra(make=credential), upstream, **{"deployment": DEPLOYMENT} | options)


def openai(upstream: Upstream, **options) -> OpenAIProvider:
    return OpenAIProvider(Secret(OPENAI_KEY), upstream, **{"model": "gpt-realtime-1.5"} | options)


PROVIDERS = {"azure-key": azure_by_key, "azure-entra": azure_by_entra, "openai": openai}


@asynccontextmanager
async def proxy_to(port: int):
    """An HTTP proxy that tunnels whatever name it is asked for to that port; yields its own port and the names."""
    asked, tasks = [], set()

    async def pipe(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    async def tunnel(reader, writer):
        tasks.add(asyncio.current_task())
        with suppress(asyncio.CancelledError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head.decode().split(" ")[1])
            there, back = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(pipe(reader, back), pipe(there, writer))

    server = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()
        await _ended(tasks)
        await server.wait_closed()
