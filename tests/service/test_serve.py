"""The endpoint as a program: the options it takes, what a plain page gets from it, and that it goes when told to."""

import errno
import json
import signal
import socket
import sqlite3
import sys
import threading
import time
from contextlib import ExitStack

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.server import ServerProtocol
from websockets.sync.client import connect

from genmb_voice_widget import cli
from genmb_voice_widget.service import serve
from genmb_voice_widget.service.relay.relay import LARGEST

SERVE = "import sys\nsys.exit(serve.main(sys.argv[1:]))"
BODY = {"session": {"type": "realtime"}, "sdp": "v=0\r\ns=-\r\n"}
GATED = """
import asyncio, secrets, sys
from genmb_voice_widget.service.settings.provider_kinds import Kind
from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.providers import Answer, Ticket
from genmb_voice_widget.service.serve import main

class Gated:
    async def answer(self, session, sdp):
        reader, writer = await asyncio.open_connection("127.0.0.1", {port})
        await reader.read(1)
        writer.close()
        return Answer("ga", "gated", None, "rtc_" + secrets.token_hex(4), "v=0\\r\\n")
    async def mint(self, session):
        return Ticket("ga", "gated", None, "ws://127.0.0.1:{port}/v1/realtime", Secret("ek_gated"), 1e10)
    async def proven(self, call_id): return False
    async def hang_up(self, call_id): ...
    async def ready(self): ...
    async def close(self): ...

sys.exit(main(sys.argv[1:], {{"gated": Kind({{}}, lambda options, upstream: Gated())}}))
"""
"""The endpoint with a provider that answers when the test lets it, and whose sockets are on the same port."""


def test_a_plain_page_gets_the_demonstration_the_script_and_the_routes_from_one_origin(serving):
    with serving() as (url, process), httpx.Client(base_url=url, trust_env=False) as http:
        assert url.startswith("http://127.0.0.1:")
        page = http.get("/")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert '<script src="/sdk.js">' in page.text
        script = http.get("/sdk.js")
        assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        assert "genmb" in script.text
        assert http.get("/healthz").json() == {"status": "ok"}
        refused = http.post(
            "/v1/sessions", json={"provider": "elsewhere", "session": {"type": "realtime"}, "sdp": "v=0"}
        )
        assert "This endpoint has: local" in refused.json()["detail"]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0


def test_the_origins_that_were_named_may_call_and_no_others(serving):
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    named = ["--allow-origin", "https://one.example", "--allow-origin", "http://localhost:3000"]
    with serving(*named) as (url, _), httpx.Client(base_url=url, trust_env=False) as http:
        granted = {
            origin: http.options("/v1/sessions", headers={"Origin": origin} | ask).is_success
            for origin in ("https://one.example", "http://localhost:3000", "https://other.example", url)
        }
    assert granted == {
        "https://one.example": True,
        "http://localhost:3000": True,
        "https://other.example": False,
        url: False,
    }


def test_requests_that_call_it_by_a_name_it_was_not_given_are_refused(serving):
    with serving("--allow-host", "Voice.example") as (url, _), httpx.Client(trust_env=False) as http:
        port = url.rpartition(":")[2]
        expected = ["127.0.0.1", f"localhost:{port}", f"LOCALHOST:{port}", f"[::1]:{port}", "voice.example"]
        for host in expected:
            assert http.get(f"{url}/healthz", headers={"Host": host}).status_code == 200, host
        others = [f"rebound.example:{port}", "localhost.rebound.example", "voice.example.evil", "", ":80"]
        for host in others:
            refused = http.get(f"{url}/healthz", headers={"Host": host})
            assert (refused.status_code, refused.json()["code"]) == (400, "bad_request"), host
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.headers["cache-control"] == "no-store"


def test_the_address_that_it_listens_on_is_a_name_that_it_is_called_by(serving):
    with serving("--host", "127.0.0.2") as (url, _):
        assert httpx.get(f"{url}/healthz", trust_env=False).json() == {"status": "ok"}


@pytest.fixture
def gated(serving):
    """Serve with a provider that the test holds up: `serve(drain_seconds)` and `accept()` the provider's question."""
    gate = socket.create_server(("127.0.0.1", 0))
    gate.settimeout(10)

    def run(*options, seconds):
        code = GATED.format(port=gate.getsockname()[1])
        environ = {"GENMB_VOICE_DRAIN_SECONDS": str(seconds), "GENMB_VOICE_PROVIDERS": "gated"}
        return serving(*options, code=code, environ=environ)

    with gate:
        yield run, lambda: gate.accept()[0]


def until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
    return found


class Asking(threading.Thread):
    """A request under way."""

    def __init__(self, url):
        super().__init__()
        self.url = url
        self.response = self.error = None
        self.start()

    def run(self):
        try:
            self.response = httpx.post(f"{self.url}/v1/sessions", json=BODY, timeout=20, trust_env=False)
        except httpx.HTTPError as error:
            self.error = error


