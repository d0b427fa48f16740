"""Who may ask, where apps are told apart: keys, pages and their origins, and that no app reaches another's session."""

import itertools

import httpx
import pytest

from genmb_voice_widget.service.access import OpenAccess
from genmb_voice_widget.service.access.app_keys import app_of, hash_key, new_key, opens
from genmb_voice_widget.service.access.origins import is_origin
from genmb_voice_widget.service.app import in_process, make_app, shut_down
from genmb_voice_widget.service.assemble import assemble
from genmb_voice_widget.service.drain import Drain
from genmb_voice_widget.service.ledger.memory import MemoryLedger
from genmb_voice_widget.service.policy import NOTEBOOK
from genmb_voice_widget.service.settings import Settings
from genmb_voice_widget.service.window import MemoryWindow

PAGE = "https://shop.example"
OFFER = "v=0\r\ns=-\r\n"
BODY = {"session": {"type": "realtime"}, "sdp": OFFER}
UNKNOWN = "vs_" + "0" * 32

REQUESTS = {
    "open": ("POST", "/v1/sessions", BODY),
    "offer": ("POST", "/v1/sessions/{id}/offer", BODY),
    "connected": ("POST", "/v1/sessions/{id}/connected", {}),
    "ended": ("POST", "/v1/sessions/{id}/ended", {}),
    "status": ("GET", "/v1/sessions/{id}", None),
    "allowance": ("GET", "/v1/allowance", None),
    "token": ("POST", "/v1/app-tokens", {"seconds": 60}),
}
ABOUT_ONE = ("offer", "connected", "ended", "status")


@pytest.fixture
def ask(service):
    async def ask(name, id=UNKNOWN, headers=None, app=None):
        method, path, body = REQUESTS[name]
        query = {} if app is None else {"app": app}
        return await service.http.request(
            method, path.format(id=id), json=body, headers=headers or {}, params=query
        )

    return ask


def assert_unknown(response):
    assert response.status_code == 401, response.text
    assert response.json()["code"] == "unauthorized"
    assert response.headers["www-authenticate"] == 'Bearer realm="genmb-voice"'


# Keys


async def test_an_apps_key_opens_everything_to_its_server(ask, register):
    key = register.bearer("shop")
    started = await ask("open", headers=key)
    id = started.json()["id"]

    assert started.status_code == 201
    assert (await ask("connected", id, key)).json()["state"] == "captured"
    assert (await ask("offer", id, key)).status_code == 200
    assert (await ask("status", id, key)).json()["id"] == id
    assert (await ask("allowance", headers=key)).json()["plan"] == "pro"
    assert (await ask("token", headers=key)).status_code == 201
    assert (await ask("ended", id, key)).json()["state"] == "captured"


@pytest.mark.parametrize("way", ["key", "token", "page"])
async def test_an_app_on_a_plan_of_a_newer_release_is_told_so_and_the_log_is_once(ask, register, caplog, way):
    await register.enter("ahead", "alice", "galactic", "https://ahead.example")
    for _ in range(3):
        match way:
            case "key":
                refused = await ask("open", headers=register.bearer("ahead"))
            case "token":
                refused = await ask("open", headers=register.token("ahead"))
            case _:
                refused = await ask("open", headers={"Origin": "https://ahead.example"}, app="ahead")
        assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
        assert "newer release" in refused.json()["detail"]
        assert refused.headers["retry-after"] == "5"
    assert [record.getMessage() for record in caplog.records] == [
        "this release knows no plan galactic: apps on it are refused"
    ]
    assert (await ask("open", headers=register.bearer("shop"))).status_code == 201


async def test_a_session_is_paid_by_the_owner_of_the_app_whose_key_was_shown(ask, register, service):
    await ask(
        "connected",
        (await ask("open", headers=register.bearer("other"))).json()["id"],
        register.bearer("other"),
    )

    assert (await service.ledger.balance("bob")).captured == 5
    assert (await service.ledger.balance("alice")).captured == 0


@pytest.mark.parametrize("name", REQUESTS)
async def test_who_shows_nothing_is_told_nothing_but_that(ask, name):
    assert_unknown(await ask(name))


