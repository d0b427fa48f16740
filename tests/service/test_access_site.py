"""Signed-in users of an owner's own site: the owner's function says who they are, and nothing else lets pages in."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.requests import Request

from genmb_voice_widget.service.access.site_hook import SiteHook
from genmb_voice_widget.service.problems import Refusal

BODY = {"session": {"type": "realtime"}, "sdp": "v=0\r\ns=-\r\n"}
PAGE = {"Origin": "https://shop.example"}
CANARY = "canary-5b21"


def signed_in(headers, cookies):
    """Users with this cookie, or this header, are signed in to the shop's site."""
    return "shop" if cookies.get("sid") == "alice" or headers.get("authorization") == "Bearer alice" else None


@pytest.fixture
def make_site(make_endpoint, register):
    def make(hook=signed_in, within=5.0):
        return make_endpoint(granted=1000, access=register.access(site=SiteHook(hook, within)))

    return make


async def start(site, headers, query=""):
    return await site.http.post(f"/v1/sessions{query}", json=BODY, headers=headers)


@pytest.mark.parametrize("shown", [{"Cookie": "sid=alice"}, {"Authorization": "Bearer alice"}])
async def test_a_signed_in_user_of_the_site_may_ask_from_its_pages(make_site, shown):
    async with make_site() as site:
        response = await start(site, PAGE | shown)
        assert response.status_code == 201
        assert response.headers["access-control-allow-credentials"] == "true"
        assert response.headers["access-control-allow-origin"] == PAGE["Origin"]
        assert (await start(site, PAGE | shown, "?app=shop")).status_code == 201


async def test_a_function_that_is_asynchronous_is_awaited_and_another_runs_beside_the_event_loop(make_site):
    async def later(headers, cookies):
        await asyncio.sleep(0)
        return signed_in(headers, cookies)

    threads = []

    def blocking(headers, cookies):
        threads.append(threading.current_thread())
        return signed_in(headers, cookies)

    for hook in (later, blocking, lambda headers, cookies: later(headers, cookies)):
        async with make_site(hook) as site:
            assert (await start(site, PAGE | {"Cookie": "sid=alice"})).status_code == 201
    assert threading.main_thread() not in threads


@pytest.mark.parametrize(
    "shown",
    [{}, {"Cookie": "sid=mallory"}, {"Cookie": ""}, {"Cookie": "sid"}, {"Authorization": "Bearer mallory"}],
)
async def test_who_is_not_signed_in_may_not_ask_though_the_page_is_the_sites(make_site, shown):
    async with make_site() as site:
        for query in ("", "?app=shop"):
            response = await start(site, PAGE | shown, query)
            assert (response.status_code, response.json()["code"]) == (401, "unauthorized")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://other.example"}, 403),
        ({}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 403),
    ],
)
async def test_a_page_of_another_site_cannot_use_that_its_user_is_signed_in(make_site, origin, status):
    async with make_site() as site:
        response = await start(site, {"Cookie": "sid=alice"} | origin)
        assert (response.status_code, response.json()["code"]) == (status, "origin_refused")
        beacon = {"Cookie": "sid=alice", "Content-Type": "text/plain;charset=UTF-8"} | origin
        sent = await site.http.post(f"/v1/sessions/vs_{'0' * 32}/ended", content="{}", headers=beacon)
        assert sent.status_code == status


async def test_a_page_of_the_endpoints_own_origin_may_look_which_browsers_do_without_an_origin(make_site):
    async with make_site() as site:
        cookie = {"Cookie": "sid=alice"}
        for fetched, status in (("same-origin", 200), ("cross-site", 403), ("same-site", 403), ("none", 403)):
            response = await site.http.get("/v1/allowance", headers=cookie | {"Sec-Fetch-Site": fetched})
            assert response.status_code == status
        assert (await site.http.get("/v1/allowance", headers=cookie)).status_code == 403


