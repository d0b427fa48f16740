"""A realtime service that misbehaves, over a real socket: the right problem, nothing held, nothing quoted, no hanging.

Requests and answers to the letter of the OpenAI Realtime API reference (calls, client secrets, hangup).
"""

import asyncio
import json
import socket
import time
from types import SimpleNamespace

import pytest
from harness.upstream import ANSWER, Server, answer, cut_off, drip, http, never

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.providers.callers_fault import callers_fault
from genmb_voice_widget.service.providers.local import LocalProvider
from genmb_voice_widget.service.settings import Timing

KEY = "peer-key-canary-91d0"
TOKEN = "ek_canary_upstream_44"
LEAK = "upstream-text-canary-3c8e"
QUICK = Timing(open_within=1.0, hang_up_within=1.0)


def refusal(status, *headers):
    error = {
        "error": {"message": f"Incorrect key {KEY}: {LEAK}", "type": "invalid_request_error", "code": LEAK}
    }
    return http(status, json.dumps(error), "Content-Type: application/json", *headers)


def minted(**members):
    body = {"value": TOKEN, "expires_at": 1_000_060, "session": {"type": "realtime"}} | members
    return http(200, json.dumps(body), "Content-Type: application/json")


@pytest.fixture
async def service():
    async with Server().listening() as service:
        yield service


@pytest.fixture
async def upstream(service, make_endpoint):
    """An endpoint whose local peer is that service."""

    async def start():
        return SimpleNamespace(url=service.url, secret=Secret(KEY))

    async def stop():
        pass

    provider = LocalProvider(lambda: SimpleNamespace(start=start, stop=stop))
    async with make_endpoint(granted=100, timing=QUICK, provider=provider) as endpoint:
        yield endpoint


async def assert_nothing_is_held(endpoint):
    assert (await endpoint.ledger.balance("owner")).available == 100
    assert [entry.kind for entry in endpoint.ledger.entries] == ["reserve", "release"]


async def test_an_offer_goes_out_as_one_multipart_request_with_its_session_and_the_peers_secret(
    service, upstream
):
    service.replies["/calls"] = answer()
    ticket = (await upstream.start()).json()

    assert (ticket["sdp"], ticket["call_id"], ticket["dialect"]) == (ANSWER, "rtc_0a1b", "ga")
    [request] = service.requests
    assert (request.method, request.path) == ("POST", "/v1/realtime/calls")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    parts = request.parts()
    assert {name: kind for name, (kind, _) in parts.items()} == {
        "sdp": "application/sdp",
        "session": "application/json",
    }
    assert b"v=0\r\no=- 1 1" in request.body
    assert json.loads(parts["session"][1])["model"] == "a-model"


async def test_a_secret_is_minted_for_a_minute_and_the_url_is_the_peers_websocket(service, upstream):
    service.replies["/client_secrets"] = minted()
    ticket = (await upstream.start(sdp=None, transport="websocket")).json()

    assert ticket["url"] == f"ws://127.0.0.1:{service.port}/v1/realtime?model=a-model"
    assert (ticket["token"], ticket["expires_at"]) == (TOKEN, 1_000_060.0)
    [request] = service.requests
    assert json.loads(request.body)["expires_after"] == {"anchor": "created_at", "seconds": 60}


async def test_the_end_of_a_session_hangs_the_call_up(service, upstream):
    service.replies |= {"/calls": answer(), "/hangup": http(200, "")}
    id = (await upstream.start()).json()["id"]
    assert (await upstream.ended(id)).json()["state"] == "released"

    assert [request.path for request in service.requests] == [
        "/v1/realtime/calls",
        "/v1/realtime/calls/rtc_0a1b/hangup",
    ]
    assert service.requests[1].headers["authorization"] == f"Bearer {KEY}"


async def test_a_call_that_the_service_no_longer_knows_counts_as_hung_up(service, upstream):
    service.replies |= {"/calls": answer(), "/hangup": refusal(404)}
    id = (await upstream.start()).json()["id"]

    assert (await upstream.ended(id)).json()["state"] == "released"


@pytest.mark.parametrize("status", [401, 403, 500])
async def test_a_call_that_the_service_does_not_hang_up_is_not_released_yet(service, upstream, status):
    service.replies |= {"/calls": answer(), "/hangup": refusal(status)}
    id = (await upstream.start()).json()["id"]

    assert (await upstream.ended(id)).json()["state"] == "reserved"


@pytest.mark.parametrize(
    "location", ["/v1/realtime/calls/rtc_9", "rtc_9", "https://x.example/a/rtc_9?api-version=1"]
)
async def test_the_call_id_is_the_last_part_of_the_location(service, upstream, location):
    service.replies["/calls"] = answer(location=location)

    assert (await upstream.start()).json()["call_id"] == "rtc_9"


async def test_the_peers_secret_follows_no_redirect(service, upstream):
    service.replies |= {"/calls": refusal(307, "Location: /elsewhere"), "/elsewhere": answer()}

    assert (await upstream.start()).json()["code"] == "provider_refused"
    assert [request.path for request in service.requests] == ["/v1/realtime/calls"]


