"""No setting, no page and no service can make the endpoint send its credential, or anything, to another place."""

import json
from urllib.parse import urlsplit

import pytest
from harness.upstream import (
    AZURE_KEY,
    DEPLOYMENT,
    ENDPOINT,
    LOGIN,
    OPENAI,
    PROVIDERS,
    RESOURCE,
    answer,
    cloud_at,
    error,
    http,
)
from hypothesis import given
from hypothesis.strategies import sampled_from, text

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers.azure import AzureProvider
from genmb_voice_widget.service.providers.azure_endpoint import SUFFIXES, azure_host
from genmb_voice_widget.service.providers.credential import Key, api_key
from genmb_voice_widget.service.providers.openai import OpenAIProvider
from genmb_voice_widget.service.providers.upstream import Upstream
from genmb_voice_widget.service.settings.values import key as read_key

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
SESSION = {"type": "realtime", "model": DEPLOYMENT}
AZURE = ["azure-key", "azure-entra"]


@pytest.fixture
async def cloud(tmp_path, monkeypatch):
    async with cloud_at(tmp_path, monkeypatch) as cloud:
        yield cloud
        assert cloud.names.astray == set()
        assert {request.host for request in cloud.requests} <= {RESOURCE, OPENAI, LOGIN}


@pytest.fixture(params=PROVIDERS)
async def provider(request, cloud):
    provider = PROVIDERS[request.param](Upstream(), event_filter=True) if request.param in AZURE else None
    provider = provider or PROVIDERS[request.param](Upstream(), model=DEPLOYMENT)
    yield provider
    await provider.close()