def mutilated(key):
    """Every way to hold something that looks like a key and is none."""
    other = new_key("other").reveal()
    yield from (
        "",
        "gvk_",
        "gvk_shop_",
        key[:-1],
        f"{key}A",
        key.upper(),
        key.replace("gvk_shop", "gvk_other"),
    )
    yield from (
        key.replace("gvk_shop", "gvk_gone"),
        key.replace("gvk_shop", "gvk_nobody"),
        other,
        f"{key} {key}",
    )
    yield from (
        key.replace("gvk_", ""),
        f"gvk_{key}",
        "gvk_shop_" + "A" * 43,
        key.replace("gvk_shop_", "gvk__"),
    )
    yield from (
        key[:-1] + ("B" if key[-1] == "A" else "A"),
        "gvk_../shop_" + "A" * 43,
        "gvk_shop_" + "ä" * 43,
    )
    yield hash_key(new_key("shop"))


async def test_what_only_looks_like_a_key_opens_nothing_and_every_refusal_is_the_same(ask, register):
    answers = set()
    for key in mutilated(register.keys["shop"]):
        response = await ask("open", headers={"Authorization": f"Bearer {key}".encode()})
        assert_unknown(response)
        answers.add(response.text)

    assert len(answers) == 1
    assert "was not accepted" in answers.pop()
    assert "shows no app" in (await ask("open")).json()["detail"]


@pytest.mark.parametrize(
    "field",
    [
        "{key}",
        "Basic {key}",
        "bearer",
        "Bearer",
        "Bearer, {key}",
        "Token {key}",
        "Bearer {key}, Bearer {key}",
    ],
)
async def test_a_key_under_another_scheme_opens_nothing(ask, register, field):
    assert_unknown(await ask("open", headers={"Authorization": field.format(key=register.keys["shop"])}))


async def test_of_two_credentials_none_counts(service, register):
    both = [("Authorization", register.bearer(id)["Authorization"]) for id in ("shop", "other")]

    assert_unknown(await service.http.post("/v1/sessions", json=BODY, headers=both))


async def test_the_scheme_is_read_in_capitals_and_small_letters_alike(ask, register):
    assert (
        await ask("open", headers={"Authorization": f"bEARER {register.keys['shop']}"})
    ).status_code == 201


async def test_the_key_of_a_revoked_app_opens_nothing_at_once(ask, register):
    assert_unknown(await ask("open", headers=register.bearer("gone")))
    id = (await ask("open", headers=register.bearer("shop"))).json()["id"]
    await register.apps.revoke("shop")

    for name in REQUESTS:
        assert_unknown(await ask(name, id, register.bearer("shop")))


def test_a_key_tells_its_app_and_only_its_hash_opens():
    for id in ("a", "shop", "a-b-c", "x" * 40):
        key = new_key(id)
        assert app_of(key.reveal()) == id
        assert opens(key.reveal(), hash_key(key))
        assert not opens(key.reveal(), hash_key(new_key(id)))
        assert not opens(key.reveal(), None)
        assert key.reveal() not in repr(key)


def test_a_key_for_an_app_that_does_not_exist_is_compared_all_the_same(monkeypatch):
    from genmb_voice_widget.service.access import app_keys

    compared = []
    monkeypatch.setattr(app_keys.hmac, "compare_digest", lambda *pair: compared.append(pair))
    opens(new_key("nobody").reveal(), None)

    assert [len(each) for each in compared[0]] == [64, 64]


# Pages


async def test_a_page_of_the_apps_origin_may_ask_by_naming_the_app(ask):
    for origin in ("https://shop.example", "http://localhost:3000"):
        page = {"Origin": origin}
        started = await ask("open", headers=page, app="shop")
        assert started.status_code == 201
        assert started.headers["access-control-allow-origin"] == origin
        assert (await ask("connected", started.json()["id"], page, "shop")).status_code == 200


TRICKS = [
    "null",
    "",
    "*",
    "https://SHOP.example",
    "HTTPS://shop.example",
    "http://shop.example",
    "https://shop.example:443",
    "https://shop.example:8443",
    "https://shop.example.evil.example",
    "https://evil-shop.example",
    "https://evilshop.example",
    "https://a.shop.example",
    "https://shop.example.",
    "https://shop.example/",
    "https://shop.example/path",
    "https://shop.example?",
    "https://shop.example#",
    "https://user@shop.example",
    "https://shop.example@evil.example",
    "https://shop.example:pw@evil.example",
    "https://shop.example\\.evil.example",
    "https://shop.example%2eevil.example",
    "https://shop.example%00.evil.example",
    "https://shop%2eexample",
    "https://shop.example https://evil.example",
    "https://evil.example https://shop.example",
    "https://shop.example,https://evil.example",
    "https://xn--shp-1na.example",
    "https://xn--shop-.example",
    "https://shоp.example",
    "https://ｓhop.example",
    "//shop.example",
    "shop.example",
    "ws://shop.example",
    "file://",
    "chrome-extension://shop.example",
    "http://localhost",
    "http://localhost:3001",
    "http://localhost:03000",
    "http://localhost:3000.evil.example",
    "http://127.0.0.1:3000",
    "http://[::1]:3000",
    "https://other.example",
    "https://gone.example",
]


