"""Servers that speak OpenAI's protocol, each with its own way to take an offer, against stand-ins that take no other."""

import json

import pytest
from harness.lookalikes import Lookalike
from harness.upstream import ANSWER, error, http

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers.compatible import SIGNALING, CompatibleProvider, compatible_base
from genmb_voice_widget.service.providers.upstream import Upstream
from genmb_voice_widget.service.settings.notebook import notebook_providers
from genmb_voice_widget.service.settings.provider_kinds import KINDS

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
TOLD = {"type": "realtime", "instructions": "Be brief.", "audio": {"input": {}}}
SESSION = {"type": "realtime", "instructions": "Be brief.", "audio": {"input": {"transcription": {}}}}
KEY = "key-canary-88d1"


@pytest.fixture(params=[None, KEY], ids=["no key", "key"])
def key(request):
    return request.param


@pytest.fixture
async def server(key):
    async with Lookalike(key=key).listening() as server:
        yield server


@pytest.fixture
async def make(server, key):
    made = []

    def make(signaling="sdp", **options):
        server.signaling = signaling
        shown = None if key is None else Secret(key)
        made.append(CompatibleProvider(server.base, Upstream(), key=shown, signaling=signaling, **options))
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def test_an_offer_goes_out_as_bare_sdp_and_the_caller_tells_the_session(server, make, key):
    got = await make("sdp").answer(SESSION, OFFER)

    assert (got.sdp, got.call_id, got.model, got.update) == (ANSWER, "session_1", None, TOLD)
    [request] = server.requests
    assert (request.path, request.body.decode()) == ("/v1/realtime/calls", OFFER)
    assert request.headers["authorization"] == f"Bearer {key or 'none'}"


async def test_an_offer_goes_out_as_json_with_its_model(server, make):
    got = await make("json", model="my-pipeline").answer(SESSION, OFFER)

    assert (got.sdp, got.call_id, got.model, got.update) == (ANSWER, "sess_1", "my-pipeline", TOLD)
    assert json.loads(server.requests[0].body) == {"sdp": OFFER, "model": "my-pipeline"}


async def test_an_offer_goes_out_with_a_secret_that_brings_the_session(server, make):
    got = await make("secret", transcription="whisper-1").answer(SESSION | {"model": "m"}, OFFER)

    assert (got.sdp, got.call_id, got.model, got.update) == (ANSWER, "rtc_1", "m", None)
    [told] = server.secrets.values()
    assert told == SESSION | {"model": "m", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}


async def test_for_a_secret_that_is_refused_one_other_is_made_and_no_third(server, make):
    server.replies["/calls"] = error(401, "invalid_api_key", "Expired.")
    with pytest.raises(Refusal) as refused:
        await make("secret").answer(SESSION | {"model": "m"}, OFFER)
    assert refused.value.code == "secret_expired"
    assert len(server.secrets) == 2


async def test_a_server_that_takes_no_offers_is_asked_nothing(server, make):
    with pytest.raises(Refusal) as refusal:
        await make("none").answer(SESSION, OFFER)

    assert (refusal.value.code, server.requests) == ("provider_refused", [])
    assert "WebSockets alone" in refusal.value.detail


@pytest.mark.parametrize("signaling", SIGNALING)
async def test_a_socket_opens_with_what_the_server_asks_for_and_its_caller_tells_the_session(
    server, make, key, signaling
):
    ticket = await make(signaling, gives_key=True).mint(SESSION | {"model": "ab&c"})

    assert ticket.url == f"{server.base.replace('http', 'ws')}/realtime?model=ab%26c"
    assert (ticket.token.reveal(), ticket.expires_at) == (key or "none", None)
    assert ticket.update == TOLD
    assert server.requests == []


