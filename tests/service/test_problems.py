"""What the endpoint refuses, and how it says so (RFC 9457)."""

import asyncio
import json
from pathlib import Path

import pytest

from genmb_voice_widget.service.policy import Plan, Rate
from genmb_voice_widget.service.settings import Timing

CANARY = "canary-5b21"
OFFER = "v=0\r\ns=-\r\n"
SESSION = {"type": "realtime"}
CATALOGUE = json.loads((Path(__file__).parents[2] / "genmb_voice_widget/protocol.json").read_text())["errors"]


def assert_problem(response, code, status):
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    entry = CATALOGUE[code]
    assert problem["type"] == f"urn:genmb-voice:problem:{code}"
    assert (problem["code"], problem["status"], problem["title"]) == (code, status, entry["say"])
    assert (problem["fix"], problem["retryable"]) == (entry["fix"], entry["retryable"])
    assert problem["detail"].endswith(".")
    assert problem["detail"] != problem["title"]
    assert set(problem) - {"retry_after"} == {"type", "title", "status", "code", "detail", "fix", "retryable"}
    assert CANARY not in response.text
    return problem


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({}, "session is missing"),
        ({"session": SESSION}, "either sdp or transport"),
        ({"session": SESSION, "sdp": OFFER, "transport": "websocket"}, "either sdp or transport"),
        ({"session": SESSION, "transport": CANARY}, "transport"),
        ({"session": SESSION, "sdp": CANARY}, "sdp"),
        ({"session": SESSION, "sdp": [CANARY]}, "sdp"),
        ({"session": {"type": CANARY}, "sdp": OFFER}, "session.type"),
        ({"session": {}, "sdp": OFFER}, "session.type"),
        ({"session": [CANARY], "sdp": OFFER}, "session"),
        ({"session": CANARY, "sdp": OFFER}, "session"),
        ({"session": SESSION, "sdp": OFFER, "provider": 7}, "provider"),
        ({"session": SESSION, "sdp": OFFER, "provider": CANARY * 9}, "provider"),
        ({"session": SESSION, "sdp": OFFER, CANARY: CANARY}, "unknown member"),
        ([CANARY], "the body"),
        (CANARY, "the body"),
    ],
)
async def test_a_body_of_another_shape_is_refused_by_naming_the_member_and_never_its_value(
    endpoint, body, names
):
    response = await endpoint.http.post("/v1/sessions", json=body)

    assert names in assert_problem(response, "bad_request", 422)["detail"]
    assert endpoint.ledger.entries == ()


@pytest.mark.parametrize(
    "text", ["", "{", "null", CANARY, '{"session": ' + "[" * 30_000, '"\ud800"', b"\xff\xfe{}"]
)
async def test_a_body_that_is_not_json_is_refused(endpoint, text):
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    response = await endpoint.http.post(
        "/v1/sessions", content=content, headers={"Content-Type": "application/json"}
    )

    assert response.status_code in (400, 422)
    assert_problem(response, "bad_request", response.status_code)


@pytest.mark.parametrize("member", ['"speed": NaN', '"speed": 1e999', '"instructions": "\\ud800"'])
async def test_a_session_that_could_not_be_sent_on_is_refused(endpoint, member):
    content = f'{{"session": {{"type": "realtime", {member}}}, "transport": "websocket"}}'
    response = await endpoint.http.post(
        "/v1/sessions", content=content, headers={"Content-Type": "application/json"}
    )

    assert "JSON cannot carry" in assert_problem(response, "bad_request", 422)["detail"]
    assert endpoint.ledger.entries == ()


