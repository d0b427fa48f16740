"""The peer's HTTP surface: credentials, secrets, CORS, and who is let in at all."""

import dataclasses
import json
import time

import httpx
import pytest
import websockets

from genmb_voice_widget.peer.scripted import scripted_stages

PATHS = pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
MINT = "/realtime/client_secrets"


class Clock:
    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


async def refused(peer, path, headers=None, **options):
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await peer.ws(path, headers, **options)
    response = refusal.value.response
    return response.status_code, json.loads(response.body)["error"]["code"]


@pytest.mark.parametrize(("prefix", "life"), [("/v1", 600), ("/openai/v1", 7200)])
async def test_a_secret_is_minted_in_the_wires_shape(start_peer, hex_id, prefix, life):
    peer = await start_peer()
    session = {
        "type": "realtime",
        "model": "gpt-realtime",
        "instructions": "Cook.",
        "output_modalities": ["text"],
    }
    response = await peer.post(prefix + MINT, json={"session": session})
    body = response.json()
    assert response.status_code == 200
    assert body.keys() == {"value", "expires_at", "session"}
    assert hex_id("ek", body["value"])
    assert body["expires_at"] - time.time() == pytest.approx(life, abs=3)
    minted = body["session"]
    assert hex_id("sess", minted["id"])
    assert (minted["object"], minted["expires_at"]) == ("realtime.session", 0)
    assert {name: minted[name] for name in session} == session


@pytest.mark.parametrize(("prefix", "status"), [("/v1", 401), ("/openai/v1", 200)])
async def test_a_key_in_the_header_api_key_is_azures_alone(start_peer, prefix, status):
    peer = await start_peer()
    key = peer.headers["Authorization"].removeprefix("Bearer ")
    assert (await peer.post(prefix + MINT, headers={"api-key": key}, json={})).status_code == status


async def test_a_socket_of_azures_takes_the_key_in_the_query_and_openais_does_not(start_peer):
    peer = await start_peer()
    query = f"model=local&api-key={peer.headers['Authorization'].removeprefix('Bearer ')}"
    client = await peer.ws(f"/openai/v1/realtime?{query}", {})
    await client.events.wait("session.created")
    assert await refused(peer, f"/v1/realtime?{query}", {}) == (401, "missing_api_key")


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"expires_after": {"seconds": 9}}, "invalid_value", "expires_after.seconds"),
        ({"expires_after": {"seconds": 7201}}, "invalid_value", "expires_after.seconds"),
        ({"expires_after": {"anchor": "now", "seconds": 60}}, "invalid_value", "expires_after.anchor"),
        ({"session": {"type": "realtime", "voice": "x"}}, "unknown_parameter", "session.voice"),
        ({"voice": "x"}, "unknown_parameter", "voice"),
        ({"session": [1]}, "invalid_value", "session"),
        ({"session": {"type": "realtime", "model": 3}}, "invalid_value", "session.model"),
        ({"session": {"type": "realtime", "model": "gpt-realtme"}}, "invalid_value", "session.model"),
        (
            {"session": {"type": "realtime", "audio": {"output": {"voice": "marrin"}}}},
            "invalid_value",
            "session.audio.output.voice",
        ),
        (
            {"session": {"type": "realtime", "max_output_tokens": 5000}},
            "invalid_value",
            "session.max_output_tokens",
        ),
    ],
)
async def test_a_bad_request_for_a_secret_names_the_member(start_peer, body, code, param):
    peer = await start_peer()
    response = await peer.post("/v1" + MINT, json=body)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, code, param)
    assert error["type"] == "invalid_request_error"


@PATHS
async def test_nothing_opens_without_a_credential_or_with_a_wrong_one(start_peer, prefix):
    peer = await start_peer()
    minted = (await peer.post("/v1" + MINT, json={})).json()["value"]
    for path in (MINT, "/realtime/calls", "/realtime/calls/rtc_1/hangup"):
        assert (await peer.post(prefix + path, headers={})).status_code == 401
        wrong = await peer.post(prefix + path, headers={"Authorization": "Bearer wrong"})
        code = {"/v1": "invalid_api_key", "/openai/v1": "401"}[prefix]
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, code)
    ephemeral = {"Authorization": f"Bearer {minted}"}
    assert (await peer.post(prefix + MINT, headers=ephemeral)).status_code == 401
    assert (await peer.post(f"{prefix}/realtime/calls/rtc_1/hangup", headers=ephemeral)).status_code == 401
    code = {"/v1": "missing_api_key", "/openai/v1": "401"}[prefix]
    assert await refused(peer, f"{prefix}/realtime?model=x", {}) == (401, code)


