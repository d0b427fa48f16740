"""The services of a notebook's own endpoint: set up from the environment when a session of theirs starts, not before."""

import asyncio
import os
from itertools import pairwise

import httpx
import pytest
from azure.identity.aio import ClientSecretCredential
from harness.upstream import (
    AZURE_KEY,
    DEPLOYMENT,
    ENDPOINT,
    ENTRA_SECRET,
    ENTRA_TOKEN,
    LOGIN,
    OPENAI_KEY,
    cloud_at,
)

from genmb_voice_widget.client import TokenClient
from genmb_voice_widget.service.app import in_process
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.settings.notebook import notebook_providers

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
SESSION = {"type": "realtime"}
AZURE = {
    "AZURE_OPENAI_ENDPOINT": ENDPOINT,
    "AZURE_OPENAI_API_KEY": AZURE_KEY,
    "AZURE_OPENAI_DEPLOYMENT": DEPLOYMENT,
}
VOICE_LIVE = {
    "AZURE_VOICELIVE_ENDPOINT": "https://canary.services.ai.azure.com",
    "AZURE_VOICELIVE_API_KEY": "canary-key",
}


@pytest.fixture
async def cloud(tmp_path, monkeypatch):
    async with cloud_at(tmp_path, monkeypatch) as cloud:
        yield cloud


@pytest.fixture
async def make(cloud):
    """Make the providers of an environment; they are closed in the end."""
    made = []

    def make(environ):
        made.extend((providers := notebook_providers(environ)).values())
        return providers

    yield make
    for each in made:
        await each.close()


async def refused(provider):
    with pytest.raises(Refusal) as refusal:
        await asyncio.wait_for(provider.mint(SESSION), 10)
    return refusal.value


@pytest.mark.parametrize(
    ("kind", "environ", "said"),
    [
        ("azure", {}, "Set AZURE_OPENAI_ENDPOINT to the resource's address"),
        ("azure", AZURE | {"AZURE_OPENAI_ENDPOINT": " "}, "Set AZURE_OPENAI_ENDPOINT to the resource's address"),
        ("azure", AZURE | {"AZURE_OPENAI_ENDPOINT": "https://canary.example"}, "Read were AZURE_OPENAI_ENDPOINT, "),
        ("azure", AZURE | {"AZURE_OPENAI_API_KEY": "canary canary"}, "AZURE_OPENAI_API_KEY must be a key"),
        ("azure", AZURE | {"AZURE_OPENAI_DEPLOYMENT": "canary canary"}, "The name of a model or a deployment has no"),
        ("azure", AZURE | {"AZURE_OPENAI_DEPLOYMENT": ""}, "Set AZURE_OPENAI_DEPLOYMENT to the name of"),
        ("azure", AZURE | {"AZURE_OPENAI_TRANSCRIPTION_DEPLOYMENT": "a canary"}, "AZURE_OPENAI_TRANSCRIPTION_DEPLOYMENT."),
        ("voice-live", {}, "Set AZURE_VOICELIVE_ENDPOINT to the resource's address"),
        ("voice-live", VOICE_LIVE | {"AZURE_VOICELIVE_ENDPOINT": "https://canary.example"}, "Read were AZURE_VOICELIVE_"),
        ("voice-live", VOICE_LIVE | {"AZURE_VOICELIVE_API_VERSION": "canary"}, "An API version looks like"),
        ("voice-live", VOICE_LIVE | {"AZURE_VOICELIVE_AGENT_NAME": "a"}, "unset AZURE_VOICELIVE_API_KEY"),
        ("openai", {}, "Set OPENAI_API_KEY to an API key of an OpenAI project."),
        ("openai", {"OPENAI_API_KEY": "sk canary"}, "OPENAI_API_KEY must be a key"),
    ],
)  # fmt: skip
async def test_what_is_missing_or_wrong_is_said_by_the_variables_name_and_never_with_its_value(
    cloud, make, kind, environ, said
):
    refusal = await refused(make(environ)[kind])

    assert refusal.code == "provider_not_set_up"
    assert said in refusal.detail
    assert "canary" not in refusal.detail
    assert cloud.requests == []


