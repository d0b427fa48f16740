"""App tokens: who can have one made, and everything that is not exactly one opens nothing."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace

import jwt
import pytest

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.access.app_keys import hash_key, new_key
from genmb_voice_widget.service.access.app_tokens import AppTokens

BODY = {"session": {"type": "realtime"}, "sdp": "v=0\r\ns=-\r\n"}
KEY = "canary-signing-key-0123456789abcdef"
PAGE = "https://shop.example"


@pytest.fixture
def make(service, register):
    async def make(id="shop", **body):
        return await service.http.post(
            "/v1/app-tokens", json={"seconds": 60} | body, headers=register.bearer(id)
        )

    return make


@pytest.fixture
def start(service):
    async def start(token, **headers):
        headers = {"Authorization": f"Bearer {token}"} | headers
        return await service.http.post("/v1/sessions", json=BODY, headers=headers)

    return start


@pytest.fixture
def claims(clock, register):
    now = int(clock())
    return {"aud": "genmb-voice", "sub": "shop", "iat": now, "exp": now + 60, "key": register.mark("shop")}


def signed(claims, key=KEY, algorithm="HS256", headers=None):
    return "gvt_" + jwt.encode(claims, key, algorithm=algorithm, headers=headers)


def by_hand(header, claims, key=KEY):
    """A token as no library would make it."""

    def part(value):
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=")

    head = part(header) + b"." + part(claims)
    signature = hmac.new(key.encode(), head, hashlib.sha256).digest()
    return "gvt_" + (head + b"." + part(signature)).decode()


async def test_an_apps_server_has_a_token_made_that_asks_for_the_app_until_it_expires(make, start, clock):
    made = (await make(seconds=90)).json()
    assert made["expires_at"] == int(clock()) + 90
    assert (await start(made["token"])).status_code == 201
    clock.advance(89)
    assert (await start(made["token"])).status_code == 201
    clock.advance(1)
    assert (await start(made["token"])).status_code == 401


async def test_a_token_for_an_origin_is_good_for_its_pages_alone(make, start):
    token = (await make(origin=PAGE)).json()["token"]

    assert (await start(token, Origin=PAGE)).status_code == 201
    for others in (
        {},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
        {"Origin": "https://shop.example."},
    ):
        assert (await start(token, **others)).json()["code"] == "origin_refused", others


async def test_a_token_for_no_origin_is_good_for_servers_and_for_every_page_of_the_app(make, start):
    token = (await make()).json()["token"]

    for those in ({}, {"Origin": PAGE}, {"Origin": "http://localhost:3000"}):
        assert (await start(token, **those)).status_code == 201
    assert (await start(token, Origin="https://other.example")).json()["code"] == "origin_refused"


@pytest.mark.parametrize(
    "origin", ["https://other.example", "https://shop.example/", "null", "*", "x" * 300, ""]
)
async def test_no_token_is_made_for_an_origin_that_is_not_the_apps(make, origin):
    response = await make(origin=origin)

    assert (response.status_code, response.json()["code"]) == (403, "origin_refused")


async def test_a_token_for_an_origin_that_the_app_no_longer_has_opens_nothing(start, register, make):
    token = (await make(origin=PAGE)).json()["token"]
    await register.apps.change(replace(await register.apps.find("shop"), origins=("https://new.example",)))

    assert (await start(token, Origin=PAGE)).json()["code"] == "origin_refused"


@pytest.mark.parametrize(
    "body",
    [
        {"seconds": 0},
        {"seconds": -1},
        {"seconds": 3601},
        {"seconds": 1.5},
        {"seconds": "60"},
        {"seconds": True},
        {"seconds": None},
        {"seconds": 3600.5},
        {"seconds": 1e300},
        {"user": "u-1"},
        {"origin": 7},
        {"origin": "x" * 301},
        {"app": "other"},
        {"sub": "other"},
    ],
)
async def test_a_wish_of_another_shape_is_refused(make, body):
    assert (await make(**body)).status_code == 422


async def test_a_whole_number_may_be_written_with_a_point(make):
    assert (await make(seconds=60.0)).status_code == 201


async def test_a_token_cannot_have_another_made(make, service):
    token = (await make()).json()["token"]
    response = await service.http.post(
        "/v1/app-tokens", json={"seconds": 60}, headers={"Authorization": f"Bearer {token}"}
    )

    assert response.status_code == 401


async def test_a_token_dies_with_its_app(make, start, register):
    token = (await make()).json()["token"]
    await register.apps.revoke("shop")

    assert (await start(token)).status_code == 401


async def test_a_token_that_expired_during_the_call_still_ends_it_and_does_nothing_else(make, service, clock):
    token = {"Authorization": f"Bearer {(await make(origin=PAGE)).json()['token']}", "Origin": PAGE}
    id = (await service.http.post("/v1/sessions", json=BODY, headers=token)).json()["id"]
    await service.http.post(f"/v1/sessions/{id}/connected", json={}, headers=token)
    clock.advance(3600)
    for path, body in (("", BODY), (f"/{id}/offer", BODY), (f"/{id}/connected", {})):
        assert (await service.http.post(f"/v1/sessions{path}", json=body, headers=token)).status_code == 401
    assert (await service.http.get(f"/v1/sessions/{id}", headers=token)).status_code == 401
    foreign = {**token, "Origin": "https://other.example"}
    assert (await service.http.post(f"/v1/sessions/{id}/ended", json={}, headers=foreign)).status_code == 403
    ended = await service.http.post(f"/v1/sessions/{id}/ended", json={}, headers=token)
    assert (ended.status_code, service.provider.hung_up) == (200, ["rtc_1"])
    clock.advance(60 + 3600)
    late = await service.http.post(f"/v1/sessions/{id}/ended", json={}, headers=token)
    assert late.status_code == 401


async def test_a_token_dies_with_the_key_that_it_was_made_with_and_shows_nothing_of_it(make, start, register):
    app, token = await register.apps.find("shop"), (await make()).json()["token"]
    await register.apps.change(replace(app, key_hash=hash_key(new_key("shop"))))
    assert (await start(token)).status_code == 401

    told = jwt.decode(token.removeprefix("gvt_"), options={"verify_signature": False})
    assert len(told["key"]) == 16
    assert told["key"] not in app.key_hash


async def test_a_token_made_by_another_node_with_the_same_key_is_good_here(start, claims):
    assert (await start(signed(claims))).status_code == 201
    assert (await start(signed(claims | {"origin": PAGE}), Origin=PAGE)).status_code == 201


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "other-service"},
        {"aud": ["genmb-voice"]},
        {"aud": ["genmb-voice", "other"]},
        {"aud": None},
        {"sub": "nobody"},
        {"sub": "gone"},
        {"sub": "../shop"},
        {"sub": 7},
        {"sub": ["shop"]},
        {"exp": 0},
        {"exp": "4000000000"},
        {"exp": 4_000_000_000},
        {"exp": 1e308},
        {"exp": True},
        {"exp": None},
        {"iat": 4_000_000_000, "exp": 4_000_000_060},
        {"iat": 0},
        {"iat": None},
        {"iat": "now"},
        {"iat": -1e308},
        {"origin": ["https://shop.example"]},
        {"user": "u-1"},
        {"key": "0" * 16},
        {"key": 7},
        {"key": None},
        {"admin": True},
        {"scope": "all"},
        {"nbf": 0},
        {"iss": "me"},
    ],
)
async def test_a_token_whose_claims_are_not_exactly_the_services_opens_nothing(start, claims, change):
    assert (await start(by_hand({"alg": "HS256", "typ": "JWT"}, claims | change))).status_code == 401


@pytest.mark.parametrize("missing", ["aud", "sub", "iat", "exp", "key"])
async def test_a_token_without_one_of_its_claims_opens_nothing(start, claims, missing):
    del claims[missing]

    assert (await start(by_hand({"alg": "HS256", "typ": "JWT"}, claims))).status_code == 401


async def test_a_token_that_lives_longer_than_an_hour_opens_nothing_though_it_is_signed(start, claims):
    assert (await start(signed(claims | {"exp": claims["iat"] + 3600}))).status_code == 201
    assert (await start(signed(claims | {"exp": claims["iat"] + 3601}))).status_code == 401


async def test_a_token_of_a_node_whose_clock_is_ahead_is_good_within_a_minute(start, claims):
    ahead = {"iat": claims["iat"] + 60, "exp": claims["iat"] + 120}
    assert (await start(signed(claims | ahead))).status_code == 201
    assert (
        await start(signed(claims | {"iat": claims["iat"] + 61, "exp": claims["iat"] + 120}))
    ).status_code == 401


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none", "typ": "JWT"},
        {"alg": "None", "typ": "JWT"},
        {"alg": "HS512", "typ": "JWT"},
        {"alg": "RS256", "typ": "JWT"},
        {"alg": "hs256", "typ": "JWT"},
        {"alg": ["HS256"], "typ": "JWT"},
        {"alg": "HS256"},
        {"alg": "HS256", "typ": "JWT", "kid": "../../dev/null"},
        {"alg": "HS256", "typ": "JWT", "jku": "https://evil.example/keys"},
        {"alg": "HS256", "typ": "JWT", "crit": ["exp"]},
        {"alg": "HS256", "typ": "JWT", "b64": False, "crit": ["b64"]},
        {"typ": "JWT"},
        [],
        "HS256",
        None,
        b"{",
        b"\xff",
        b"[" * 1000,
    ],
)
async def test_a_token_with_any_other_header_opens_nothing(start, claims, header):
    assert (await start(by_hand(header, claims))).status_code == 401


@pytest.mark.parametrize("payload", [[], "shop", None, 7, b"{", b"\xff", b"", b"[" * 1000, b'{"sub": NaN}'])
async def test_a_token_with_any_other_payload_opens_nothing(start, payload):
    assert (await start(by_hand({"alg": "HS256", "typ": "JWT"}, payload))).status_code == 401


async def test_a_token_that_is_signed_otherwise_or_changed_opens_nothing(start, claims):
    good = signed(claims)
    head, body, signature = good.removeprefix("gvt_").split(".")
    forged = [
        signed(claims, key="another-signing-key-0123456789abcdef"),
        signed(claims, key="\0" * 32),
        signed(claims, algorithm="HS512", key=KEY * 2),
        "gvt_" + jwt.encode(claims, None, algorithm="none"),
        f"gvt_{head}.{body}.",
        f"gvt_{head}.{body}",
        f"gvt_{head}..{signature}",
        f"gvt_.{body}.{signature}",
        f"gvt_{head}.{body}.{signature}.{signature}",
        f"gvt_{head}.{body}.{signature[:-2]}",
        f"gvt_{head}.{body}.{signature[::-1]}",
        f"gvt_gvt_{head}.{body}.{signature}",
        good.removeprefix("gvt_"),
        good.upper(),
        "gvt_",
        "gvt_..",
        "gvt_" + "A" * 60_000,
    ]

    for token in forged:
        assert (await start(token)).status_code == 401, token[:80]
    assert (await start(good)).status_code == 201


async def test_where_no_signing_key_is_set_there_are_no_tokens(make_endpoint, register, claims):
    async with make_endpoint(access=register.access(tokens=None)) as endpoint:
        asked = await endpoint.http.post(
            "/v1/app-tokens", json={"seconds": 60}, headers=register.bearer("shop")
        )
        assert asked.status_code == 404
        assert "signing_key" in asked.json()["detail"]
        shown = {"Authorization": f"Bearer {signed(claims)}"}
        assert (await endpoint.http.post("/v1/sessions", json=BODY, headers=shown)).status_code == 401


def test_a_signing_key_that_is_too_short_is_refused_and_none_shows_itself(clock):
    with pytest.raises(ValueError, match="at least 32 bytes") as error:
        AppTokens(Secret("canary-short"), clock)
    assert "canary" not in str(error.value)

    token, leave = AppTokens(Secret(KEY), clock).issue("shop", "0" * 16, 10_000)
    assert leave.expires_at == int(clock()) + 3600
    assert "canary" not in repr(vars(AppTokens(Secret(KEY), clock)))
    assert token.reveal() not in repr((token, leave))
