"""Azure OpenAI as a provider, against a stand-in that keeps its rules, under its own name and real TLS."""

import asyncio
import json
import time

import pytest
from harness.upstream import (
    ANSWER,
    AZURE_KEY,
    DEPLOYMENT,
    ENTRA_TOKEN,
    LOGIN,
    RESOURCE,
    azure_by_entra,
    azure_by_key,
    cloud_at,
    error,
    http,
)

from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers.azure import for_azure
from genmb_voice_widget.service.providers.credential import Entra
from genmb_voice_widget.service.providers.upstream import Upstream

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
SESSION = {"type": "realtime", "instructions": "Be brief.", "audio": {"output": {"voice": "marin"}}}


@pytest.fixture
async def cloud(tmp_path, monkeypatch):
    async with cloud_at(tmp_path, monkeypatch) as cloud:
        yield cloud


@pytest.fixture
async def make(cloud):
    """Make providers that are closed in the end."""
    made = []

    def make(build=azure_by_key, **options):
        made.append(build(Upstream(), **options))
        return made[-1]

    yield make
    for provider in made:
        await provider.close()


BOTH = pytest.mark.parametrize("build", [azure_by_key, azure_by_entra], ids=["key", "entra"])


@BOTH
async def test_an_offer_is_a_secret_made_with_the_credential_and_the_raw_sdp_sent_with_that_secret(
    cloud, make, build
):
    got = await make(build).answer(SESSION, OFFER)

    assert (got.sdp, got.model, got.voice, got.dialect) == (ANSWER, DEPLOYMENT, "marin", "ga")
    assert list(cloud.calls) == [got.call_id]
    mint, offer = [request for request in cloud.requests if request.host == RESOURCE]
    assert (mint.method, mint.path) == ("POST", "/openai/v1/realtime/client_secrets")
    assert json.loads(mint.body)["session"] == SESSION | {"model": DEPLOYMENT}
    assert (offer.method, offer.path, offer.body.decode()) == ("POST", "/openai/v1/realtime/calls", OFFER)
    assert offer.headers["content-type"] == "application/sdp"
    assert offer.headers["authorization"].startswith("Bearer ek_")
    assert "api-key" not in offer.headers
    if build is azure_by_key:
        assert (mint.headers["api-key"], mint.headers.get("authorization")) == (AZURE_KEY, None)
    else:
        assert (mint.headers.get("api-key"), mint.headers["authorization"]) == (None, f"Bearer {ENTRA_TOKEN}")
    assert "openai-beta" not in mint.headers | offer.headers


@BOTH
async def test_a_call_is_hung_up_with_the_resources_own_credential(cloud, make, build):
    provider = make(build)
    got = await provider.answer(SESSION, OFFER)
    await provider.hang_up(got.call_id)
    await provider.hang_up(got.call_id)

    assert cloud.calls == {}
    assert cloud.paths[-2:] == [f"/openai/v1/realtime/calls/{got.call_id}/hangup"] * 2
    assert cloud.requests[-1].body == b""


@BOTH
async def test_a_ticket_has_the_websockets_address_and_a_secret_for_a_minute(cloud, make, build):
    ticket = await make(build).mint(SESSION | {"model": "gpt-realtime-1.5"})

    assert ticket.url == f"wss://{RESOURCE}/openai/v1/realtime?model=gpt-realtime-1.5"
    assert ticket.token.reveal() in cloud.secrets
    assert 50 < ticket.expires_at - time.time() <= 60
    assert (ticket.model, ticket.voice, ticket.dialect) == ("gpt-realtime-1.5", "marin", "ga")


async def test_the_event_filter_is_asked_for_only_when_it_is_wanted(cloud, make):
    plain = await make().answer(SESSION, OFFER)
    filtered = await make(event_filter=True).answer(SESSION, OFFER)

    assert not cloud.calls[plain.call_id].filtered
    assert cloud.calls[filtered.call_id].filtered


async def test_a_service_that_takes_no_expires_after_is_asked_once_more_without_and_then_never_again(
    cloud, make
):
    cloud.takes_life = False
    provider = make()
    await provider.answer(SESSION, OFFER)
    ticket = await provider.mint(SESSION)

    assert ["expires_after" in minted for minted in cloud.minted] == [True, False, False]
    assert 7190 < ticket.expires_at - time.time() <= 7200


