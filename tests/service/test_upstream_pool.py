"""The pool of connections to the cloud: one for all, under TLS that is checked, with no memory and no detours."""

import asyncio
import logging
import sys

import httpx
import pytest
from harness.upstream import (
    LOGIN,
    OPENAI,
    PROVIDERS,
    RESOURCE,
    azure_by_key,
    certificates,
    cloud_at,
    openai,
    proxy_to,
)

from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers.upstream import Upstream
from genmb_voice_widget.service.providers.ways import LIMITS

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
SESSION = {"type": "realtime", "model": "gpt-realtime-1.5"}


@pytest.fixture
async def cloud(tmp_path, monkeypatch):
    async with cloud_at(tmp_path, monkeypatch) as cloud:
        yield cloud


@pytest.fixture
async def upstream(cloud):
    upstream = Upstream()
    yield upstream
    await upstream.close()


@pytest.fixture
def without_aiohttp(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiohttp", None)


async def test_providers_share_one_pool_and_a_service_gets_one_connection_for_many_requests(cloud, upstream):
    azure, other = azure_by_key(upstream), openai(upstream)
    for _ in range(5):
        await azure.hang_up((await azure.answer(SESSION, OFFER)).call_id)
        await other.hang_up((await other.answer(SESSION, OFFER)).call_id)

    assert len(cloud.requests) == 25
    assert len(cloud.open_sockets) == 2


async def test_a_pool_that_was_closed_is_opened_again_by_whoever_goes_on(cloud, upstream):
    azure, other = azure_by_key(upstream), openai(upstream)
    await azure.answer(SESSION, OFFER)
    await other.close()
    await azure.answer(SESSION, OFFER)
    await azure.close()
    await azure.close()

    assert len(cloud.calls) == 2


async def test_many_requests_at_once_go_out_at_once(cloud, upstream):
    provider = openai(upstream)
    arrived = 0
    all_there = asyncio.Event()

    async def together(writer):
        nonlocal arrived
        arrived += 1
        if arrived == 40:
            all_there.set()
        await asyncio.wait_for(all_there.wait(), 20)
        request = next(request for request in cloud.requests if request.path.endswith("/calls"))
        writer.write(cloud.answer_to(request))

    cloud.replies["/calls"] = together
    calls = await asyncio.gather(*(provider.answer(SESSION, OFFER) for _ in range(40)))

    assert len({call.call_id for call in calls}) == 40 <= (LIMITS.max_connections or 0)


async def test_no_cookie_of_a_service_is_sent_back_to_it(cloud, upstream):
    for build in (azure_by_key, openai):
        provider = build(upstream)
        await provider.answer(SESSION, OFFER)
        await provider.answer(SESSION, OFFER)

    assert [request for request in cloud.requests if "cookie" in request.headers] == []


@pytest.mark.parametrize("build", PROVIDERS.values(), ids=PROVIDERS)
async def test_a_certificate_that_nobody_vouches_for_ends_the_request_before_anything_is_sent(
    cloud, tmp_path, monkeypatch, build
):
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates(other, RESOURCE, OPENAI, LOGIN)[1]))
    provider = build(Upstream())
    for step in (provider.answer(SESSION, OFFER), provider.proven("rtc_1"), provider.hang_up("rtc_1")):
        with pytest.raises(Refusal) as refusal:
            await step
        assert refusal.value.code == "provider_unreachable"
    await provider.close()

    assert cloud.requests == []


async def test_a_certificate_for_another_name_is_none(cloud, upstream, tmp_path, monkeypatch):
    cloud.names.ports = {"another.openai.azure.com": cloud.port}
    monkeypatch.setattr("harness.upstream.ENDPOINT", "https://another.openai.azure.com")
    with pytest.raises(Refusal) as refusal:
        await azure_by_key(upstream).answer(SESSION, OFFER)

    assert refusal.value.code == "provider_unreachable"
    assert cloud.requests == []


async def test_the_environments_proxy_is_used_and_sees_names_alone(cloud, monkeypatch):
    async with proxy_to(cloud.port) as (port, asked):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        cloud.names.ports.clear()
        provider = azure_by_key(Upstream())
        got = await provider.answer(SESSION, OFFER)
        watching = asyncio.create_task(provider.proven(got.call_id))
        await asyncio.wait_for(cloud.attached.wait(), 20)
        cloud.calls[got.call_id].tell({"type": "input_audio_buffer.speech_started"})
        assert await watching
        await provider.close()

    assert set(asked) == {f"{RESOURCE}:443"}


async def test_a_service_that_the_environment_excepts_from_its_proxy_is_reached_straight(cloud, monkeypatch):
    async with proxy_to(cloud.port) as (port, asked):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", ".openai.azure.com")
        upstream = Upstream()
        await azure_by_key(upstream).answer(SESSION, OFFER)
        await openai(upstream).answer(SESSION, OFFER)
        await upstream.close()

    assert asked == [f"{OPENAI}:443"]


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1080", "http://", "ftp://user:canary@p.example"])
def test_a_proxy_that_cannot_be_used_is_refused_at_the_start_and_not_repeated(monkeypatch, proxy):
    monkeypatch.setenv("HTTPS_PROXY", proxy)

    with pytest.raises(ValueError, match=r"as http://proxy\.example:3128") as refusal:
        Upstream()
    assert "canary" not in str(refusal.value)


async def test_a_proxy_may_be_given_without_its_scheme(cloud, monkeypatch):
    async with proxy_to(cloud.port) as (port, asked):
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{port}")
        upstream = Upstream()
        await openai(upstream).answer(SESSION, OFFER)
        await upstream.close()

    assert asked == [f"{OPENAI}:443"]


async def test_no_credential_comes_from_a_netrc(cloud, upstream, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password netrc-canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    await azure_by_key(upstream).answer(SESSION, OFFER)

    assert not cloud.requests[0].headers.get("authorization")
    assert cloud.requests[1].headers["authorization"].startswith("Bearer ek_")


async def test_without_aiohttp_the_pool_is_httpxs(cloud, without_aiohttp, monkeypatch):
    async with proxy_to(cloud.port) as (port, asked):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        provider = azure_by_key(Upstream())
        got = await provider.answer(SESSION, OFFER)
        await provider.hang_up(got.call_id)
        await provider.close()

    assert [path.rpartition("/")[2] for path in cloud.paths] == ["client_secrets", "calls", "hangup"]
    assert asked == [f"{RESOURCE}:443"]


async def test_other_peoples_requests_are_logged_as_ever(cloud, upstream, without_aiohttp, caplog):
    caplog.set_level(logging.DEBUG, "httpcore")
    with pytest.raises(Refusal):
        await azure_by_key(upstream).mint(SESSION)
    assert caplog.records == []
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:9/")

    assert "connect_tcp.started" in caplog.text