@pytest.mark.parametrize("member", ["tools", "x"])
async def test_a_body_that_is_nested_too_deeply_is_refused_at_whatever_depth(endpoint, member):
    for depth in (64, 100, *range(300, 980, 8)):
        nested = "[" * depth + "]" * depth
        content = f'{{"session": {{"type": "realtime", "{member}": {nested}}}, "sdp": "v=0"}}'
        response = await endpoint.http.post(
            "/v1/sessions", content=content, headers={"Content-Type": "application/json"}
        )
        refused = assert_problem(response, "bad_request", response.status_code)
        assert refused["status"] == 422 or depth > 900
        assert ("nested" if refused["status"] == 422 else "cannot be read") in refused["detail"]
    assert endpoint.ledger.entries == ()


@pytest.mark.parametrize(
    "media_type", [None, "text/plain", "application/sdp", "application/x-www-form-urlencoded"]
)
async def test_a_body_of_another_media_type_is_refused_so_that_no_page_can_post_without_a_preflight(
    endpoint, media_type
):
    headers = {} if media_type is None else {"Content-Type": media_type}
    response = await endpoint.http.post("/v1/sessions", content=b'{"session": {}}', headers=headers)

    assert_problem(response, "bad_request", 415)


async def test_a_media_type_with_parameters_is_the_same_media_type(endpoint):
    body = json.dumps({"session": SESSION, "sdp": OFFER})
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}

    assert (await endpoint.http.post("/v1/sessions", content=body, headers=headers)).status_code == 201


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_of_more_than_64_kib_is_refused_whether_or_not_it_says_so(endpoint, declared):
    filler = json.dumps({"session": SESSION, "sdp": OFFER + "x" * 65_536}).encode()

    async def pieces():
        for start in range(0, len(filler), 10_000):
            yield filler[start : start + 10_000]

    response = await endpoint.http.post(
        "/v1/sessions", content=filler if declared else pieces(), headers={"Content-Type": "application/json"}
    )

    assert_problem(response, "bad_request", 413)
    assert endpoint.provider.sessions == []


async def test_a_body_of_just_64_kib_is_read(endpoint):
    frame = len(json.dumps({"session": SESSION, "sdp": OFFER}))
    body = json.dumps({"session": SESSION, "sdp": OFFER + "x" * (65_536 - frame)})
    assert len(body) == 65_536

    response = await endpoint.http.post(
        "/v1/sessions", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 201


async def test_a_body_that_does_not_end_is_not_waited_for(make_endpoint):
    async def pieces():
        yield b'{"session": '
        await asyncio.Event().wait()

    async with make_endpoint(timing=Timing(body_within=0.02)) as endpoint:
        response = await asyncio.wait_for(
            endpoint.http.post(
                "/v1/sessions", content=pieces(), headers={"Content-Type": "application/json"}
            ),
            2,
        )
        assert_problem(response, "bad_request", 408)


async def test_an_unknown_provider_is_refused_by_naming_the_known_ones(endpoint):
    problem = assert_problem(await endpoint.start(provider=CANARY), "unknown_provider", 422)

    assert "here" in problem["detail"]
    almost = assert_problem(await endpoint.start(provider="heer"), "unknown_provider", 422)
    assert almost["detail"].endswith("It was probably meant to be here.")


@pytest.mark.parametrize("verb", ["connected", "ended"])
async def test_a_session_that_nobody_started_is_not_found(endpoint, verb):
    response = await endpoint.http.post(f"/v1/sessions/{CANARY}/{verb}", json={})

    assert_problem(response, "session_not_found", 404)
    assert_problem(await endpoint.http.get(f"/v1/sessions/{CANARY}"), "session_not_found", 404)


async def test_a_proof_that_names_another_call_is_refused_and_captures_nothing(endpoint):
    first, second = [(await endpoint.start()).json() for _ in range(2)]
    response = await endpoint.connected(first["id"], call_id=second["call_id"])

    assert_problem(response, "bad_request", 409)
    assert (await endpoint.ledger.balance("owner")).captured == 0


async def test_a_websocket_session_takes_no_call_id_on_trust(endpoint):
    mine = (await endpoint.start(sdp=None, transport="websocket")).json()["id"]
    theirs = (await endpoint.start()).json()["call_id"]
    assert_problem(await endpoint.connected(mine, call_id=theirs), "bad_request", 409)
    await endpoint.ended(mine)

    assert endpoint.provider.live == {theirs}


@pytest.mark.parametrize("body", [{"call_id": 7}, {"call_id": "x" * 129}, {CANARY: 1}, []])
async def test_a_proof_of_another_shape_is_refused(endpoint, body):
    id = (await endpoint.start()).json()["id"]

    assert_problem(await endpoint.http.post(f"/v1/sessions/{id}/connected", json=body), "bad_request", 422)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/tokens", 404),
        ("GET", "/v1/sessions", 405),
        # Sent on, to an address of plain http behind a proxy, it would take its key there.
        ("POST", "/v1/sessions/", 404),
        ("GET", "/v1/allowance/", 404),
    ],
)
async def test_another_address_or_method_is_a_problem_too(endpoint, method, path, status):
    assert_problem(await endpoint.http.request(method, path), "bad_request", status)