async def test_transcription_is_asked_for_only_with_a_models_name(make):
    named = {"audio": {"input": {"transcription": {"model": "own"}}}}
    provider = make("none", transcription="whisper-1", gives_key=True)

    assert (await provider.mint(SESSION)).update["audio"]["input"] == {
        "transcription": {"model": "whisper-1"}
    }
    assert (await provider.mint(SESSION | named)).update["audio"] == named["audio"]
    unnamed = {"audio": {"input": {"transcription": {"language": "de"}}}}
    later = [(await one.mint(SESSION)).written(unnamed) for one in (provider, make("none", gives_key=True))]
    assert [told["audio"]["input"] for told in later] == [
        {"transcription": {"language": "de", "model": "whisper-1"}},
        {},
    ]


async def test_a_key_is_given_to_nobody_but_who_owns_it(make, key):
    provider = make("sdp")
    if key is None:
        assert (await provider.mint(SESSION)).url.endswith("/v1/realtime")
        return
    with pytest.raises(Refusal) as refusal:
        await provider.mint(SESSION)
    assert refusal.value.code == "provider_refused"
    assert "gives_key" not in KINDS["openai-compatible"].options, "no setting can change that"


@pytest.mark.parametrize("signaling", ["secret", "json"])
async def test_a_model_must_be_named_where_the_server_wants_one(server, make, signaling):
    with pytest.raises(Refusal) as refusal:
        await make(signaling).answer(SESSION, OFFER)

    assert (refusal.value.code, server.requests) == ("bad_request", [])


@pytest.mark.parametrize("signaling", ["sdp", "json", "secret"])
async def test_a_call_that_the_server_cannot_hang_up_is_no_error_and_none_is_proven(server, make, signaling):
    provider = make(signaling, model="m")
    got = await provider.answer(SESSION, OFFER)
    await provider.hang_up(got.call_id)

    assert server.paths[-1] == f"/v1/realtime/calls/{got.call_id}/hangup"
    assert not await provider.proven(got.call_id)
    assert not got.observable
    with pytest.raises(Refusal, match="provider_refused"):
        provider.observe(got.call_id)


@pytest.mark.parametrize(
    ("took", "takes"), [("secret", "sdp"), ("sdp", "json"), ("json", "sdp"), ("json", "secret")]
)
async def test_an_offer_in_another_way_than_the_servers_is_refused_in_words_of_ours(
    server, make, took, takes
):
    provider = make(took, model="m")
    server.signaling = takes
    with pytest.raises(Refusal) as refusal:
        await provider.answer(SESSION, OFFER)

    assert refusal.value.code in (
        "deployment_missing",
        "provider_refused",
        "provider_unreachable",
        "offer_refused",
    )


@pytest.mark.parametrize(
    "reply",
    [
        http(201, "[]"),
        http(201, json.dumps({"sdp": 7, "session_id": "s"})),
        http(201, json.dumps({"sdp": ANSWER, "session_id": "../x"})),
        http(201, json.dumps({"sdp": "<html>", "session_id": "s"})),
        http(201, json.dumps({"sdp": "v=0\r\n\ud800", "session_id": "s"})),
        http(302, "", "Location: http://127.0.0.1:9/"),
    ],
)
async def test_an_answer_as_json_that_is_none_is_not_passed_on(server, make, reply):
    server.replies["/calls"] = reply
    with pytest.raises(Refusal) as refusal:
        await make("json", model="m").answer(SESSION, OFFER)

    assert refusal.value.code in ("provider_unreachable", "provider_refused")


async def test_the_proxies_of_the_environment_are_not_asked_for_this_machine(server, make, monkeypatch):
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert (await make("sdp").answer(SESSION, OFFER)).sdp == ANSWER


async def test_neither_key_nor_secret_is_in_a_log_or_a_repr(server, make, key, caplog):
    caplog.set_level(1)
    provider = make("secret", model="m", gives_key=True)
    await provider.answer(SESSION, OFFER)
    ticket = await provider.mint(SESSION)
    server.replies["/client_secrets"] = http(401, KEY)
    with pytest.raises(Refusal) as refusal:
        await provider.answer(SESSION, OFFER)

    assert refusal.value.code == "provider_key_refused"
    shown = repr([provider, vars(provider), ticket, refusal.value]) + caplog.text
    assert KEY not in shown and not [each for each in server.secrets if each in shown]