@pytest.mark.parametrize("origin", TRICKS)
async def test_a_page_of_any_other_origin_may_not_however_it_is_written(ask, service, register, origin):
    sent = {"Origin": origin.encode()}
    for headers, app in (
        (sent, "shop"),
        (sent | register.bearer("shop"), None),
        (sent | register.token("shop"), None),
    ):
        response = await ask("open", headers=headers, app=app)
        assert (response.status_code, response.json()["code"]) == (403, "origin_refused")
    assert service.provider.sessions == []


@pytest.mark.parametrize("origin", sorted({*TRICKS} - {"https://other.example"}))
async def test_no_preflight_lets_such_a_page_ask_or_read(service, origin):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    preflight = await service.http.options(
        "/v1/sessions?app=shop", headers={"Origin": origin.encode(), **asked}
    )

    assert preflight.status_code == 403
    assert not [name for name in preflight.headers if name.startswith("access-control-")]


async def test_of_two_origins_none_counts(service):
    for both in itertools.permutations(["https://shop.example", "https://evil.example"]):
        fields = [("Origin", origin) for origin in both]
        response = await service.http.post("/v1/sessions?app=shop", json=BODY, headers=fields)
        assert (response.status_code, response.json()["code"]) == (403, "origin_refused")
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("name", [name for name in REQUESTS if name != "token"])
async def test_without_an_origin_only_a_server_may_ask(ask, name):
    assert_unknown(await ask(name, app="shop"))


@pytest.mark.parametrize(
    "app", ["nobody", "gone", "", "SHOP", "shop ", "../shop", "shop\0", "sh%6fp", "x" * 5000]
)
async def test_an_app_that_does_not_exist_or_was_revoked_is_not_told_apart(ask, app):
    assert_unknown(await ask("open", headers={"Origin": "https://shop.example"}, app=app))


VAULT = "https://vault.example"


async def test_the_pages_of_an_app_with_tokens_only_are_let_in_by_a_token_and_by_nothing_else(ask, register):
    await register.enter("vault", "alice", "pro", VAULT, tokens_only=True)
    page = {"Origin": VAULT}
    refused = await ask("open", headers=page, app="vault")
    assert_unknown(refused)
    assert "a token made with it" in refused.json()["detail"]
    assert refused.headers["access-control-allow-origin"] == VAULT

    made = await ask("token", headers=register.bearer("vault"))
    token = {"Authorization": f"Bearer {made.json()['token']}"}
    id = (await ask("open", headers=page | token)).json()["id"]
    for name in REQUESTS:
        assert_unknown(await ask(name, id, page, "vault"))
    assert (await ask("ended", id, page | token)).status_code == 200
    assert (await ask("open", headers=register.token("vault", origin=VAULT) | page)).status_code == 201


async def test_an_app_with_tokens_only_is_not_told_apart_from_one_that_does_not_exist(ask, register):
    await register.enter("vault", "alice", "pro", VAULT, tokens_only=True)
    for headers in ({}, {"Origin": VAULT}, {"Origin": "https://shop.example"}, {"Origin": "null"}):
        answers = {(await ask("open", headers=headers, app=app)).text for app in ("vault", "nobody")}
        assert len(answers) == 1


async def test_of_two_apps_none_counts(service):
    page = {"Origin": "https://shop.example"}

    assert_unknown(await service.http.post("/v1/sessions?app=shop&app=other", json=BODY, headers=page))
    assert_unknown(await service.http.post("/v1/sessions?app=shop&app=shop", json=BODY, headers=page))


async def test_a_page_cannot_have_tokens_made(ask):
    assert_unknown(await ask("token", headers={"Origin": "https://shop.example"}, app="shop"))


async def test_a_wrong_credential_is_not_forgiven_for_a_right_origin(ask):
    for credential in ("Bearer gvk_shop_" + "A" * 43, "Bearer gvt_x", "Bearer something", "Basic c2hvcDo="):
        page = {"Origin": "https://shop.example", "Authorization": credential}
        assert_unknown(await ask("open", headers=page, app="shop"))