def test_told_to_stop_it_says_so_first_still_serves_who_comes_and_lets_what_is_under_way_end(gated):
    run, accept = gated
    with run(seconds=4) as (url, process), httpx.Client(base_url=url, trust_env=False) as http:
        asking = Asking(url)
        with accept() as held:
            assert http.get("/readyz").status_code == 200
            told = time.monotonic()
            process.send_signal(signal.SIGTERM)
            ready = until(lambda: (found := http.get("/readyz")).status_code == 503 and found)
            assert (ready.json()["code"], ready.headers["retry-after"]) == ("service_unavailable", "1")
            assert http.get("/healthz").status_code == 200
            late = Asking(url)
            accept().close()
            late.join(10)
            assert late.response.status_code == 201
            assert http.post(f"/v1/sessions/{late.response.json()['id']}/ended", json={}).status_code == 200
            held.send(b"x")
        asking.join(10)
        assert asking.response.status_code == 201
        id = asking.response.json()["id"]
        assert http.post(f"/v1/sessions/{id}/connected", json={}).json()["state"] == "captured"
        assert http.post(f"/v1/sessions/{id}/ended", json={}).status_code == 200
        assert process.wait(10) == 0
        assert 1.9 < time.monotonic() - told < 5


def test_what_does_not_end_is_cut_off_and_it_still_goes_in_time_with_a_good_status(gated):
    run, accept = gated
    with run(seconds=4) as (url, process):
        asking = Asking(url)
        with accept():
            told = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
            assert time.monotonic() - told < 5
        asking.join(10)
        assert asking.response.json()["code"] == "service_unavailable"


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_told_twice_it_closes_its_door_at_once(gated, second):
    run, _ = gated
    with run(seconds=60) as (url, process), httpx.Client(base_url=url, trust_env=False) as http:
        process.send_signal(signal.SIGTERM)
        until(lambda: http.get("/readyz").status_code == 503)
        process.send_signal(second)
        assert process.wait(10) == 0