ENDPOINTS = [
    "",
    "my-resource",
    "my-resource.openai.azure.com",
    "http://my-resource.openai.azure.com",
    "ftp://my-resource.openai.azure.com",
    "https:my-resource.openai.azure.com",
    "https:///my-resource.openai.azure.com",
    "//my-resource.openai.azure.com",
    "https://openai.azure.com",
    "https://.openai.azure.com",
    "https://a.b.openai.azure.com",
    "https://-a.openai.azure.com",
    "https://a-.openai.azure.com",
    f"https://{'a' * 64}.openai.azure.com",
    "https://a_b.openai.azure.com",
    "https://a.openai.azure.com.",
    "https://a.openai.azure.com.evil.example",
    "https://a.openai.azure.comevil.example",
    "https://evil.example/a.openai.azure.com",
    "https://evil.example/.openai.azure.com",
    "https://evil.example#.openai.azure.com",
    "https://evil.example?.openai.azure.com",
    "https://evil.example\\.openai.azure.com",
    "https://evil.example%2f.openai.azure.com",
    "https://evil.example\\@a.openai.azure.com",
    "https://a.openai.azure.com@evil.example",
    "https://a.openai.azure.com:443",
    "https://a.openai.azure.com:8443",
    "https://a.openai.azure.com:@evil.example",
    "https://user@a.openai.azure.com",
    "https://user:password@a.openai.azure.com",
    "https://a.openai.azure.com/openai/v1",
    "https://a.openai.azure.com//",
    "https://a.openai.azure.com/..",
    "https://a.openai.azure.com?x=1",
    "https://a.openai.azure.com/#x",
    "https://a.openai.azure.com;x",
    "https://a.openai.azure.com\n",
    "https://a.openai.azure.com\r\nHost: evil.example",
    " https://a.openai.azure.com",
    "https://a.openai.azure.com\t",
    "https://a\x00.openai.azure.com",
    "https://a.opena\u0131.azure.com",
    "https://\u212a.openai.azure.com",
    "https://ａ.openai.azure.com",
    "https://a。openai。azure。com",
    "https://xn--a.evil.openai.azure.com",
    "https://127.0.0.1",
    "https://[::1]",
    "https://[::ffff:169.254.169.254]",
    "https://169.254.169.254",
    "https://2852039166",
    "https://0x7f.1",
    "https://localhost",
    "https://metadata.google.internal",
    "https://api.openai.com",
    "https://a.azure.com",
    "https://a.openai.azure.net",
    "https://a.blob.core.windows.net",
    "https://a.cloudapp.azure.com",
    "file:///etc/passwd",
]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_address_that_is_no_azure_resources_is_refused_at_the_start_and_not_repeated(endpoint):
    with pytest.raises(ValueError, match=r"as https://NAME\.openai\.azure\.com") as refusal:
        AzureProvider(endpoint, Key(api_key(Secret(AZURE_KEY))), Upstream())
    assert not endpoint or endpoint not in str(refusal.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("form", ["https://my-res1.{}", "https://my-res1.{}/", "HTTPS://My-Res1.{}"])
def test_the_addresses_that_the_portal_shows_are_taken(suffix, form):
    assert azure_host(form.format(suffix)) == f"my-res1.{suffix}"


@given(text(max_size=40), sampled_from(SUFFIXES), text(max_size=40))
def test_whatever_is_taken_for_a_resources_address_is_one(before, suffix, after):
    endpoint = f"https://{before}.{suffix}{after}"
    try:
        host = azure_host(endpoint)
    except ValueError:
        return
    parts = urlsplit(endpoint)
    assert (parts.scheme, parts.hostname, parts.port, parts.username) == ("https", host, None, None)
    assert host.removesuffix(f".{suffix}").replace("-", "").isalnum()
    assert (parts.path, parts.query, parts.fragment) in (("", "", ""), ("/", "", ""))


@pytest.mark.parametrize("name", ["", "a b", "a\n", "\u212a", "x" * 129])
def test_a_model_of_the_settings_that_is_no_name_is_refused_at_the_start(name):
    key = Secret("k")
    with pytest.raises(ValueError, match="no blanks"):
        AzureProvider(ENDPOINT, Key(api_key(key)), Upstream(), deployment=name)
    with pytest.raises(ValueError, match="no blanks"):
        AzureProvider(ENDPOINT, Key(api_key(key)), Upstream(), transcription=name)
    with pytest.raises(ValueError, match="no blanks"):
        OpenAIProvider(key, Upstream(), model=name)


MODELS = [
    "",
    " ",
    "a b",
    "a\r\nHost: evil.example",
    "a\x00",
    "\u212a",
    "x" * 129,
    5,
    True,
    ["gpt"],
    {"$ne": None},
]


@pytest.mark.parametrize("model", MODELS)
async def test_a_model_that_is_no_name_is_refused_before_anything_is_sent(cloud, provider, model):
    for step in (
        provider.answer(SESSION | {"model": model}, OFFER),
        provider.mint(SESSION | {"model": model}),
    ):
        with pytest.raises(Refusal) as refusal:
            await step
        assert refusal.value.code == "bad_request"

    assert cloud.requests == []


@pytest.mark.parametrize(
    "model",
    [
        "../../admin",
        "https://evil.example/",
        "@evil.example",
        "x&call_id=rtc_1",
        "x#y",
        "x?y=z",
        "//evil.example",
        "%2e",
    ],
)
async def test_a_model_that_looks_like_an_address_stays_a_name(cloud, provider, model):
    cloud.deployments.add(model)
    ticket = await provider.mint({"type": "realtime", "model": model})
    await provider.answer({"type": "realtime", "model": model}, OFFER)

    address, _, query = ticket.url.partition("?model=")
    assert address in (f"wss://{RESOURCE}/openai/v1/realtime", f"wss://{OPENAI}/v1/realtime")
    assert not set(query) & set("/@&#?")
    assert {path.partition("?")[0].rpartition("/")[2] for path in cloud.paths[-2:]} <= {
        "client_secrets",
        "calls",
    }


CALL_IDS = [
    "",
    "..",
    "../../client_secrets",
    "rtc_1/../../x",
    "rtc_1/accept",
    "rtc_1?x=1",
    "rtc_1#x",
    "rtc_1%2f..",
    "rtc_1\r\nHost: evil.example",
    "@evil.example",
    "//evil.example/x",
    "https://evil.example/rtc_1",
    "rtc 1",
    "rtc_\u0661",
    "a" * 129,
]


@pytest.mark.parametrize("call_id", CALL_IDS)
async def test_a_calls_id_that_is_none_is_sent_nowhere(cloud, provider, call_id):
    with pytest.raises(Refusal):
        await provider.hang_up(call_id)
    assert not await provider.proven(call_id)

    assert [path for path in cloud.paths if "realtime" in path] == []


LOCATIONS = [
    "",
    "/",
    "/v1/realtime/calls",
    "/v1/realtime/calls/",
    "/v1/realtime/calls/..",
    "/v1/realtime/calls/%2e%2e",
    "/v1/realtime/calls/rtc_1%2f..",
    "/v1/realtime?call_id=",
    "/v1/realtime?call_id=../x",
    "/v1/realtime?call_id=rtc_1&call_id=rtc_2",
    "/v1/realtime?call_id=rtc_1%2f..%2fclient_secrets",
    "/v1/realtime/calls/rtc_1?call_id=a%20b",
    "http://[",
    "/calls/rtc_1, /calls/rtc 2",
    "/calls/" + "a" * 200,
]


@pytest.mark.parametrize("location", LOCATIONS)
async def test_a_location_without_a_calls_id_is_no_answer(cloud, provider, location):
    cloud.replies["/calls"] = answer(location=location)
    with pytest.raises(Refusal) as refusal:
        await provider.answer(SESSION, OFFER)

    assert refusal.value.code == "provider_unreachable"


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/v1/realtime/calls/rtc_1",
        "//evil.example/calls/rtc_1",
        "http://169.254.169.254/latest/rtc_1",
        "https://evil.example/?call_id=rtc_1",
        "rtc_1",
    ],
)
async def test_a_location_elsewhere_only_names_the_call(cloud, provider, location):
    cloud.replies["/calls"] = answer(location=location)
    got = await provider.answer(SESSION, OFFER)
    cloud.replies["/hangup"] = http(200, "")
    await provider.hang_up(got.call_id)

    assert got.call_id == "rtc_1"
    assert cloud.paths[-1].removeprefix("/openai") == "/v1/realtime/calls/rtc_1/hangup"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
