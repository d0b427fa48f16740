"""Another call for a session that was over: it takes a place among those that may stand at the same time."""

import pytest

from genmb_voice_widget.service.policy import Plan

ONE_AT_A_TIME = Plan("pro", max_live=1)
BODY = {"provider": "here", "session": {"type": "realtime"}, "sdp": "v=0\r\ns=-\r\n"}


@pytest.fixture
async def endpoint(make_endpoint):
    async with make_endpoint(ONE_AT_A_TIME, granted=100) as made:
        yield made


async def talked(endpoint, **headers):
    """Have a session that was charged for and is over; returns its id."""
    started = await endpoint.http.post("/v1/sessions", json=BODY, headers=headers)
    id = started.json()["id"]
    await endpoint.connected(id)
    await endpoint.ended(id)
    return id


async def offer(endpoint, id):
    body = {name: BODY[name] for name in ("session", "sdp")}
    return await endpoint.http.post(f"/v1/sessions/{id}/offer", json=body)


async def test_while_another_has_its_place_it_is_refused_and_the_new_call_is_hung_up(endpoint):
    first = await talked(endpoint)
    second = (await endpoint.start()).json()

    refused = await offer(endpoint, first)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_live")
    assert endpoint.provider.live == {second["call_id"]}

    await endpoint.ended(second["id"])
    again = await offer(endpoint, first)
    assert again.status_code == 200
    assert endpoint.provider.live == {again.json()["call_id"]}
    assert (await endpoint.start()).json()["code"] == "too_many_live"


async def test_a_start_repeated_with_its_key_is_refused_alike(endpoint):
    key = {"Idempotency-Key": "once"}
    await talked(endpoint, **key)
    second = (await endpoint.start()).json()

    refused = await endpoint.http.post("/v1/sessions", json=BODY, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_live")
    assert endpoint.provider.live == {second["call_id"]}


async def test_one_that_still_stands_has_its_place(endpoint):
    id = (await endpoint.start()).json()["id"]
    await endpoint.connected(id)
    assert (await offer(endpoint, id)).status_code == 200