def test_a_page_speaks_uncompressed_and_what_is_larger_than_an_event_may_be_is_not_taken_in(gated):
    run, accept = gated
    with run(seconds=4) as (url, _):
        asked = httpx.post(f"{url}/api/voice-agent", json={"model": "gpt-realtime"}, trust_env=False)
        address = asked.json()["client_secret"]["value"]
        with connect(address, proxy=None, compression="deflate") as page, accept() as service:
            serve_socket(service)
            assert "Sec-WebSocket-Extensions" not in page.response.headers
            page.send("x" * LARGEST)
            assert json.loads(page.recv(10))["error"]["code"] == "invalid_event"
            with pytest.raises(ConnectionClosed) as closed:  # at the last, or while it is still being sent
                page.send(
                    ["€" * (LARGEST // 3), "€"]
                )  # three bytes each: fewer characters, and yet too large
                page.recv(10)
    assert closed.value.rcvd.code == 1009


def serve_socket(connection):
    """Accept what asks there for a WebSocket, and say nothing."""
    protocol = ServerProtocol()
    while not (events := protocol.events_received()):
        protocol.receive_data(connection.recv(65536))
    protocol.send_response(protocol.accept(events[0]))
    for data in protocol.data_to_send():
        connection.sendall(data)


def test_apps_are_entered_asked_for_and_told_apart_across_restarts(gated, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("GENMB_VOICE_DATABASE", str(tmp_path / "voice.db"))
    monkeypatch.setenv("GENMB_VOICE_ACCESS", "apps")
    monkeypatch.setenv("GENMB_VOICE_SIGNING_KEY", "canary-signing-key-0123456789abcdef")
    monkeypatch.setenv("GENMB_VOICE_METRICS_KEY", "canary-metrics")
    assert (
        cli.main(
            ["app", "add", "shop", "--owner", "alice", "--plan", "pro", "--origin", "https://shop.example"]
        )
        == 0
    )
    key = {"Authorization": f"Bearer {capsys.readouterr().out.strip()}"}
    assert cli.main(["app", "credit", "shop", "7"]) == 0
    run, accept = gated
    said = ""
    for number in range(2):
        with (
            run("--host", "127.0.0.1", seconds=4) as (url, process),
            httpx.Client(base_url=url, trust_env=False) as http,
        ):
            assert http.get("/v1/allowance").status_code == 401
            assert http.get("/v1/allowance", headers=key).json()["credits"] == (7, 2)[number]
            if number == 0:
                page = {"Origin": "https://shop.example"}
                asking = threading.Thread(target=lambda: accept().close())
                asking.start()
                started = http.post("/v1/sessions?app=shop", json=BODY, headers=page, timeout=10)
                asking.join(10)
                id = started.json()["id"]
                assert (
                    http.post(f"/v1/sessions/{id}/connected?app=shop", json={}, headers=page).status_code
                    == 200
                )
                token = http.post("/v1/app-tokens", json={"seconds": 60}, headers=key).json()["token"]
                counts = http.get("/metrics", headers={"Authorization": "Bearer canary-metrics"}).text
                assert "genmb_voice_sessions_live 1.0" in counts
            shown = {"Authorization": f"Bearer {token}"}
            assert http.get(f"/v1/sessions/{id}", headers=shown).json()["state"] == "captured"
            refused = http.post("/v1/sessions", json=BODY, headers=key)
            assert (refused.status_code, refused.json()["code"]) == ((402, "credits_exhausted"))
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0
            said += process.stderr.read()
    with sqlite3.connect(tmp_path / "voice.db") as connection:
        noted = connection.execute("SELECT action, outcome, via FROM audit ORDER BY id").fetchall()
    assert noted == [
        ("app_added", "ok", "command"),
        ("grant", "ok", "command"),
        ("other", "unauthorized", None),
        ("open", "ok", "page"),
        ("connected", "ok", "page"),
        ("token", "ok", "key"),
        ("open", "credits_exhausted", "key"),
        ("other", "unauthorized", None),
        ("open", "credits_exhausted", "key"),
    ]
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("voice.db*"))
    for secret in (key["Authorization"].split()[1], token, "canary"):
        assert secret not in said
        assert secret.encode() not in kept


def test_settings_that_cannot_be_are_told_in_sentences_before_anything_is_served(
    tmp_path, capsys, monkeypatch
):
    config = tmp_path / "voice.toml"
    config.write_text('access = "apps"\nredis = "canary:6379"\nport = "canary"\n')
    monkeypatch.setenv("GENMB_VOICE_PROT", "canary")

    assert serve.main(["--config", str(config)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert all(line.startswith("genmb-voice serve: ") and line.endswith((".", "?")) for line in said)
    assert "canary" not in "".join(said)


def test_a_connection_on_which_no_whole_request_comes_is_hung_up_on_and_one_under_way_is_not(serving):
    code = f"from genmb_voice_widget.service import serve\nserve.HEAD_WITHIN = 0.5\n{SERVE}"
    with serving(code=code) as (url, _), ExitStack() as stack:
        port = int(url.rpartition(":")[2])
        host = b"Host: localhost\r\n"
        silent, half, again, body = (
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=8)) for _ in range(4)
        )
        half.sendall(b"POST /v1/sessions HTTP/1.1\r\n" + host)
        again.sendall(b"GET /healthz HTTP/1.1\r\n" + host + b"\r\nGET /healthz HTTP/1.1\r\n")
        body.sendall(b"POST /v1/sessions HTTP/1.1\r\n" + host + b"Content-Length: 2\r\n\r\n{")
        assert silent.recv(1) == half.recv(1) == b""
        assert b"".join(iter(lambda: again.recv(4096), b"")).endswith(b'{"status":"ok"}')
        body.sendall(b"}")
        assert b" 415 " in body.recv(4096)


def test_an_endpoint_that_asks_nobody_is_not_served_to_other_machines(capsys):
    assert serve.main(["--host", "0.0.0.0"]) == 2
    assert 'access = "apps"' in capsys.readouterr().err


def test_a_port_that_is_taken_is_told_in_a_sentence_before_anything_is_begun(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert serve.main(["--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert said == (
        f"genmb-voice serve: Port {port} is taken on 127.0.0.1: "
        "stop what listens there, or choose another --port.\n"
    )


def test_a_family_of_addresses_that_the_machine_has_not_keeps_it_from_none_of_the_others(monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)),
        ]

        class OfOneFamily(socket.socket):
            def __init__(self, family=-1, *args, **options):
                if family == socket.AF_INET6:
                    raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
                super().__init__(family, *args, **options)

        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: found)
        monkeypatch.setattr(socket, "socket", OfOneFamily)
        assert serve.main(["--host", "localhost", "--port", str(port)]) == 1
    assert f"Port {port} is taken on localhost" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--allow-origin", "*"],
        ["--allow-origin", "https://app.example/"],
        ["--allow-origin", "app.example"],
        ["--allow-origin", "https://App.example"],
        ["--provider", "nobody"],
        ["--port", "many"],
        ["--port", "99999"],
        ["--port", "-1"],
        ["--allow-host", "*"],
        ["--allow-host", "app.example:443"],
        ["--allow-host", "https://app.example"],
    ],
)
def test_an_option_that_could_never_work_is_refused_at_once(options, capsys):
    with pytest.raises(SystemExit) as exit:
        serve.main(options)

    assert exit.value.code == 2
    assert options[0] in capsys.readouterr().err


def test_without_a_server_installed_the_program_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(SystemExit, match=r"pip install 'genmb-voice-widget\[service\]'"):
        serve.main([])
