"""The cloud's services when they refuse, break or stall: the right code, nothing held, nothing quoted, nothing hung."""

import asyncio
import gzip
import json
import time

import pytest
from harness.upstream import (
    AZURE_KEY,
    ENTRA_TOKEN,
    OPENAI_KEY,
    PROVIDERS,
    RESOURCE,
    answer,
    cloud_at,
    cut_off,
    drip,
    error,
    http,
    never,
)

from genmb_voice_widget.service.providers.upstream import Upstream
from genmb_voice_widget.service.settings import Timing

LEAK = "upstream-text-canary-3c8e"
SECRETS = (LEAK, AZURE_KEY, ENTRA_TOKEN, OPENAI_KEY, RESOURCE, "ek_canary")
WAYS = {"relay": {}, "token": {"sdp": None, "transport": "websocket"}}


@pytest.fixture
async def cloud(tmp_path, monkeypatch):
    async with cloud_at(tmp_path, monkeypatch) as cloud:
        cloud.deployments.add("a-model")
        yield cloud


@pytest.fixture(params=PROVIDERS)
async def provider(request, cloud):
    return PROVIDERS[request.param](Upstream())


@pytest.fixture(params=WAYS)
def body(request):
    return WAYS[request.param]


def refusal(status, *headers):
    said = f"{LEAK} {AZURE_KEY} {ENTRA_TOKEN} {OPENAI_KEY} at {RESOURCE}"
    return error(status, LEAK, said, f"X-Echo: {said}", *headers)


async def assert_nothing_is_held(endpoint):
    assert (await endpoint.ledger.balance("owner")).available == 100
    assert [entry.kind for entry in endpoint.ledger.entries] == ["reserve", "release"]


def assert_nothing_is_told(response):
    said = response.text + str(response.headers)
    assert [secret for secret in SECRETS if secret in said] == []


CHUNK = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
ANSWERS = {
    "400": (refusal(400), "provider_refused"),
    "401": (refusal(401), "provider_key_refused"),
    "403": (refusal(403), "provider_region"),
    "404": (refusal(404), "deployment_missing"),
    "409": (refusal(409), "provider_refused"),
    "301": (refusal(301, "Location: https://elsewhere.example/v1/realtime/calls/rtc_1"), "provider_refused"),
    "307": (refusal(307, "Location: /v1/realtime/calls/rtc_1"), "provider_refused"),
    "429": (refusal(429, "Retry-After: 17"), "provider_busy"),
    "500": (refusal(500), "provider_unreachable"),
    "503": (refusal(503, "Retry-After: 17"), "service_unavailable"),
    "html": (http(200, f"<html>{LEAK}</html>", "Content-Type: text/html"), "provider_unreachable"),
    "nothing": (http(200, ""), "provider_unreachable"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", "provider_unreachable"),
    "no status": (LEAK.encode() + b"\r\n\r\n", "provider_unreachable"),
    "deep": (http(200, "[" * 100_000), "provider_unreachable"),
    "1 MB": (
        http(201, "v=0\r\n" + LEAK * 40_000, "Location: /v1/realtime/calls/rtc_1"),
        "provider_unreachable",
    ),
    "1 MB in chunks": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNK * 40,
        "provider_unreachable",
    ),
    "gzip": (
        http(
            200,
            gzip.compress(json.dumps({"value": "ek_1", "expires_at": 9e9}).encode()),
            "Content-Encoding: gzip",
        ),
        "provider_unreachable",
    ),
    "truncated": (
        cut_off(b"HTTP/1.1 201 Created\r\nContent-Length: 900\r\nLocation: /calls/rtc_1\r\n\r\nv=0\r\n"),
        "provider_unreachable",
    ),
    "closed": (cut_off(b""), "provider_unreachable"),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_whatever_a_service_answers_becomes_a_problem_with_words_of_ours(
    cloud, provider, make_endpoint, body, case, caplog
):
    caplog.set_level("DEBUG")
    reply, code = ANSWERS[case]
    cloud.replies |= {"/calls": reply, "/client_secrets": reply}
    async with make_endpoint(granted=100, timing=Timing(open_within=5), provider=provider) as endpoint:
        response = await asyncio.wait_for(endpoint.start(**body), 6)

        assert response.json()["code"] == code
        busy = code in ("provider_busy", "service_unavailable")
        assert response.status_code == (503 if busy else 502)
        assert response.json().get("retry_after") == (17 if busy else None)
        assert_nothing_is_told(response)
        await assert_nothing_is_held(endpoint)
    assert [secret for secret in SECRETS if secret in caplog.text] == []
    assert cloud.names.astray == set()


OFFERS = {
    "401": (refusal(401), "provider_refused"),
    "403": (refusal(403), "provider_region"),
    "404": (refusal(404), "deployment_missing"),
    "429": (refusal(429, "Retry-After: 17"), "provider_busy"),
    "no sdp": (answer(LEAK), "provider_unreachable"),
    "sdp and more": (answer(f"v=0 {LEAK}"), "provider_unreachable"),
    "no location": (http(201, "v=0\r\n"), "provider_unreachable"),
    "two locations": (answer("v=0\r\n", "/calls/rtc_1", "Location: /calls/rtc_2"), "provider_unreachable"),
    "not utf-8": (answer(b"v=0\r\n\xff\xfe"), "provider_unreachable"),
}


@pytest.mark.parametrize("case", OFFERS)
async def test_an_offer_that_is_refused_after_the_secret_was_made_leaves_nothing_either(
    cloud, make_endpoint, case
):
    reply, code = OFFERS[case]
    cloud.replies["/calls"] = reply
    provider = PROVIDERS["azure-key"](Upstream())
    async with make_endpoint(granted=100, timing=Timing(open_within=5), provider=provider) as endpoint:
        response = await endpoint.start()

        assert response.json()["code"] == code
        assert_nothing_is_told(response)
        await assert_nothing_is_held(endpoint)


@pytest.mark.parametrize(
    "fault",
    [
        {"code": "invalid_offer", "param": None},
        {"code": "missing_required_parameter", "param": "sdp"},
        {"code": "invalid_value", "param": "sdp"},
    ],
)
async def test_an_offer_that_cannot_be_answered_is_the_callers_fault_and_is_said_so(
    cloud, provider, make_endpoint, fault
):
    said = {"type": "invalid_request_error", "message": LEAK, **fault}
    cloud.replies["/calls"] = http(400, json.dumps({"error": said}))
    async with make_endpoint(granted=100, timing=Timing(open_within=5), provider=provider) as endpoint:
        response = await endpoint.start()

        assert (response.status_code, response.json()["code"]) == (422, "offer_refused")
        assert response.json()["retryable"] is False
        assert_nothing_is_told(response)
        await assert_nothing_is_held(endpoint)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": "unknown_parameter", "param": "session.sdp", "message": "invalid_offer"}},
        {"error": {"code": "", "param": "", "message": "", "type": ""}},
        {"error": "invalid_offer"},
        {"code": "invalid_offer"},
    ],
)
async def test_a_refusal_that_may_be_about_the_endpoints_own_settings_is_not_laid_on_the_caller(
    cloud, provider, make_endpoint, body
):
    cloud.replies["/calls"] = http(400, json.dumps(body))
    async with make_endpoint(granted=100, timing=Timing(open_within=5), provider=provider) as endpoint:
        response = await endpoint.start()

        assert (response.status_code, response.json()["code"]) == (502, "provider_refused")