def test_what_an_origin_is():
    good = [
        "https://a",
        "https://a.b.example",
        "http://localhost:1",
        "https://xn--bcher-kva.example:8443",
        "http://[::1]:3000",
        "https://a-b.example",
    ]
    bad = [*(trick for trick in TRICKS if trick.startswith(("HTTPS", "//", "ws", "file"))), "https://a:80:80", "https://a:0", "https://a:443", "http://a:80", "https://a:99999", "https://-a.example", "https://a..b", "https://a b", "https://", "https://a\n", "https://" + "a" * 400]  # fmt: skip

    assert [origin for origin in good if not is_origin(origin)] == []
    assert [origin for origin in bad if is_origin(origin)] == []


# Nobody else's sessions


@pytest.fixture
def ways(register):
    """Each way to ask for an app: header fields and the query."""

    def ways(id, origin):
        return {
            "key": (register.bearer(id), None),
            "key from a page": (register.bearer(id) | {"Origin": origin}, None),
            "token": (register.token(id), None),
            "token for a page": (register.token(id, origin=origin) | {"Origin": origin}, None),
            "page": ({"Origin": origin}, id),
        }

    return ways


async def test_one_app_cannot_touch_anothers_session_by_any_route_or_way(ask, ways, register, service):
    id = (await ask("open", headers=register.bearer("shop"))).json()["id"]
    for name in ABOUT_ONE:
        for way, (headers, app) in ways("other", "https://other.example").items():
            foreign, unknown = await ask(name, id, headers, app), await ask(name, UNKNOWN, headers, app)
            assert foreign.status_code == 404, (name, way)
            assert foreign.json() == unknown.json(), (name, way)

    assert service.provider.hung_up == []
    status = await ask("status", id, register.bearer("shop"))
    assert (status.json()["state"], status.json()["call_id"]) == ("reserved", "rtc_1")


async def test_naming_the_other_app_in_the_query_does_not_help(ask, register):
    id = (await ask("open", headers=register.bearer("shop"))).json()["id"]

    for name in ABOUT_ONE:
        assert (await ask(name, id, register.bearer("other"), "shop")).status_code == 404
        assert (await ask(name, id, {"Origin": "https://other.example"}, "shop")).status_code == 403


async def test_an_app_reaches_its_own_session_by_every_way(ask, ways):
    for way, (headers, app) in ways("shop", "https://shop.example").items():
        id = (await ask("open", headers=headers, app=app)).json()["id"]
        for name in ("connected", "offer", "status", "ended"):
            assert (await ask(name, id, headers, app)).status_code == 200, (name, way)


async def test_the_same_idempotency_key_of_two_apps_is_two_sessions(service, register):
    ids = set()
    for app in ("shop", "other"):
        headers = register.bearer(app) | {"Idempotency-Key": "one"}
        ids.add((await service.http.post("/v1/sessions", json=BODY, headers=headers)).json()["id"])

    assert len(ids) == 2


async def test_two_apps_have_windows_of_their_own(ask, register):
    for _ in range(3):
        await ask("open", headers=register.bearer("shop"))

    assert (await ask("allowance", headers=register.bearer("shop"))).json()["sessions"]["remaining"] == 17
    assert (await ask("allowance", headers=register.bearer("other"))).json()["sessions"]["remaining"] == 20


# What is told of the owner


async def test_the_owners_balance_is_told_to_who_shows_the_key_and_to_no_page(ask, ways, register):
    for way, (headers, app) in ways("shop", PAGE).items():
        told = (await ask("allowance", headers=headers, app=app)).json()
        assert ("credits" in told) == way.startswith("key"), way
        assert (told["enough_credits"], told["credits_per_session"]) == (True, 5)
        assert told["sessions"]["remaining"] == 20


@pytest.mark.parametrize(("granted", "enough"), [(4, False), (5, True)])
async def test_a_page_is_told_whether_the_credits_are_enough_for_one_more_session(
    make_endpoint, register, granted, enough
):
    async with make_endpoint(granted=granted, access=register.access()) as made:
        page = {"params": {"app": "shop"}, "headers": {"Origin": PAGE}}
        told = (await made.http.get("/v1/allowance", **page)).json()
        assert told["enough_credits"] is enough


async def test_without_a_limit_the_credits_are_enough_and_none_are_counted(endpoint):
    told = (await endpoint.http.get("/v1/allowance")).json()
    assert (told["credits"], told["enough_credits"]) == (None, True)


# What the unauthenticated see