@pytest.mark.parametrize(
    "address",
    [
        "https://models.example/v1",
        "HTTPS://models.example:8443/v1/",
        "http://127.0.0.1:8080/v1",
        "http://localhost",
        "http://[::1]:8080/v1",
    ],
)
def test_addresses_under_tls_and_on_this_machine_are_taken(address):
    assert compatible_base(address) == address.replace("HTTPS", "https").rstrip("/")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "models.example/v1",
        "ws://127.0.0.1:8080/v1",
        "file:///etc/passwd",
        "http://models.example/v1",
        "http://10.0.0.7:8080/v1",
        "http://169.254.169.254/v1",
        "http://0.0.0.0:8080/v1",
        "http://localhost.evil.example/v1",
        "http://127.0.0.1.evil.example/v1",
        "http://127.0.0.1@evil.example/v1",
        "http://evil.example#@127.0.0.1/v1",
        "https://user:canary@models.example/v1",
        "https://models.example/v1?key=canary",
        "https://models.example/v1#canary",
        "https://models.example/v1 ",
        "https://models.example/v1\r\nHost: evil.example",
        "https://models.example\\@evil.example/v1",
        "https://models.example:99999/v1",
        "http://127.0.0.1:8080/v1/realtime",
    ],
)
def test_any_other_address_is_refused_at_the_start_and_not_repeated(address):
    with pytest.raises(ValueError, match="base_url") as refusal:
        CompatibleProvider(address, Upstream())
    assert not address or address not in str(refusal.value)
    assert "canary" not in str(refusal.value)


async def refused_by(provider):
    with pytest.raises(Refusal) as refusal:
        await provider.mint(SESSION)
    return refusal.value


async def test_a_notebook_sends_a_key_to_the_address_beside_it_alone():
    own, usual = "GENMB_VOICE_OPENAI_COMPATIBLE_", "OPENAI_"
    environ = {f"{usual}API_KEY": KEY}
    provider = notebook_providers(environ)["openai-compatible"]
    refusal = await refused_by(provider)
    assert refusal.code == "provider_not_set_up"
    assert "Set OPENAI_BASE_URL" in refusal.detail

    environ[f"{usual}BASE_URL"] = "http://127.0.0.1:1/v1"
    usual_ticket = await provider.mint(SESSION)
    environ[f"{own}BASE_URL"] = "http://127.0.0.1:2/v1"
    own_ticket = await provider.mint(SESSION)
    environ[f"{own}KEY"] = "another"
    keyed_ticket = await provider.mint(SESSION)
    found = [(each.url[:16], each.token.reveal()) for each in (usual_ticket, own_ticket, keyed_ticket)]
    assert found == [("ws://127.0.0.1:1", KEY), ("ws://127.0.0.1:2", "none"), ("ws://127.0.0.1:2", "another")]
    await provider.close()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BASE_URL", "http://models.example/v1", "begins with https://"),
        (
            "SIGNALING",
            "canary",
            "GENMB_VOICE_OPENAI_COMPATIBLE_SIGNALING must be one of secret, sdp, json, none",
        ),
    ],
)
async def test_what_is_wrong_is_said_when_a_session_starts(name, value, said):
    prefix = "GENMB_VOICE_OPENAI_COMPATIBLE_"
    environ = {f"{prefix}BASE_URL": "http://127.0.0.1:1/v1", f"{prefix}{name}": value}
    refusal = await refused_by(notebook_providers(environ)["openai-compatible"])

    assert refusal.code == "provider_not_set_up"
    assert said in refusal.detail
    assert value not in refusal.detail
