"""A session's events from the endpoint: the same in this process as over the network."""

import asyncio
import json
import sys
import threading

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import WebSocketRoute
from websockets.asyncio.server import serve

from genmb_voice_widget.asgi_socket import WAITING
from genmb_voice_widget.endpoint import token_client
from genmb_voice_widget.errors import Refused, VoiceError
from genmb_voice_widget.secret import Secret

KEY = "gvk_canary_4410"


class App:
    """An endpoint that has only the socket; a session's name says what it does."""

    def __init__(self):
        self.seen, self.sent, self.gone = [], 0, threading.Event()
        self.asgi = Starlette(routes=[WebSocketRoute("/v1/sessions/{session}/events", self.serve)])

    async def serve(self, socket):
        self.seen.append(socket.headers.get("authorization"))
        match socket.path_params["session"]:
            case "denied":
                problem = {"code": "session_not_found", "detail": "No session has this id."}
                return await socket.send_denial_response(JSONResponse(problem, 404))
            case "closed at once":
                return await socket.close(1008)
            case "broken":
                raise RuntimeError
        await socket.accept()
        try:
            match socket.path_params["session"]:
                case "echo":
                    await socket.send_text("no event")
                    await socket.send_text(await socket.receive_text())
                    await socket.close(1000)
                case "flood":
                    while True:
                        await socket.send_text(json.dumps({"type": "x", "number": self.sent}))
                        self.sent += 1
                        await asyncio.sleep(0)
                case "silent":
                    await socket.receive()
                case code:
                    await socket.close(int(code))
        finally:
            self.gone.set()


@pytest.fixture
def app():
    return App()


@pytest.fixture(params=["here", "there"])
def client(request, app):
    if request.param == "here":
        yield token_client(app.asgi)
        return
    server, started = (
        uvicorn.Server(uvicorn.Config(app.asgi, port=0, log_config=None)),
        threading.Event(),
    )
    thread = threading.Thread(target=lambda: asyncio.run(_serve(server, started)))
    thread.start()
    assert started.wait(10)
    yield token_client(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    server.should_exit = server.force_exit = True
    thread.join(10)


async def _serve(server, started):
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    started.set()
    await serving


async def test_events_come_and_go_and_the_end_is_the_sessions(client):
    async with client.observe("echo") as socket:
        await socket.send({"type": "response.cancel"})
        assert [event async for event in socket] == [{"type": "response.cancel"}]


@pytest.mark.parametrize(("code", "lost"), [(1000, False), (4001, False), (1001, True), (1011, True)])
async def test_a_socket_that_may_be_opened_again_is_told_apart_from_one_that_is_over(client, code, lost):
    async with client.observe(str(code)) as socket:
        with pytest.raises(VoiceError if lost else StopAsyncIteration) as caught:
            await anext(socket)
    assert not lost or caught.value.code == "connection_lost"


async def test_a_refused_handshake_has_the_endpoints_code(client):
    with pytest.raises(Refused) as caught:
        async with client.observe("denied"):
            pass
    assert (caught.value.code, caught.value.detail) == ("session_not_found", "No session has this id.")


@pytest.mark.parametrize("session", ["closed at once", "broken", "a/../b"])
async def test_a_socket_that_is_not_opened_for_no_said_reason_is_an_endpoint_that_cannot_be_reached(
    client, session
):
    with pytest.raises(VoiceError, match="endpoint_unreachable"):
        async with client.observe(session):
            pass


async def test_leaving_lets_the_endpoint_go(client, app):
    async with client.observe("silent"):
        pass
    assert await asyncio.to_thread(app.gone.wait, 5)


async def test_an_endpoint_in_this_process_is_not_far_ahead_of_who_listens(app):
    async with token_client(app.asgi).observe("flood") as socket:
        await anext(socket)
        for _ in range(10 * WAITING):
            await asyncio.sleep(0)
        assert app.sent <= WAITING + 2
    assert app.gone.is_set()


async def test_the_key_goes_to_its_endpoint_and_follows_no_redirect(app):
    other, asked = [], []

    async def stranger(connection, request):
        other.append(request.headers.get("authorization"))
        return connection.respond(403, "")

    async def redirect(connection, request):
        asked.append(request.headers.get("authorization"))
        response = connection.respond(307, "")
        response.headers["Location"] = f"ws://127.0.0.1:{there.sockets[0].getsockname()[1]}/"
        return response

    async with (
        serve(None, "127.0.0.1", 0, process_request=stranger) as there,
        serve(None, "127.0.0.1", 0, process_request=redirect) as here,
    ):
        client = token_client(f"http://127.0.0.1:{here.sockets[0].getsockname()[1]}", Secret(KEY))
        with pytest.raises(VoiceError, match="endpoint_unreachable") as caught:
            async with client.observe("any"):
                pass
    assert (asked, other) == ([f"Bearer {KEY}"], [])
    assert KEY not in repr(caught.value.__context__)


async def test_without_the_package_for_sockets_a_served_endpoint_has_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "websockets.asyncio.client", None)
    with pytest.raises(VoiceError, match="peer_not_installed"):
        async with token_client("http://127.0.0.1:9").observe("any"):
            pass
