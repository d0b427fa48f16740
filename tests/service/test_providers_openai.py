"""OpenAI as a provider, against a stand-in that keeps its rules, under its own name and real TLS."""

import json
import time

import pytest
from harness.upstream import ANSWER, OPENAI, OPENAI_KEY, cloud_at, openai

from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers.upstream import Upstream

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
SESSION = {"type": "realtime", "instructions": "Be brief.", "audio": {"output": {"voice": "cedar"}}}


@pytest.fixture
async def cloud(tmp_path, monkeypatch):
    async with cloud_at(tmp_path, monkeypatch) as cloud:
        yield cloud


@pytest.fixture
async def make(cloud):
    upstream = Upstream()
    yield lambda **options: openai(upstream, **options)
    await upstream.close()


async def test_an_offer_and_its_session_go_out_as_one_form_with_the_key(cloud, make):
    got = await make().answer(SESSION, OFFER)

    assert (got.sdp, got.model, got.voice, got.dialect) == (ANSWER, "gpt-realtime-1.5", "cedar", "ga")
    [request] = cloud.requests
    assert (request.method, request.host, request.path) == ("POST", OPENAI, "/v1/realtime/calls")
    assert request.headers["authorization"] == f"Bearer {OPENAI_KEY}"
    assert request.headers["accept"] == "application/sdp"
    assert request.parts() == {
        "sdp": ("application/sdp", OFFER),
        "session": ("application/json", json.dumps(SESSION | {"model": "gpt-realtime-1.5"})),
    }
    assert cloud.calls[got.call_id].offer == OFFER
    assert not {"openai-beta", "openai-safety-identifier", "api-key"} & set(request.headers)


async def test_a_call_is_hung_up_with_the_key(cloud, make):
    provider = make()
    got = await provider.answer(SESSION, OFFER)
    await provider.hang_up(got.call_id)
    await provider.hang_up(got.call_id)

    assert cloud.calls == {}
    assert cloud.paths[1:] == [f"/v1/realtime/calls/{got.call_id}/hangup"] * 2


async def test_a_ticket_has_the_websockets_address_and_a_secret_for_a_minute(cloud, make):
    ticket = await make().mint(SESSION)

    assert ticket.url == "wss://api.openai.com/v1/realtime?model=gpt-realtime-1.5"
    assert ticket.token.reveal() in cloud.secrets
    assert cloud.minted[0]["expires_after"] == {"anchor": "created_at", "seconds": 60}
    assert 50 < ticket.expires_at - time.time() <= 60


async def test_a_session_may_name_a_model_of_its_own_and_must_where_the_endpoint_has_none(cloud, make):
    cloud.deployments.add("gpt-realtime-2.1-mini")
    assert (await make().answer(SESSION | {"model": "gpt-realtime-2.1-mini"}, OFFER)).model.endswith("mini")
    with pytest.raises(Refusal) as refusal:
        await make(model=None).answer(SESSION, OFFER)

    assert (refusal.value.code, len(cloud.requests)) == ("bad_request", 1)


async def test_transcription_that_is_asked_for_without_a_model_gets_one(cloud, make):
    session = SESSION | {"audio": {"input": {"transcription": {"language": "de"}}}}
    ticket = await make().mint(session)

    for told in (cloud.minted[0]["session"], ticket.written(session)):
        assert told["audio"]["input"] == {
            "transcription": {"language": "de", "model": "gpt-realtime-whisper"}
        }


async def test_a_model_that_does_not_exist_is_missing(make):
    with pytest.raises(Refusal) as refusal:
        await make(model="gpt-realtime-0").answer(SESSION, OFFER)

    assert refusal.value.code == "deployment_missing"


async def test_the_safety_identifier_goes_with_every_session(cloud, make):
    provider = make(safety_identifier="a1b2")
    await provider.answer(SESSION, OFFER)
    await provider.mint(SESSION)

    assert [request.headers["openai-safety-identifier"] for request in cloud.requests] == ["a1b2", "a1b2"]


async def test_how_the_service_names_a_request_is_logged_for_its_support(make, caplog):
    caplog.set_level("INFO", "genmb_voice_widget")
    await make().answer(SESSION, OFFER)

    [line] = caplog.messages
    assert line.startswith("calls: HTTP 201, x-request-id req_")