async def test_a_session_that_the_service_refuses_anyway_does_not_make_secrets_live_longer_from_then_on(
    cloud, make
):
    cloud.replies["client_secrets"] = error(400, "unknown_parameter", "Unknown: 'session.expires_after'.")
    provider = make()
    with pytest.raises(Refusal) as refusal:
        await provider.mint(SESSION)
    assert refusal.value.code == "provider_refused"
    del cloud.replies["client_secrets"]
    await provider.mint(SESSION)

    assert ["expires_after" in minted for minted in cloud.minted] == [True, False, True]


async def test_what_is_wrong_with_the_life_of_a_secret_alone_is_tried_again(cloud, make):
    cloud.replies["client_secrets"] = error(400, "invalid_value", "Invalid session.")
    with pytest.raises(Refusal):
        await make().mint(SESSION)

    assert len(cloud.minted) == 1


async def test_a_session_that_names_no_deployment_gets_the_endpoints(cloud, make):
    await make().answer(SESSION | {"model": None}, OFFER)

    assert cloud.minted[0]["session"]["model"] == DEPLOYMENT


@pytest.mark.parametrize("session", [SESSION, SESSION | {"model": None}])
async def test_without_any_deployment_the_request_is_refused_before_anything_is_sent(cloud, make, session):
    with pytest.raises(Refusal) as refusal:
        await make(deployment=None).answer(session, OFFER)

    assert (refusal.value.code, cloud.requests) == ("bad_request", [])


async def test_what_azure_refuses_in_a_session_is_left_out(cloud, make):
    heard = {"noise_reduction": None, "transcription": {"model": "t"}}
    session = SESSION | {"tracing": "auto", "audio": {"input": heard, "output": {"voice": "marin"}}}
    await make().answer(session, OFFER)

    [minted] = cloud.minted
    assert minted["session"]["audio"] == {
        "input": {"transcription": {"model": "t"}},
        "output": {"voice": "marin"},
    }
    assert "tracing" not in minted["session"]
    later = (await make().mint(SESSION)).written(session)
    assert (later["audio"], "tracing" in later) == (minted["session"]["audio"], False)
    assert session["tracing"] == "auto"
    assert "noise_reduction" in heard


@pytest.mark.parametrize("session", [{"audio": None}, {"audio": {"input": 1}}, {"audio": {"input": {}}}, {}])
def test_a_session_of_any_shape_passes(session):
    assert for_azure(session) == session


@pytest.mark.parametrize(
    ("options", "asked", "named"),
    [
        ({}, {"language": "de"}, {"language": "de", "model": "gpt-realtime-whisper"}),
        ({"transcription": "my-whisper"}, {}, {"model": "my-whisper"}),
        ({"transcription": "my-whisper"}, {"model": "other"}, {"model": "other"}),
        ({"transcription": "my-whisper"}, None, None),
    ],
    ids=["by default", "the endpoint's", "the session's own", "none"],
)
async def test_transcription_that_is_asked_for_has_a_deployments_name(cloud, make, options, asked, named):
    heard = {"turn_detection": None, "transcription": asked}
    session = SESSION | {"audio": {"input": heard, "output": {"voice": "ash"}}}
    provider = make(**options)
    await provider.answer(session, OFFER)
    ticket = await provider.mint(session)

    for told in (*(minted["session"] for minted in cloud.minted), ticket.written(session)):
        assert told["audio"]["input"] == heard | {"transcription": named}


@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "provider_key_refused"), (403, "provider_region"), (404, "deployment_missing")],
)
@BOTH
async def test_each_of_the_services_usual_refusals_has_its_own_words(cloud, make, build, status, code):
    cloud.replies["client_secrets"] = error(status, "x", f"{RESOURCE} {AZURE_KEY}")
    with pytest.raises(Refusal) as refusal:
        await make(build).answer(SESSION, OFFER)

    said = json.dumps(refusal.value.to_json())
    assert (refusal.value.code, refusal.value.status) == (code, 502)
    assert RESOURCE not in said
    assert AZURE_KEY not in said