@pytest.mark.parametrize(
    ("location", "call_id"),
    [
        ("/v1/realtime/calls/rtc_u2_1-a", "rtc_u2_1-a"),
        ("rtc_1", "rtc_1"),
        ("/v1/realtime?call_id=rtc_1", "rtc_1"),
        ("https://api.openai.com/v1/realtime/calls/rtc_1?intent=x", "rtc_1"),
    ],
)
@pytest.mark.parametrize("kind", ["text/plain; charset=utf-8", "application/sdp", "application/octet-stream"])
@pytest.mark.parametrize("status", [200, 201, 202, 299])
async def test_any_success_is_one_whatever_its_type_and_the_calls_id_is_in_its_location(
    cloud, location, call_id, kind, status
):
    cloud.replies["/calls"] = http(status, "v=0\r\n", f"Content-Type: {kind}", f"Location: {location}")
    provider = PROVIDERS["openai"](Upstream())
    got = await provider.answer({"type": "realtime"}, "v=0\r\n")
    await provider.close()

    assert (got.call_id, got.sdp) == (call_id, "v=0\r\n")


@pytest.mark.parametrize("behaviour", [never, drip])
async def test_a_service_that_never_finishes_is_given_up_in_time(
    cloud, provider, make_endpoint, body, behaviour
):
    cloud.replies |= {"/calls": behaviour, "/client_secrets": behaviour}
    async with make_endpoint(granted=100, timing=Timing(open_within=0.4), provider=provider) as endpoint:
        began = time.perf_counter()
        response = await asyncio.wait_for(endpoint.start(**body), 3)

        assert (response.json()["code"], response.status_code) == ("provider_unreachable", 502)
        assert time.perf_counter() - began < 2
        await assert_nothing_is_held(endpoint)


async def test_a_slow_service_is_waited_for(cloud, provider, make_endpoint, body):
    async def slow(writer):
        del cloud.replies["/client_secrets"], cloud.replies["/calls"]
        await asyncio.sleep(0.2)
        writer.write(cloud.answer_to(cloud.requests[-1]))

    cloud.replies |= {"/client_secrets": slow, "/calls": slow}
    async with make_endpoint(granted=100, provider=provider) as endpoint:
        response = await endpoint.start(**body)

        assert response.status_code == 201, response.text
        assert (await endpoint.connected(response.json()["id"])).json()["state"] == "captured"


@pytest.mark.parametrize("status", [401, 403, 429, 500])
async def test_a_call_that_a_service_does_not_hang_up_is_not_released_yet(
    cloud, provider, make_endpoint, status
):
    async with make_endpoint(granted=100, timing=Timing(hang_up_within=2), provider=provider) as endpoint:
        id = (await endpoint.start()).json()["id"]
        cloud.replies["/hangup"] = refusal(status)
        assert (await endpoint.ended(id)).json()["state"] == "reserved"
        del cloud.replies["/hangup"]
        assert (await endpoint.ended(id)).json()["state"] == "released"

    assert cloud.calls == {}


async def test_a_call_that_a_service_no_longer_knows_counts_as_hung_up(cloud, provider, make_endpoint):
    async with make_endpoint(granted=100, provider=provider) as endpoint:
        id = (await endpoint.start()).json()["id"]
        cloud.calls.clear()

        assert (await endpoint.ended(id)).json()["state"] == "released"