async def test_requests_share_one_connection(service, upstream):
    service.replies |= {"/hangup": http(200, "")}
    for number in range(5):
        service.replies["/calls"] = answer(location=f"/v1/realtime/calls/rtc_{number}")
        await upstream.ended((await upstream.start()).json()["id"])

    assert len(service.requests) == 10
    assert len(service.open_sockets) == 1


BODIES = [{}, {"sdp": None, "transport": "websocket"}]


@pytest.mark.parametrize("body", BODIES, ids=["relay", "token"])
@pytest.mark.parametrize(
    ("reply", "code", "status"),
    [
        (refusal(400), "provider_refused", 502),
        (refusal(401), "provider_refused", 502),
        (refusal(403), "provider_refused", 502),
        (refusal(404), "provider_refused", 502),
        (refusal(302, "Location: /v1/realtime/calls/rtc_elsewhere"), "provider_refused", 502),
        (refusal(429, "Retry-After: 17"), "provider_busy", 503),
        (refusal(503), "service_unavailable", 503),
        (refusal(500), "provider_unreachable", 502),
        (http(500, f"<html>{LEAK} {KEY}</html>", "Content-Type: text/html"), "provider_unreachable", 502),
        (answer(LEAK), "provider_unreachable", 502),
        (answer(""), "provider_unreachable", 502),
        (answer(b"v=0\r\n\xff\xfe" + LEAK.encode()), "provider_unreachable", 502),
        (http(201, LEAK, "Content-Type: text/plain"), "provider_unreachable", 502),
        (answer(location=""), "provider_unreachable", 502),
        (answer(location=f"/v1/realtime/calls/../{LEAK}%2f"), "provider_unreachable", 502),
        (minted(value=""), "provider_unreachable", 502),
        (minted(value=[LEAK]), "provider_unreachable", 502),
        (minted(expires_at=LEAK), "provider_unreachable", 502),
        (http(200, "[" * 100_000), "provider_unreachable", 502),
        (http(201, f"v=0{LEAK}" + "x" * 1_000_000, "Location: /calls/rtc_1"), "provider_unreachable", 502),
        (LEAK.encode() + b"\r\n\r\n", "provider_unreachable", 502),
        (
            b"HTTP/1.1 201 Created\r\nContent-Length: 900\r\nLocation: /calls/rtc_1\r\n\r\nv=0",
            "provider_unreachable",
            502,
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nleak",
            "provider_unreachable",
            502,
        ),
    ],
)
async def test_whatever_the_service_answers_becomes_a_problem_with_words_of_ours(
    service, upstream, body, reply, code, status, caplog
):
    caplog.set_level("DEBUG")
    service.replies |= {"/calls": reply, "/client_secrets": reply}
    if b" 900\r\n" in reply:
        service.replies = dict.fromkeys(service.replies, cut_off(reply))
    response = await asyncio.wait_for(upstream.start(**body), 20)

    assert (response.json()["code"], response.status_code) == (code, status)
    for secret in (LEAK, KEY, TOKEN):
        assert secret not in response.text
        assert secret not in "".join(record.getMessage() for record in caplog.records if ours(record))
    await assert_nothing_is_held(upstream)


def invalid(param, code="invalid_value"):
    error = {"message": f"{LEAK} {KEY}", "type": "invalid_request_error", "code": code, "param": param}
    return http(400, json.dumps({"error": error}), "Content-Type: application/json")


@pytest.mark.parametrize("body", BODIES, ids=["relay", "token"])
@pytest.mark.parametrize(
    ("param", "sentence"),
    [
        ("session.audio.output.voice", "does not offer this voice. It offers 'alloy', 'ash', "),
        ("session.audio.input.transcription.language", "does not offer this language. It offers 'en'."),
        (
            "session.model",
            "does not offer this model. It offers 'local', its script's name, or the name of a hosted model.",
        ),
    ],
)
async def test_a_choice_that_the_service_does_not_offer_is_a_problem_that_names_what_it_does(
    service, upstream, body, param, sentence
):
    service.replies |= {"/calls": invalid(param), "/client_secrets": invalid(param)}
    response = await upstream.start(**body)

    assert (response.json()["code"], response.status_code) == ("bad_option", 422)
    assert sentence in response.json()["detail"]
    assert LEAK not in response.text and KEY not in response.text
    await assert_nothing_is_held(upstream)


@pytest.mark.parametrize(
    "reply",
    [
        invalid(f"session.{LEAK}"),
        invalid([LEAK]),
        invalid("session.audio.output.voice", "unknown_parameter"),
        http(400, json.dumps([LEAK])),
        http(400, LEAK),
        http(400, "[" * 100_000),
    ],
)
async def test_any_other_complaint_of_the_service_stays_a_refusal_without_a_word_of_it(
    service, upstream, reply
):
    service.replies["/calls"] = reply
    response = await upstream.start()

    assert (response.json()["code"], response.status_code) == ("provider_refused", 502)
    assert LEAK not in response.text