async def test_who_is_not_known_learns_nothing_of_plans_credits_sessions_or_providers(ask, register, service):
    id = (await ask("open", headers=register.bearer("shop"))).json()["id"]
    page = {"Origin": "https://evil.example"}
    seen = {(await ask(name, each, app=app)).text for name in REQUESTS for each in (id, UNKNOWN) for app in (None, "shop", "free", "nobody")}  # fmt: skip
    refused = {(await ask(name, each, page, app)).text for name in REQUESTS for each in (id, UNKNOWN) for app in ("shop", "free")}  # fmt: skip
    bodies = [{**BODY, "provider": "nobody"}, {}, [], {"session": 1}, {**BODY, "unknown": 1}]
    seen |= {(await service.http.post("/v1/sessions", json=body)).text for body in bodies}

    assert len(seen) == len(refused) == 1
    assert "unauthorized" in seen.pop()
    assert "origin_refused" in refused.pop()


async def test_an_app_without_voice_in_its_plan_is_told_so_once_it_has_shown_its_key(ask, register):
    response = await ask("open", headers=register.bearer("free"))

    assert (response.status_code, response.json()["code"]) == (403, "plan_required")


# A voice service's own secrets


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/{id}/offer"])
async def test_a_pages_caller_never_gets_the_services_secret_neither_at_once_nor_for_a_session_that_stands(
    service, register, path
):
    made = await service.http.post("/v1/sessions", json=BODY, headers=register.bearer("shop"))
    path = path.format(id=made.json()["id"])
    body = {"session": {"type": "realtime"}} | ({} if "offer" in path else {"transport": "websocket"})
    page = {"params": {"app": "shop"}, "headers": {"Origin": "https://shop.example"}}
    for shown in (page, {"headers": register.token("shop")}):
        answer = await service.http.post(path, json=body, **shown)
        assert (answer.status_code, answer.json()["code"]) == (403, "secret_refused")
    assert service.provider.sessions == [{"type": "realtime"}]


@pytest.mark.parametrize("app", [in_process, lambda _: assemble(Settings(origins=(PAGE,)), Drain())])
async def test_where_nobody_is_asked_a_kernel_gets_the_services_secret_and_a_page_never(
    app, make_provider, monkeypatch
):
    monkeypatch.setattr(
        "genmb_voice_widget.service.assemble.make_providers", lambda *_: {"here": make_provider()}
    )
    app = app({"here": make_provider()})
    wish = {"session": {"type": "realtime"}, "transport": "websocket"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        made = await http.post("/v1/sessions", json=wish)
        assert (made.status_code, made.json()["token"]) == (201, "ek_canary_7f3a")
        for origin in (PAGE, "http://localhost"):
            refused = await http.post("/v1/sessions", json=wish, headers={"Origin": origin})
            assert refused.status_code == 403
            renewed = f"/v1/sessions/{made.json()['id']}/offer"
            body = {"session": {"type": "realtime"}}
            assert (await http.post(renewed, json=body, headers={"Origin": origin})).status_code == 403
    await shut_down(app)


async def test_a_page_that_shows_an_apps_key_gets_no_secret_with_it(service, register):
    wish = {"session": {"type": "realtime"}, "transport": "websocket"}
    shown = register.bearer("shop") | {"Origin": PAGE}
    refused = await service.http.post("/v1/sessions", json=wish, headers=shown)
    assert (refused.status_code, refused.json()["code"]) == (403, "secret_refused")


async def test_an_endpoint_hands_no_secret_out_unless_it_was_told_to(make_provider, clock):
    app = make_app(
        providers={"here": make_provider()},
        access=OpenAccess(NOTEBOOK),
        window=MemoryWindow(clock),
        ledger=MemoryLedger(clock),
        clock=clock,
    )
    wish = {"session": {"type": "realtime"}, "transport": "websocket"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as http:
        assert (await http.post("/v1/sessions", json=wish)).json()["code"] == "secret_refused"
    await shut_down(app)


async def test_a_server_gets_the_services_secret_only_where_the_operator_hands_them_out(
    make_endpoint, register, service
):
    wish = {"session": {"type": "realtime"}, "transport": "websocket"}
    key = {"headers": register.bearer("shop")}
    assert (await service.http.post("/v1/sessions", json=wish, **key)).status_code == 201

    async with make_endpoint(granted=100, access=register.access(), hand_out_secrets=False) as closed:
        answer = await closed.http.post("/v1/sessions", json=wish, **key)
        assert (answer.status_code, answer.json()["code"]) == (403, "secret_refused")
        assert (await closed.http.post("/v1/sessions", json=BODY, **key)).status_code == 201