async def test_a_user_cannot_ask_for_another_app_than_the_one_that_the_function_named(make_site):
    async with make_site() as site:
        for query in ("?app=other", "?app=", "?app=shop&app=other", "?app=SHOP"):
            assert (await start(site, PAGE | {"Cookie": "sid=alice"}, query)).status_code == 401


@pytest.mark.parametrize("named", ["nobody", "gone", "", "../shop", "x" * 1000])
async def test_a_function_that_names_an_app_that_may_not_ask_lets_nobody_in(make_site, named):
    async with make_site(lambda headers, cookies: named) as site:
        assert (await start(site, PAGE | {"Cookie": "sid=alice"})).status_code == 401


async def test_keys_and_tokens_are_read_before_the_function_is_asked(make_site, register):
    asked = []

    async with make_site(lambda headers, cookies: asked.append(1) or "shop") as site:
        for shown in (register.bearer("other"), register.token("other")):
            assert (await start(site, shown | {"Cookie": "sid=alice"})).status_code == 201
        wrong = {"Authorization": "Bearer gvk_shop_" + "A" * 43, "Cookie": "sid=alice"}
        assert (await start(site, PAGE | wrong)).status_code == 401
        assert (await start(site, PAGE)).status_code == 401
    assert asked == []


def fails(headers, cookies):
    raise RuntimeError(CANARY)


async def never(headers, cookies):
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "hook", [fails, never, lambda *_: 7, lambda *_: {"app": "shop"}, lambda *_: True, lambda: "shop"]
)
async def test_a_function_that_fails_lets_nobody_in_and_its_words_are_not_repeated(make_site, hook, caplog):
    async with make_site(hook, within=0.05) as site:
        response = await start(site, PAGE | {"Cookie": f"sid={CANARY}"})
        assert (response.status_code, response.json()["code"]) == (503, "service_unavailable")
        assert response.headers["retry-after"] == "5"
    assert "hook" in caplog.text
    assert CANARY not in caplog.text + response.text


async def test_cookies_are_asked_of_pages_only_where_somebody_looks_at_them(make_site, service):
    asked = PAGE | {"Access-Control-Request-Method": "POST"}
    async with make_site() as site:
        preflight = await site.http.options("/v1/sessions", headers=asked)
        assert preflight.headers["access-control-allow-credentials"] == "true"
    preflight = await service.http.options("/v1/sessions", headers=asked)
    assert preflight.status_code == 204
    assert "access-control-allow-credentials" not in preflight.headers


async def test_a_function_that_hangs_leaves_everyone_elses_threads_alone():
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    go_on = threading.Event()
    request = Request({"type": "http", "headers": [(b"cookie", b"sid=alice")]})
    hook = SiteHook(lambda headers, cookies: go_on.wait(10), within=0.01)
    with pytest.raises(Refusal):
        await hook.app(request)
    try:
        await asyncio.wait_for(asyncio.to_thread(int), 2)
    finally:
        go_on.set()


async def test_while_a_function_hangs_in_all_its_threads_nobody_waits_for_it_and_then_it_is_asked_again():
    go_on = threading.Event()

    def hangs(headers, cookies):
        return "shop" if cookies["sid"] == "alice" or go_on.wait(10) else None

    def signed(name):
        return Request({"type": "http", "headers": [(b"cookie", f"sid={name}".encode())]})

    hook = SiteHook(hangs, within=0.2)
    try:
        asked = [hook.app(signed("bob")) for _ in range(20)]
        assert {type(each) for each in await asyncio.gather(*asked, return_exceptions=True)} == {Refusal}
        hook._within = 60.0
        with pytest.raises(Refusal) as refused:
            async with asyncio.timeout(20):
                await hook.app(signed("alice"))
        assert refused.value.code == "service_unavailable"
    finally:
        go_on.set()
    async with asyncio.timeout(20):
        while True:
            try:
                assert await hook.app(signed("alice")) == "shop"
                break
            except Refusal:
                await asyncio.sleep(0.005)
