"""No key, token, secret or address of a service in any log, repr, problem or traceback, whatever happens."""

import asyncio
import json
import pickle
import traceback

import pytest
from harness.upstream import (
    AZURE_KEY,
    DEPLOYMENT,
    ENDPOINT,
    ENTRA_SECRET,
    ENTRA_TOKEN,
    LOGIN,
    OPENAI_KEY,
    PROVIDERS,
    RESOURCE,
    cloud_at,
    cut_off,
    error,
    http,
    proxy_to,
)

from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers.upstream import Upstream
from genmb_voice_widget.service.settings.notebook import notebook_providers

CANARIES = (AZURE_KEY, ENTRA_TOKEN, ENTRA_SECRET, OPENAI_KEY, "ek_canary", RESOURCE)
OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\na=ice-pwd:ice-canary-2b\r\n"
SESSION = {"type": "realtime", "model": "gpt-realtime-1.5", "instructions": "prompt-canary-9c"}
ECHO = f"{AZURE_KEY} {ENTRA_TOKEN} {OPENAI_KEY} {RESOURCE}"


@pytest.fixture
async def cloud(tmp_path, monkeypatch):
    async with cloud_at(tmp_path, monkeypatch) as cloud:
        yield cloud


def not_installed(*_):
    raise ImportError


@pytest.fixture(params=["aiohttp", "httpx"])
async def pool(request, cloud, monkeypatch):
    """Each of the pools; httpx's reaches the stand-in through a proxy, because it minds the port of a name."""
    if request.param == "aiohttp":
        yield
        return
    # aiohttp itself stays: azure-identity needs it.
    monkeypatch.setattr("genmb_voice_widget.service.providers.upstream.ByAiohttp", not_installed)
    async with proxy_to(cloud.port) as (port, _):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", LOGIN)
        yield


ENVIRONMENT = {
    "AZURE_OPENAI_ENDPOINT": ENDPOINT,
    "AZURE_OPENAI_API_KEY": AZURE_KEY,
    "AZURE_OPENAI_DEPLOYMENT": DEPLOYMENT,
    "OPENAI_API_KEY": OPENAI_KEY,
}
EVERY = PROVIDERS | {
    f"{kind}-notebook": lambda _, kind=kind: notebook_providers(ENVIRONMENT)[kind]
    for kind in ("azure", "openai")
}


@pytest.fixture(params=EVERY)
async def provider(request, pool):
    provider = EVERY[request.param](Upstream())
    yield provider
    await provider.close()


def canaries_in(text):
    return [canary for canary in (*CANARIES, "ice-canary", "prompt-canary") if canary in text]


def with_variables(error):
    """A traceback as verbose tools print it: with the variables of each frame of ours, and all that led to it."""
    lines = []
    while error is not None:
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        ours = [frame for frame in told.stack if "genmb_voice_widget/service/providers" in frame.filename]
        # `ek_…`, offers and sessions pass through as arguments; the credentials and the addresses never show.
        lines += [f"{frame.name} {name}={value}" for frame in ours for name, value in frame.locals.items()]
        lines += list(told.format_exception_only())
        error = error.__cause__ or error.__context__
    return "\n".join(lines)


async def everything(provider, cloud):
    """All that a provider does, when it goes well."""
    await provider.ready()
    got = await provider.answer(SESSION, OFFER)
    ticket = await provider.mint(SESSION)
    watching = asyncio.create_task(provider.proven(got.call_id))
    await asyncio.wait_for(cloud.attached.wait(), 20)
    cloud.calls[got.call_id].tell({"type": "input_audio_buffer.speech_started", "x": ECHO})
    assert await watching
    await provider.hang_up(got.call_id)
    return got, ticket


async def test_nothing_is_in_any_log_at_any_level_when_all_goes_well(cloud, provider, caplog):
    caplog.set_level(1)
    await everything(provider, cloud)

    assert caplog.records
    assert canaries_in(caplog.text) == []
    assert canaries_in(" ".join(str(vars(record)) for record in caplog.records)) == []


FAILURES = {
    "401": error(
        401, ECHO, ECHO, f"WWW-Authenticate: {ECHO}", f"apim-request-id: {ECHO}", f"x-request-id: {ECHO}"
    ),
    "403": error(403, ECHO, ECHO),
    "429": error(429, ECHO, ECHO, f"Retry-After: {ECHO}"),
    "500": error(500, ECHO, ECHO),
    "302": error(302, ECHO, ECHO, f"Location: https://{RESOURCE}/{AZURE_KEY}"),
    "garbage": ECHO.encode() + b"\r\n\r\n",
    "not json": http(200, ECHO),
    "odd header": f"HTTP/1.1 200 OK\r\n{ECHO}\r\n\r\n".encode(),
    "odd cookie": http(403, "", f"Set-Cookie: a b={ECHO}; Domain=x y"),
    "cut off": cut_off(b""),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_nothing_is_in_any_log_problem_or_traceback_when_it_fails(cloud, provider, case, caplog):
    caplog.set_level(1)
    await provider.ready()
    got = await provider.answer(SESSION, OFFER)
    cloud.replies |= dict.fromkeys(("/client_secrets", "/calls", "/hangup", "/realtime"), FAILURES[case])
    steps = (
        lambda: provider.answer({"type": "realtime"}, OFFER),
        lambda: provider.mint({"type": "realtime"}),
        lambda: provider.proven(got.call_id),
        lambda: provider.hang_up(got.call_id),
    )
    refusals = []
    for step in steps:
        try:
            await step()
        except Refusal as refusal:
            refusals.append(refusal)

    assert len(refusals) >= 3
    for refusal in refusals:
        said = json.dumps(refusal.to_json()) + str(refusal) + repr(refusal) + str(refusal.headers())
        assert canaries_in(said) == []
        assert [found for found in canaries_in(with_variables(refusal)) if found != "ice-canary"] == []
    assert canaries_in(caplog.text) == []


async def test_a_service_that_is_not_there_is_not_named_either(cloud, provider, caplog, monkeypatch):
    caplog.set_level(1)
    cloud.names.ports.clear()
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(Refusal) as refusal:
        await provider.answer({"type": "realtime"}, OFFER)

    assert refusal.value.code == "provider_unreachable"
    assert canaries_in(json.dumps(refusal.value.to_json()) + caplog.text) == []
    found = canaries_in(with_variables(refusal.value))
    assert [canary for canary in found if canary != "ice-canary"] == []


async def test_what_a_provider_holds_does_not_show_itself(cloud, provider):
    got, ticket = await everything(provider, cloud)
    shown = [provider, vars(provider), vars(provider).values(), got.call_id, ticket.token]
    parts = [vars(part) for part in vars(provider).values() if hasattr(part, "__dict__")]

    found = canaries_in("".join(map(repr, [*shown, *parts])))
    # The name of the resource is its own setting; the credentials are wrapped.
    assert set(found) <= {RESOURCE}
    with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
        pickle.dumps(provider)
