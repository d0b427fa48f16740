"""Which endpoint an agent talks to, and where its app's key goes."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from genmb_voice_widget.endpoint import hidden, token_client
from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.service import Plan, Rate, in_process
from genmb_voice_widget.widget import VoiceAgent

KEY = "gvk_shop_canary-77aa"
ALLOWANCE = {
    "plan": "pro",
    "voice": True,
    "credits": 5,
    "credits_per_session": 5,
    "enough_credits": True,
    "sessions": None,
}


class Server:
    """Listens on this machine, keeps the heads of its requests, and sends whoever asks on where it is told to."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.elsewhere: str | None = None

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        body = json.dumps(ALLOWANCE).encode()
        first = (
            b"307 Temporary Redirect\r\nLocation: %s" % self.elsewhere.encode()
            if self.elsewhere
            else b"200 OK"
        )
        writer.write(
            b"HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (first, len(body), body)
        )
        await writer.drain()
        writer.close()

    async def listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return server


@pytest.fixture
async def servers() -> AsyncIterator[tuple[Server, Server]]:
    """The endpoint, and somebody whom the key is not for."""
    endpoint, other = Server(), Server()
    async with await endpoint.listen(), await other.listen():
        yield endpoint, other


@pytest.mark.parametrize(
    "address",
    [
        *(
            "host",
            "ftp://host",
            "https://me:pw@host",
            "https://host?key=1",
            "http://",
            "https://host#pw@host",
        ),
        *(
            "https://host:99999",
            "https://host:0",
            "http://[::1",
            "http://localhost\\.pw.example",
            "https://a b",
        ),
    ],
)
def test_an_address_that_could_not_show_in_a_log_is_refused_without_repeating_it(address):
    with pytest.raises(VoiceError, match="bad_option") as caught:
        token_client(address)
    assert "pw" not in str(caught.value) and "key=1" not in str(caught.value)


def test_agents_of_one_endpoint_and_key_share_its_client():
    client = token_client("https://voice.example", hidden(KEY))
    assert token_client("https://voice.example/", hidden(KEY)) is client
    assert token_client("https://voice.example", hidden("gvk_another")) is not client
    assert token_client("https://voice.example") is not client


async def test_the_key_is_sent_to_its_endpoint(servers):
    endpoint, _ = servers
    await token_client(endpoint.url, hidden(f" {KEY}\n")).allowance()
    assert f"authorization: bearer {KEY}\r\n" in endpoint.heads[0].lower()


async def test_without_a_key_none_is_sent(servers, monkeypatch):
    monkeypatch.setenv("GENMB_VOICE_KEY", KEY)
    endpoint, _ = servers
    await token_client(endpoint.url).allowance()
    assert "authorization" not in endpoint.heads[0].lower()


async def test_the_key_does_not_follow_a_redirect(servers):
    endpoint, other = servers
    endpoint.elsewhere = f"{other.url}/v1/allowance"
    with pytest.raises(VoiceError, match=r"status 307.*endpoint_unreachable"):
        await token_client(endpoint.url, hidden(KEY)).allowance()
    assert (len(endpoint.heads), other.heads) == (1, [])


async def test_the_key_for_this_machine_passes_no_proxy(servers, monkeypatch):
    endpoint, proxy = servers
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, proxy.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    await token_client(endpoint.url, hidden(KEY)).allowance()
    assert (len(endpoint.heads), proxy.heads) == (1, [])


@pytest.mark.parametrize(
    "address", ["http://voice.example", "http://10.0.0.7:8000", "http://localhost.example"]
)
def test_a_key_is_not_sent_unencrypted_to_another_machine(address):
    with pytest.raises(VoiceError, match=r"Give the endpoint's address as https://.*insecure_endpoint"):
        VoiceAgent(endpoint=address, key=KEY)


@pytest.mark.parametrize("key", ["", "gvk shop", "gvk_\x00", "gvk_ü", 7])
def test_what_is_no_key_is_refused_without_repeating_it(key):
    with pytest.raises(VoiceError, match="key must be an app's key") as caught:
        token_client("https://voice.example", hidden(key))
    assert "gvk" not in str(caught.value)


@pytest.mark.parametrize("endpoint", [None, in_process()])
def test_a_key_for_an_endpoint_in_this_process_is_refused(endpoint):
    with pytest.raises(VoiceError, match=r"key is for an endpoint with an address.*bad_option"):
        token_client(endpoint, hidden(KEY))


def test_an_endpoint_that_is_none_is_refused():
    with pytest.raises(VoiceError, match=r"in_process\(\).*bad_option"):
        token_client(8000)


async def test_the_environment_names_the_endpoint_and_its_key(servers, monkeypatch):
    endpoint, other = servers
    monkeypatch.setenv("GENMB_VOICE_ENDPOINT", f"{endpoint.url}/")
    monkeypatch.setenv("GENMB_VOICE_KEY", KEY)
    for address in (None, endpoint.url, other.url):
        await token_client(address).allowance()
    assert [f"bearer {KEY}\r\n" in head.lower() for head in endpoint.heads] == [True, True]
    assert "authorization" not in other.heads[0].lower(), "the key was for the other address"


def test_an_environment_whose_key_would_travel_unencrypted_is_refused(monkeypatch):
    monkeypatch.setenv("GENMB_VOICE_ENDPOINT", "http://voice.example")
    monkeypatch.setenv("GENMB_VOICE_KEY", KEY)
    with pytest.raises(VoiceError, match="insecure_endpoint"):
        token_client(None)


def test_empty_variables_are_none(monkeypatch):
    monkeypatch.setenv("GENMB_VOICE_ENDPOINT", "")
    monkeypatch.setenv("GENMB_VOICE_KEY", "")
    assert not token_client(None).metered


def test_only_the_endpoint_without_a_limit_is_not_asked_unasked_what_is_left():
    desk = in_process(plan=Plan("class", rate=Rate(10)))
    assert [token_client(each).metered for each in (None, desk, "https://voice.example")] == [
        False,
        True,
        True,
    ]
    assert token_client(desk) is token_client(desk)
