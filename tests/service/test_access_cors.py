"""What a browser is told about which pages may ask and read (Fetch standard), and what pages can send unasked."""

import asyncio
import json

import pytest
from harness.apps_memory import MemoryApps

from genmb_voice_widget.service.access.apps import App
from genmb_voice_widget.service.access.apps_cached import CachedApps
from genmb_voice_widget.service.access.by_app import AppAccess
from genmb_voice_widget.service.problems import Refusal

BODY = {"session": {"type": "realtime"}, "sdp": "v=0\r\ns=-\r\n"}
PAGE = {"Origin": "https://shop.example"}
ASKED = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


def cors(response):
    return {name: value for name, value in response.headers.items() if name.startswith("access-control-")}


async def test_a_preflight_says_all_that_a_page_may_send_and_for_how_long_that_holds(service):
    preflight = await service.http.options("/v1/sessions?app=shop", headers=PAGE | ASKED)

    assert (preflight.status_code, preflight.content) == (204, b"")
    assert cors(preflight) == {
        "access-control-allow-origin": "https://shop.example",
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key",
        "access-control-max-age": "3600",
    }
    assert {"Origin", "Access-Control-Request-Headers"} <= set(preflight.headers["vary"].split(", "))


async def test_a_page_of_the_web_may_ask_an_endpoint_in_a_private_network_if_it_may_ask_at_all(service):
    private = ASKED | {"Access-Control-Request-Private-Network": "true"}
    granted = await service.http.options("/v1/sessions", headers=PAGE | private)
    refused = await service.http.options("/v1/sessions", headers={"Origin": "https://evil.example"} | private)

    assert granted.headers["access-control-allow-private-network"] == "true"
    assert cors(refused) == {}


async def test_every_answer_to_a_page_can_be_read_by_it_a_refusal_too(service, register):
    seen = []
    for query, headers, status in (
        ("?app=shop", {}, 201),
        ("?app=other", {}, 403),
        ("?app=nobody", {}, 401),
        ("", {"Content-Type": "text/plain"}, 415),
    ):
        content = json.dumps(BODY)
        headers = PAGE | {"Content-Type": "application/json"} | headers
        response = await service.http.post(f"/v1/sessions{query}", content=content, headers=headers)
        assert response.status_code == status
        assert response.headers["access-control-allow-origin"] == "https://shop.example"
        assert {"Retry-After", "RateLimit", "Location"} <= set(
            response.headers["access-control-expose-headers"].split(", ")
        )
        seen.append(response.headers["vary"])
    assert set(seen) == {"Origin"}


@pytest.mark.parametrize("path", ["/v1/allowance", "/", "/nowhere"])
async def test_every_answer_says_that_it_depends_on_the_origin_even_to_a_request_that_has_none(service, path):
    for headers in ({}, PAGE, {"Origin": "https://evil.example"}):
        assert "Origin" in (await service.http.get(path, headers=headers)).headers["vary"].split(", ")


async def test_an_answer_to_a_page_that_may_not_ask_cannot_be_read_by_it(service):
    for origin in ("https://evil.example", "null", "https://gone.example"):
        response = await service.http.get("/v1/allowance", headers={"Origin": origin})
        assert cors(response) == {}


async def test_an_options_request_that_is_no_preflight_is_none(service):
    for headers in ({}, PAGE, ASKED):
        assert (await service.http.options("/v1/sessions", headers=headers)).status_code == 405


# The look-up is remembered for some seconds