async def test_a_key_that_may_be_another_servers_is_not_sent_to_openai(cloud, make):
    environ = {"OPENAI_API_KEY": "sk-of-the-proxy", "OPENAI_BASE_URL": "http://localhost:4000/v1"}
    refusal = await refused(make(environ)["openai"])

    assert (refusal.code, cloud.requests) == ("provider_not_set_up", [])
    assert "unset OPENAI_BASE_URL" in refusal.detail


async def test_without_a_key_the_identity_opens_the_resource(cloud, make, monkeypatch):
    def credential():
        trusted = os.environ["SSL_CERT_FILE"]
        return ClientSecretCredential("contoso", "client", ENTRA_SECRET, connection_verify=trusted)

    monkeypatch.setattr("genmb_voice_widget.service.providers.credential._of_the_environment", credential)
    environ = {name: value for name, value in AZURE.items() if name != "AZURE_OPENAI_API_KEY"}
    provider = make(environ)["azure"]
    await provider.mint(SESSION)
    await provider.mint(SESSION)

    assert [request.host == LOGIN for request in cloud.requests] == [True, False, False]
    assert cloud.requests[-1].headers["authorization"] == f"Bearer {ENTRA_TOKEN}"


async def test_without_a_key_and_azure_identity_it_says_what_to_set_or_to_install(cloud, make, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refusal = await refused(make(AZURE | {"AZURE_OPENAI_API_KEY": ""})["azure"])

    assert refusal.code == "provider_not_set_up"
    assert "Set AZURE_OPENAI_API_KEY" in refusal.detail
    assert "pip install 'genmb-voice-widget[azure]'" in refusal.detail


async def test_an_environment_that_changes_between_two_starts_is_seen_and_the_first_call_ends_as_it_began(
    cloud, make
):
    environ = {}
    provider = make(environ)["azure"]
    assert (await refused(provider)).code == "provider_not_set_up"

    environ |= AZURE
    call = await provider.answer(SESSION, OFFER)
    await provider.mint(SESSION)
    assert len(provider._made) == 1

    environ["AZURE_OPENAI_API_KEY"] = "another"
    refusal = await refused(provider)
    assert refusal.code == "provider_key_refused"
    assert refusal.detail.endswith("It was shown the key in AZURE_OPENAI_API_KEY.")

    await provider.hang_up(call.call_id)
    await provider.hang_up(call.call_id)
    assert cloud.requests[-1].headers["api-key"] == AZURE_KEY
    assert (cloud.calls, provider._opened_by) == ({}, {})


async def test_a_proxy_or_certificates_that_are_set_later_are_seen_too(cloud, make):
    environ = {"OPENAI_API_KEY": OPENAI_KEY}
    provider = make(environ)["openai"]
    setups = [provider._read()]
    for change in ({"UNRELATED": "1"}, {"https_proxy": "http://127.0.0.1:9"}, {"SSL_CERT_FILE": "x.pem"}):
        environ |= change
        setups.append(provider._read())

    assert [before == after for before, after in pairwise(setups)] == [
        True,
        False,
        False,
    ]


async def test_what_it_holds_shows_no_value_of_the_environment(cloud, make):
    providers = make(AZURE | {"OPENAI_API_KEY": OPENAI_KEY})
    for kind in ("azure", "openai"):
        await providers[kind].answer(SESSION | {"model": DEPLOYMENT}, OFFER)
        held = providers[kind]
        shown = repr([held, vars(held), held._read(), vars(held._read()), list(held._made)])
        assert not [each for each in (AZURE_KEY, OPENAI_KEY) if each in shown]


async def test_a_call_that_is_not_its_own_is_neither_watched_nor_hung_up(cloud, make):
    provider = make(AZURE)["azure"]
    await provider.hang_up("rtc_1")

    assert not await provider.proven("rtc_1")
    assert cloud.requests == []


async def test_a_page_that_shows_an_agent_readies_its_provider_alone(make_provider):
    providers = {name: make_provider() for name in ("local", "azure")}
    app = in_process(providers)
    await client_of(app).warm("azure")

    assert {name: each.readied for name, each in providers.items()} == {"local": 0, "azure": 1}


def client_of(app):
    return TokenClient(
        lambda: httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://in-process")
    )


async def test_what_is_not_set_up_is_not_waited_for(cloud, make):
    await make({})["azure"].ready()
    await make(AZURE)["azure"].ready()

    assert cloud.requests == []