async def test_a_secret_opens_many_sessions_until_it_expires(start_peer):
    clock = Clock()
    peer = await start_peer(clock=clock)
    life = {"expires_after": {"anchor": "created_at", "seconds": 60}}
    body = (
        await peer.post("/v1" + MINT, json={"session": {"type": "realtime", "model": "gpt-realtime"}, **life})
    ).json()
    assert body["expires_at"] - time.time() == pytest.approx(60, abs=3)
    headers = {"Authorization": f"Bearer {body['value']}"}
    for _ in range(2):
        client = await peer.ws("/v1/realtime", headers)
        session = (await client.events.wait("session.created"))["session"]
        assert (session["id"], session["model"]) == (body["session"]["id"], "gpt-realtime")
    clock.ahead = 61
    assert await refused(peer, "/v1/realtime", headers) == (401, "invalid_api_key")


async def test_a_browsers_subprotocols_carry_the_secret_and_only_realtime_comes_back(start_peer):
    peer = await start_peer()
    value = (await peer.post("/v1" + MINT, json={})).json()["value"]
    offered = ["realtime", f"openai-insecure-api-key.{value}", "openai-agents-sdk.1"]
    client = await peer.ws("/v1/realtime?model=m", {}, subprotocols=offered)
    await client.events.wait("session.created")
    assert client.socket.subprotocol == "realtime"


async def test_a_websocket_must_say_what_it_wants(start_peer):
    peer = await start_peer()
    assert await refused(peer, "/v1/realtime") == (400, "missing_required_parameter")
    assert await refused(peer, "/v1/realtime?call_id=rtc_gone") == (404, "call_id_not_found")


async def test_a_call_takes_an_offer_and_nothing_else(start_peer):
    peer = await start_peer()
    sdp = {**peer.headers, "Content-Type": "application/sdp"}
    response = await peer.post("/v1/realtime/calls", headers=sdp, content="v=0\r\nnonsense")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_offer")
    response = await peer.post("/v1/realtime/calls", json={"sdp": "v=0"})
    assert response.status_code == 415
    response = await peer.post("/v1/realtime/calls", files={"session": (None, "{}", "application/json")})
    assert response.json()["error"]["param"] == "sdp"
    response = await peer.post("/v1/realtime/calls", headers=sdp, content="x" * 1_100_000)
    assert response.status_code == 413
    response = await peer.post("/v1" + MINT, content="[")
    assert response.json()["error"]["code"] == "invalid_json"


async def test_azures_calls_take_only_an_ephemeral_secret(start_peer):
    peer = await start_peer()
    sdp = {**peer.headers, "Content-Type": "application/sdp"}
    response = await peer.post("/openai/v1/realtime/calls", headers=sdp, content="v=0")
    assert response.status_code == 401
    assert response.json()["error"] == {"code": "401", "message": "This operation requires ephemeral tokens"}


async def test_azures_calls_take_the_bare_offer_and_no_form(start_peer):
    peer = await start_peer()
    value = (await peer.post("/openai/v1" + MINT, json={})).json()["value"]
    parts = {"sdp": (None, "v=0"), "session": (None, '{"type": "realtime"}', "application/json")}
    headers = {"Authorization": f"Bearer {value}"}
    response = await peer.post("/openai/v1/realtime/calls", headers=headers, files=parts)
    assert (response.status_code, response.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert "multipart" not in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/realtime/calls", 405), ("POST", "/v1/models", 404), ("GET", "/", 404)],
)
async def test_what_is_not_there_is_refused_in_the_wires_shape(start_peer, method, path, status):
    peer = await start_peer()
    async with httpx.AsyncClient() as client:
        response = await client.request(method, peer.url + path)
    assert response.status_code == status
    assert response.json()["error"].keys() == {"message", "type", "code", "param"}