async def test_a_plan_without_voice_is_refused_before_anything_is_held(make_endpoint):
    async with make_endpoint(Plan("free", voice=False)) as endpoint:
        assert_problem(await endpoint.start(), "plan_required", 403)
        assert (endpoint.ledger.entries, endpoint.provider.sessions) == ((), [])


async def test_an_account_with_too_few_credits_is_refused_and_a_released_session_makes_room(make_endpoint):
    async with make_endpoint(Plan("pro"), granted=9) as endpoint:
        id = (await endpoint.start()).json()["id"]
        assert_problem(await endpoint.start(), "credits_exhausted", 402)
        await endpoint.ended(id)
        assert (await endpoint.start()).status_code == 201


async def test_a_full_window_is_refused_with_the_seconds_to_wait_and_opens_exactly_then(make_endpoint):
    async with make_endpoint(Plan("pro", rate=Rate(2, 60))) as endpoint:
        for _ in range(2):
            await endpoint.connected((await endpoint.start()).json()["id"])
            endpoint.clock.advance(10.5)
        response = await endpoint.start()
        assert assert_problem(response, "rate_limited", 429)["retry_after"] == 39
        assert response.headers["retry-after"] == "39"
        assert response.headers["ratelimit-policy"] == '"sessions";q=2;w=60'
        assert response.headers["ratelimit"] == '"sessions";r=0;t=39'
        endpoint.clock.advance(38.9)
        assert (await endpoint.start()).status_code == 429
        endpoint.clock.advance(0.1)
        assert (await endpoint.start()).status_code == 201


async def test_a_caller_that_asks_too_often_is_told_which_limit_it_has_reached(make_endpoint):
    async with make_endpoint(Plan("pro", attempts=Rate(1, 60))) as endpoint:
        await endpoint.start()
        response = await endpoint.start()
        assert_problem(response, "too_many_attempts", 429)
        assert response.headers["ratelimit-policy"] == '"attempts";q=1;w=60'
        assert response.headers["ratelimit"] == '"attempts";r=0;t=60'


async def test_a_session_that_never_connected_gives_its_slot_back(make_endpoint):
    async with make_endpoint(Plan("pro", rate=Rate(1))) as endpoint:
        id = (await endpoint.start()).json()["id"]
        assert (await endpoint.start()).status_code == 429
        await endpoint.ended(id)
        assert (await endpoint.start()).status_code == 201


async def test_a_session_that_connected_keeps_its_slot_after_its_end(make_endpoint):
    async with make_endpoint(Plan("pro", rate=Rate(1))) as endpoint:
        id = (await endpoint.start()).json()["id"]
        await endpoint.connected(id)
        await endpoint.ended(id)
        assert (await endpoint.start()).status_code == 429