def test_where_it_is_not_known_what_there_is_to_choose_the_choice_is_named_alone():
    answer = {"error": {"code": "invalid_value", "param": "session.audio.output.voice", "message": LEAK}}
    refusal = callers_fault(answer, {})

    assert (refusal.code, refusal.detail) == (
        "provider_refused",
        "The voice service does not offer this voice.",
    )


def ours(record):
    # Libraries that log what they receive at DEBUG are quoted here as they are; the credential test is the strict one.
    return record.name.startswith("genmb_voice_widget")


async def test_how_long_a_busy_service_asks_to_wait_is_passed_on_and_nothing_else_of_its_answer(
    service, upstream
):
    service.replies["/calls"] = refusal(429, "Retry-After: 17", f"X-Secret: {LEAK}")
    response = await upstream.start()

    assert (response.headers["retry-after"], response.json()["retry_after"]) == ("17", 17)
    assert LEAK not in str(response.headers)


@pytest.mark.parametrize("wait", ["tomorrow", "-5", "1e9", "٣", "99999999999"])
async def test_a_time_to_wait_that_is_none_is_not_passed_on_as_it_is(service, upstream, wait):
    service.replies["/calls"] = http(429, "", f"Retry-After: {wait}".encode().decode("latin-1"))
    response = await upstream.start()

    assert response.json().get("retry_after") in (None, 3600)


@pytest.mark.parametrize("body", BODIES, ids=["relay", "token"])
@pytest.mark.parametrize("behaviour", [never, drip])
async def test_a_service_that_never_finishes_is_given_up_in_time(service, upstream, body, behaviour):
    service.replies |= {"/calls": behaviour, "/client_secrets": behaviour}
    began = time.perf_counter()
    response = await asyncio.wait_for(upstream.start(**body), 20)

    assert (response.json()["code"], response.status_code) == ("provider_unreachable", 502)
    assert time.perf_counter() - began < 10
    await assert_nothing_is_held(upstream)


@pytest.mark.parametrize("code", ["peer_not_installed", "peer_failed"])
async def test_a_peer_that_cannot_start_is_the_problem_it_says_and_its_last_words_stay_in_the_log(
    make_endpoint, code, caplog
):
    async def start():
        raise VoiceError(code, LEAK)

    async def stop():
        pass

    provider = LocalProvider(lambda: SimpleNamespace(start=start, stop=stop))
    async with make_endpoint(granted=100, provider=provider) as endpoint:
        response = await endpoint.start()
        assert (response.status_code, response.json()["code"]) == (502, code)
        assert LEAK not in response.text
        assert LEAK in caplog.text
        await assert_nothing_is_held(endpoint)


async def test_where_whoever_calls_runs_the_peer_its_last_line_is_told(make_endpoint):
    async def start():
        raise VoiceError("peer_failed", "Traceback …\nmine.toml, line 3: the script has no intent.")

    provider = LocalProvider(lambda: SimpleNamespace(start=start), candid=True)
    async with make_endpoint(granted=100, provider=provider) as endpoint:
        response = await endpoint.start()
        assert response.json()["detail"] == "mine.toml, line 3: the script has no intent."
        provider._peer = None


async def test_a_service_that_is_not_there_is_unreachable_at_once(service, upstream):
    with socket.create_server(("127.0.0.1", 0)) as free:
        service.port = free.getsockname()[1]
    response = await asyncio.wait_for(upstream.start(), 20)

    assert response.json()["code"] == "provider_unreachable"
    await assert_nothing_is_held(upstream)


async def test_a_call_id_that_another_session_has_is_refused_and_that_other_call_is_not_hung_up(
    service, upstream
):
    service.replies |= {"/calls": answer(), "/hangup": http(200, "")}
    first = (await upstream.start()).json()["id"]
    second = await upstream.start()

    assert second.json()["code"] == "provider_unreachable"
    assert [request.path for request in service.requests] == ["/v1/realtime/calls"] * 2
    assert (await upstream.connected(first)).json()["state"] == "captured"


async def test_no_proxy_of_the_environment_sees_the_loopback_traffic(service, upstream, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    service.replies["/calls"] = answer()

    assert (await upstream.start()).status_code == 201


@pytest.mark.parametrize("body", BODIES, ids=["relay", "token"])
async def test_no_secret_is_in_any_log_problem_or_repr(service, upstream, body, caplog):
    caplog.set_level("DEBUG")
    service.replies |= {"/calls": answer(), "/client_secrets": minted(), "/hangup": refusal(500)}
    id = (await upstream.start(**body)).json()["id"]
    said = [
        (await upstream.connected(id)).text,
        (await upstream.ended(id)).text,
        (await upstream.http.get(f"/v1/sessions/{id}")).text,
        repr(upstream.ledger.entries),
        repr(await upstream.ledger.find(id)),
        repr(vars(upstream.app)),
        caplog.text,
    ]
    service.replies |= {"/calls": refusal(401), "/client_secrets": refusal(401)}
    said.append((await upstream.start(**body)).text)

    assert len(service.requests) >= 2
    assert caplog.records
    for secret in (KEY, TOKEN):
        assert [text for text in [*said, caplog.text] if secret in text] == []