@pytest.mark.parametrize("place", ["https://evil.example/{}", "wss://evil.example/{}", "/{}"])
async def test_no_redirect_is_followed(cloud, provider, status, place):
    cloud.replies |= {
        end: error(status, "moved", "moved", f"Location: {place.format('elsewhere/rtc_1')}")
        for end in ("/client_secrets", "/calls", "/hangup", "/realtime")
    }
    for step in (provider.answer(SESSION, OFFER), provider.mint(SESSION), provider.hang_up("rtc_1")):
        with pytest.raises(Refusal) as refusal:
            await step
        assert refusal.value.code == "provider_refused"
    with pytest.raises(Refusal):
        await provider.proven("rtc_1")

    assert [path for path in cloud.paths if "elsewhere" in path] == []
    assert len([path for path in cloud.paths if "realtime" in path]) == 4


@pytest.mark.parametrize("name", ["https://evil.example", "azure\r\n", "../azure", "__class__", "http", ""])
async def test_a_provider_is_one_of_those_that_the_endpoint_has(cloud, make_endpoint, name):
    async with make_endpoint(provider=PROVIDERS["azure-key"](Upstream())) as endpoint:
        response = await endpoint.start(provider=name)

    assert response.json()["code"] == "unknown_provider"
    assert "evil" not in response.text
    assert cloud.requests == []


@pytest.mark.parametrize(
    "member", ["url", "endpoint", "base_url", "provider_url", "resource", "token", "headers"]
)
async def test_a_page_has_no_say_in_where_requests_go(cloud, make_endpoint, member):
    async with make_endpoint(provider=PROVIDERS["azure-key"](Upstream())) as endpoint:
        response = await endpoint.start(**{member: "https://evil.example"})

    assert response.json()["code"] == "bad_request"
    assert cloud.requests == []


@pytest.mark.parametrize(
    "key", ["", " ", "k\n", "k\r\nHost: evil.example", "k k", "k\x00", "kéy", "k" * 9000]
)
def test_a_key_that_would_break_the_request_is_refused_at_the_start_and_not_repeated(key):
    with pytest.raises(ValueError, match="must be a key") as refusal:
        read_key(key)
    assert "Host" not in str(refusal.value)


@pytest.mark.parametrize(
    "token", ["", "ek 1", "ek_1\r\nHost: evil.example", "ek_1\n", "é", "e" * 5000, 5, None]
)
async def test_a_secret_that_would_break_the_next_request_is_no_answer(cloud, provider, token):
    body = json.dumps({"value": token, "expires_at": 9_000_000_000})
    cloud.replies["/client_secrets"] = http(200, body)
    with pytest.raises(Refusal) as refusal:
        await provider.mint(SESSION)

    assert refusal.value.code == "provider_unreachable"


@pytest.mark.parametrize(
    "moment", ["NaN", "Infinity", "-1", "0", "true", "null", '"9e9"', "1e400", "9" * 400]
)
async def test_a_moment_that_is_none_is_no_answer(cloud, provider, moment):
    cloud.replies["/client_secrets"] = http(200, f'{{"value": "ek_1", "expires_at": {moment}}}')
    with pytest.raises(Refusal) as refusal:
        await provider.mint(SESSION)

    assert refusal.value.code == "provider_unreachable"


@pytest.mark.parametrize("identifier", ["", "a b", "a\r\nX: y", "é", "a" * 65])
def test_a_safety_identifier_that_would_break_the_request_is_refused_at_the_start(identifier):
    with pytest.raises(ValueError, match="up to 64 letters"):
        OpenAIProvider(Secret("k"), Upstream(), safety_identifier=identifier)