async def test_a_bug_behind_a_route_is_a_problem_whose_log_names_the_place_and_not_the_message(
    endpoint, caplog
):
    async def stumble():
        raise RuntimeError(CANARY)

    endpoint.provider.before = stumble
    assert_problem(await endpoint.start(), "internal", 500)
    assert "stumble" in caplog.text
    assert CANARY not in caplog.text
    assert [entry.kind for entry in endpoint.ledger.entries] == ["reserve", "release"]


async def test_a_page_of_an_allowed_origin_may_call_and_read_when_to_come_back(make_endpoint):
    async with make_endpoint(Plan("pro", rate=Rate(1)), origins=["https://app.example"]) as endpoint:
        origin = {"Origin": "https://app.example"}
        ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        preflight = await endpoint.http.options("/v1/sessions", headers=origin | ask)
        assert preflight.headers["access-control-allow-origin"] == "https://app.example"
        await endpoint.start()
        body = {"session": SESSION, "sdp": OFFER}
        refused = await endpoint.http.post("/v1/sessions", json=body, headers=origin)
        assert refused.status_code == 429
        assert refused.headers["access-control-allow-origin"] == "https://app.example"
        assert "Retry-After" in refused.headers["access-control-expose-headers"]
        assert "Location" in refused.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.evil",
        "http://app.example",
        "https://app.example:444",
        "null",
        "https://APP.example",
    ],
)
async def test_a_page_of_any_other_origin_may_not(make_endpoint, origin):
    async with make_endpoint(origins=["https://app.example"]) as endpoint:
        ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
        preflight = await endpoint.http.options("/v1/sessions", headers={"Origin": origin} | ask)
        assert preflight.status_code == 403
        assert "access-control-allow-origin" not in preflight.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/sessions"), ("GET", "/readyz"), ("GET", "/"), ("OPTIONS", "/v1/sessions")],
)
async def test_an_unexpected_host_is_refused_before_anything_is_done_for_it(make_endpoint, method, path):
    origins = ["https://app.example"]
    async with make_endpoint(origins=origins, hosts=["app.example", "[::1]"]) as endpoint:
        ask = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        body = {"session": SESSION, "sdp": OFFER} if method == "POST" else None
        assert_problem(await endpoint.http.request(method, path, json=body, headers=ask), "bad_request", 400)
        assert endpoint.provider.sessions == []
        for host in ("app.example:8000", "[::1]:8000", "[::1]"):
            assert (await endpoint.http.get("/healthz", headers={"Host": host})).is_success


@pytest.mark.parametrize("host", ["10.1.2.3:8000", "10.1.2.3", "[fd00::5]:8000", "[::1]"])
async def test_an_address_is_no_name_that_could_lead_elsewhere_so_a_load_balancer_may_use_it(
    make_endpoint, host
):
    async with make_endpoint(hosts=["app.example"]) as endpoint:
        assert (await endpoint.http.get("/healthz", headers={"Host": host})).is_success


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":80",
        "10.1.2.3.evil.example",
        "1.2.3",
        "0x7f.1",
        "2130706433",
        "[::1",
        "[]",
        "[app.example]",
        "::1",
    ],
)
async def test_what_is_no_address_and_no_expected_name_is_refused(make_endpoint, host):
    async with make_endpoint(hosts=["app.example"]) as endpoint:
        response = await endpoint.http.get("/healthz", headers={"Host": host})
        assert_problem(response, "bad_request", 400)


async def test_a_websocket_by_an_unexpected_name_is_closed_before_it_is_accepted():
    from genmb_voice_widget.service.web.hosts import ExpectedHosts

    async def app(scope, receive, send):
        await send({"type": "websocket.accept"})

    async def connect(host):
        sent = []

        async def send(message):
            sent.append(message["type"])

        scope = {"type": "websocket", "path": "/", "headers": [(b"host", host)]}
        await ExpectedHosts(app, ["app.example"])(scope, None, send)
        return sent

    assert await connect(b"rebound.example") == ["websocket.close"]
    assert await connect(b"app.example:8000") == ["websocket.accept"]