async def test_a_wrong_key_is_refused_and_a_wrong_deployment_is_missing(make):
    with pytest.raises(Refusal) as missing:
        await make(deployment=DEPLOYMENT.lower()).answer(SESSION, OFFER)
    with pytest.raises(Refusal) as refused:
        await make(key="another").answer(SESSION, OFFER)

    assert (missing.value.code, refused.value.code) == ("deployment_missing", "provider_key_refused")


async def test_a_secret_that_is_refused_says_nothing_of_the_resources_key_and_nor_does_a_second_one(
    cloud, make
):
    cloud.replies["/calls"] = error(401, "401", "This operation requires ephemeral tokens")
    with pytest.raises(Refusal) as refusal:
        await make().answer(SESSION, OFFER)

    assert refusal.value.code == "provider_refused"
    assert [path.rpartition("/")[2] for path in cloud.paths] == ["client_secrets", "calls"] * 2


async def test_a_secret_that_has_expired_before_it_was_used_is_made_anew_once(cloud, make):
    cloud.expired = 1
    got = await make().answer(SESSION, OFFER)

    assert (list(cloud.calls), len(cloud.minted)) == ([got.call_id], 2)


async def test_how_the_service_names_a_request_is_logged_for_its_support(cloud, make, caplog):
    caplog.set_level("INFO", "genmb_voice_widget")
    provider = make()
    got = await provider.answer(SESSION, OFFER)
    await provider.hang_up(got.call_id)

    lines = [record.getMessage() for record in caplog.records]
    assert [line[: line.index("apim-request-id")] for line in lines] == [
        "client_secrets: HTTP 200, ",
        "calls: HTTP 201, ",
        "hangup: HTTP 200, ",
    ]
    assert all(len(line.rpartition(" ")[2]) == 36 for line in lines)


@pytest.mark.parametrize("name", [f"{AZURE_KEY}", "x\tinjected: line", "a" * 400, ""])
async def test_a_name_of_a_request_that_is_none_is_not_logged(cloud, make, caplog, name):
    caplog.set_level("INFO", "genmb_voice_widget")
    cloud.replies["client_secrets"] = http(403, "", f"apim-request-id: {name}")
    with pytest.raises(Refusal):
        await make().mint(SESSION)

    assert caplog.messages == ["client_secrets: HTTP 403, apim-request-id none"]


async def test_one_token_serves_many_sessions(cloud, make):
    provider = make(azure_by_entra)
    await provider.ready()
    await asyncio.gather(*(provider.answer(SESSION, OFFER) for _ in range(8)))

    tokens = [request for request in cloud.requests if request.host == LOGIN]
    assert len(tokens) == 1
    assert b"scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default" in tokens[0].body
    assert len(cloud.calls) == 8


async def nothing(writer):
    writer.close()


INVALID = json.dumps({"error": "invalid_client", "error_description": "AADSTS7000215 canary"})


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (http(401, INVALID, "Content-Type: application/json"), "provider_key_refused"),
        (http(200, "<html>", "Content-Type: text/html"), "provider_key_refused"),
        (nothing, "provider_unreachable"),
    ],
    ids=["refused", "garbage", "nothing"],
)
async def test_an_identity_that_gets_no_token_is_refused_and_asks_the_service_nothing(
    cloud, make, reply, code
):
    cloud.replies["/token"] = reply
    provider = make(azure_by_entra)
    for step in (provider.ready, lambda: provider.answer(SESSION, OFFER), lambda: provider.hang_up("rtc_1")):
        with pytest.raises(Refusal) as refusal:
            await asyncio.wait_for(step(), 10)
        assert refusal.value.code == code
        assert "AADSTS" not in json.dumps(refusal.value.to_json())

    assert {request.host for request in cloud.requests} == {LOGIN}


@pytest.mark.parametrize(
    "scope", ["", "https://cognitiveservices.azure.com", "http://x/.default", "x y/.default"]
)
def test_a_scope_that_is_none_is_refused_at_the_start(scope):
    with pytest.raises(ValueError, match=r"looks like https://"):
        Entra(scope)


def test_without_azure_identity_the_start_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(ValueError, match=r"pip install 'genmb-voice-widget\[azure\]'"):
        Entra()