async def test_a_form_that_is_none_is_refused_in_the_wires_shape(start_peer):
    peer = await start_peer()
    headers = {**peer.headers, "Content-Type": "multipart/form-data; boundary=x"}
    response = await peer.post("/v1/realtime/calls", headers=headers, content="nonsense")
    assert response.status_code == 400
    assert "error" in response.json()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost.x:1"]
)
async def test_a_foreign_host_name_is_turned_away_even_with_the_secret(start_peer, host):
    peer = await start_peer()
    for path in ("/healthz", "/v1/realtime/calls"):
        async with httpx.AsyncClient() as client:
            response = await client.get(peer.url + path, headers={**peer.headers, "Host": host})
        assert (response.status_code, response.json()["error"]["code"]) == (403, "forbidden_host")


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1", "[::1]:7", "LOCALHOST"])
async def test_the_machines_own_names_are_served(start_peer, host):
    peer = await start_peer()
    async with httpx.AsyncClient() as client:
        assert (await client.get(peer.url + "/healthz", headers={"Host": host})).json() == {"status": "ok"}


@PATHS
async def test_a_page_elsewhere_may_call_and_read_the_location(start_peer, prefix):
    peer = await start_peer()
    asked = {
        "Origin": "http://localhost:8888",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-openai-agents-sdk",
        "Access-Control-Request-Private-Network": "true",
    }
    async with httpx.AsyncClient() as client:
        preflight = await client.options(f"{peer.url}{prefix}/realtime/calls", headers=asked)
    assert preflight.status_code == 200
    allowed = preflight.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "x-openai-agents-sdk"))
    assert preflight.headers["access-control-allow-private-network"] == "true"
    response = await peer.post(f"{prefix}/realtime/calls", headers={"Origin": "http://localhost:8888"})
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["access-control-expose-headers"] == "Location, X-Request-Id"
    assert response.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("model", ["local", "scripted", "gpt-realtime"])
async def test_models_have_the_default_name_the_agents_or_a_hosted_ones(start_peer, model):
    peer = await start_peer()
    client = await peer.ws(f"/v1/realtime?model={model}")
    assert (await client.events.wait("session.created"))["session"]["model"] == model


async def test_a_model_that_there_is_not_is_refused_with_those_that_there_are(start_peer):
    peer = await start_peer()
    with pytest.raises(websockets.InvalidStatus) as refusal:
        await peer.ws("/v1/realtime?model=gpt-realtme")
    error = json.loads(refusal.value.response.body)["error"]
    assert (refusal.value.response.status_code, error["code"], error["param"]) == (
        400,
        "invalid_value",
        "model",
    )
    assert "'local', 'scripted', 'gpt-realtime'" in error["message"]


async def test_an_offer_with_a_voice_that_there_is_not_is_refused_by_the_member(start_peer):
    peer = await start_peer()
    session = {"type": "realtime", "audio": {"output": {"voice": "marrin"}}}
    parts = {"sdp": (None, "v=0"), "session": (None, json.dumps(session), "application/json")}
    response = await peer.post("/v1/realtime/calls", files=parts)
    error = response.json()["error"]
    assert response.status_code == 400
    assert (error["code"], error["param"]) == ("invalid_value", "session.audio.output.voice")
    assert "'alloy', 'ash', 'ballad', 'cedar'" in error["message"]


async def test_an_agents_voice_speaks_in_sessions_that_name_none(start_peer):
    peer = await start_peer(stages=dataclasses.replace(scripted_stages(), voice="shimmer"))
    for wanted, voice in (({}, "shimmer"), ({"audio": {"output": {"voice": "ash"}}}, "ash")):
        response = await peer.post("/v1" + MINT, json={"session": {"type": "realtime", **wanted}})
        assert response.json()["session"]["audio"]["output"]["voice"] == voice


async def test_a_form_of_unknown_length_is_refused_before_it_is_read(start_peer):
    peer = await start_peer()

    async def endless():
        for _ in range(100):
            yield b"x" * 100_000

    headers = {**peer.headers, "Content-Type": "multipart/form-data; boundary=x"}
    response = await peer.post("/v1/realtime/calls", headers=headers, content=endless())
    assert (response.status_code, response.json()["error"]["code"]) == (411, "length_required")