class Asked(MemoryApps):
    """Notes how often it is asked, and can be made to fail."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.down = False

    async def find(self, id):
        self._note()
        return await super().find(id)

    async def origin_known(self, origin):
        self._note()
        return await super().origin_known(origin)

    def _note(self):
        self.count += 1
        if self.down:
            raise Refusal("service_unavailable", "It is down.", retry_after=5.0)


@pytest.fixture
async def cached(clock):
    asked = Asked()
    await asked.add(App("shop", "alice", "pro", ("https://shop.example",), "hash"))
    return asked, CachedApps(asked, clock, seconds=3.0)


async def test_an_origin_and_an_app_are_looked_up_once_in_some_seconds(cached, clock):
    asked, apps = cached
    for _ in range(50):
        assert await apps.origin_known("https://shop.example")
        assert not await apps.origin_known("https://evil.example")
        assert (await apps.find("shop")).owner == "alice"
        assert await apps.find("nobody") is None
    assert asked.count == 4
    clock.advance(3)
    await asked.revoke("shop")
    assert not await apps.origin_known("https://shop.example")
    assert (await apps.find("shop")).revoked
    assert asked.count == 6


async def test_while_the_register_cannot_be_asked_a_known_page_can_still_read_so_and_nobody_is_let_in(
    cached, clock
):
    asked, apps = cached
    await apps.origin_known("https://shop.example")
    await apps.find("shop")
    asked.down = True
    clock.advance(500)
    assert await apps.origin_known("https://shop.example")
    for question in (apps.find("shop"), apps.origin_known("https://new.example")):
        with pytest.raises(Refusal, match="service_unavailable"):
            await question
    clock.advance(101)
    with pytest.raises(Refusal, match="service_unavailable"):
        await apps.origin_known("https://shop.example")


@pytest.mark.parametrize(("path", "granted"), [("/healthz", None), ("/sdk.js", "*")])
async def test_the_script_and_the_sign_of_life_are_there_while_no_app_can_be_looked_up(
    make_endpoint, path, granted
):
    asked = Asked()
    asked.down = True
    async with make_endpoint(access=AppAccess(asked)) as endpoint:
        answer = await endpoint.http.get(path, headers={"Origin": "https://new.example"})
        assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (200, granted)
        assert (await endpoint.http.get("/v1/allowance", headers=PAGE)).status_code == 503


async def test_what_strangers_ask_for_does_not_fill_the_memory(cached):
    _, apps = cached
    for number in range(10_050):
        await apps.origin_known(f"https://{number}.example")

    assert len(apps._origins._answers) == 10_000


async def test_an_origin_that_cannot_be_looked_up_is_a_problem_and_not_a_silence(
    make_endpoint, register, monkeypatch
):
    async def down(origin):
        raise Refusal("service_unavailable", "It is down.", retry_after=5.0)

    monkeypatch.setattr(register.apps, "origin_known", down)
    async with make_endpoint(access=register.access()) as endpoint:
        for response in (
            await endpoint.http.options("/v1/sessions", headers=PAGE | ASKED),
            await endpoint.http.post("/v1/sessions?app=shop", json=BODY, headers=PAGE),
        ):
            assert (response.status_code, response.headers["retry-after"]) == (503, "5")
            assert cors(response) == {}


# Beacons: sent without asking first, when a page is closed


BEACON = {"Content-Type": "text/plain;charset=UTF-8"}


@pytest.fixture
async def session(service):
    return (await service.http.post("/v1/sessions?app=shop", json=BODY, headers=PAGE)).json()["id"]


async def test_a_page_that_is_closed_ends_its_call_by_a_beacon(service, session):
    response = await service.http.post(
        f"/v1/sessions/{session}/ended?app=shop", content='{"reason": "page_gone"}', headers=PAGE | BEACON
    )

    assert (response.status_code, response.json()) == (200, {"id": session, "state": "released"})
    assert service.provider.hung_up == ["rtc_1"]
    assert (await service.ledger.find(session)).reason == "page_gone"


async def test_a_beacon_of_another_page_or_app_or_of_nobody_ends_nothing(service, session):
    for query, headers, status in (
        ("?app=shop", {"Origin": "https://evil.example"}, 403),
        ("?app=shop", {"Origin": "null"}, 403),
        ("?app=shop", {}, 401),
        ("", PAGE, 401),
        ("?app=other", PAGE, 403),
        ("?app=other", {"Origin": "https://other.example"}, 404),
    ):
        path = f"/v1/sessions/{session}/ended{query}"
        response = await service.http.post(path, content="{}", headers=headers | BEACON)
        assert response.status_code == status, (query, headers)
    assert service.provider.hung_up == []


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/{id}/connected", "/v1/sessions/{id}/offer"])
async def test_no_other_route_takes_a_beacon(service, session, path):
    for each in (path, f"{path}?x=/ended", f"{path}/", f"{path}//ended"):
        response = await service.http.post(
            each.format(id=session), content=json.dumps(BODY), headers=PAGE | BEACON, params={"app": "shop"}
        )
        assert response.status_code == 415


@pytest.mark.parametrize(
    "content", ["{", "reason=page_gone", '"page_gone"', '{"reason": 7}', "[]", "\0", '{"x": 1}']
)
async def test_a_beacon_that_is_not_the_json_of_an_end_is_refused(service, session, content):
    response = await service.http.post(
        f"/v1/sessions/{session}/ended?app=shop", content=content, headers=PAGE | BEACON
    )

    assert (response.status_code, response.json()["code"]) == (422, "bad_request")
    assert service.provider.hung_up == []


async def test_a_beacon_is_not_longer_than_another_body_may_be(service, session):
    response = await service.http.post(
        f"/v1/sessions/{session}/ended?app=shop", content="x" * 65_537, headers=PAGE | BEACON
    )

    assert response.status_code == 413


# An endpoint that asks nobody, on the machine of its user, and the pages that its user looks at


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://endpoint:81"},
    {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
    {"Referer": "https://evil.example/page"},
]
OWN = [
    {},
    {"Origin": "http://endpoint"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Origin": "https://voice.example", "Sec-Fetch-Site": "same-origin"},
    {"Referer": "http://endpoint/"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_page_of_another_site_cannot_have_the_local_peer_started(endpoint, headers):
    response = await endpoint.http.get("/readyz", headers=headers)

    assert (response.status_code, response.json()["code"]) == (403, "origin_refused")
    assert endpoint.provider.readied == 0


@pytest.mark.parametrize("headers", OWN)
async def test_whoever_is_no_page_of_another_site_can(endpoint, headers):
    assert (await endpoint.http.get("/readyz", headers=headers)).json() == {"status": "ready"}
    assert endpoint.provider.readied == 1


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_page_of_another_site_can_neither_start_nor_end_a_session_by_what_is_sent_unasked(
    endpoint, headers
):
    id = (await endpoint.start()).json()["id"]
    for path, body in (("/v1/sessions", BODY), (f"/v1/sessions/{id}/ended", {})):
        for media_type in ("text/plain;charset=UTF-8", "application/json"):
            sent = headers | {"Content-Type": media_type}
            response = await endpoint.http.post(path, content=json.dumps(body), headers=sent)
            assert response.status_code in (403, 415)
    assert len(endpoint.provider.sessions) == 1
    assert endpoint.provider.hung_up == []


@pytest.mark.parametrize("headers", OWN)
async def test_its_own_pages_and_programs_can(endpoint, headers):
    id = (await endpoint.http.post("/v1/sessions", json=BODY, headers=headers)).json()["id"]
    response = await endpoint.http.post(f"/v1/sessions/{id}/ended", content="{}", headers=headers | BEACON)

    assert response.json() == {"id": id, "state": "released"}


async def test_a_page_that_was_named_can_too(make_endpoint):
    async with make_endpoint(origins=["https://app.example"]) as endpoint:
        page = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
        id = (await endpoint.http.post("/v1/sessions", json=BODY, headers=page)).json()["id"]
        ended = await endpoint.http.post(f"/v1/sessions/{id}/ended", content="{}", headers=page | BEACON)
        assert ended.json() == {"id": id, "state": "released"}


async def test_the_kernel_that_mounts_the_endpoint_still_warms_it_up(endpoint):
    from genmb_voice_widget.client import TokenClient

    client = TokenClient(lambda: endpoint.http)
    await asyncio.wait_for(client.warm("here"), 5)

    assert endpoint.provider.readied == 1
