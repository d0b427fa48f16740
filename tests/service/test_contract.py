"""The endpoint's five routes, as docs/architecture.md promises them."""

import re

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"


async def test_an_offer_is_answered_with_a_ticket_that_holds_the_answer_and_no_secret(endpoint):
    response = await endpoint.start()

    assert response.status_code == 201
    ticket = response.json()
    assert re.fullmatch(r"vs_[0-9a-f]{32}", ticket.pop("id"))
    assert ticket == {
        "provider": "here",
        "dialect": "ga",
        "transport": "webrtc",
        "model": "a-model",
        "voice": "marin",
        "transcription": None,
        "call_id": "rtc_1",
        "sdp": "v=0\r\ns=answer to a-model\r\n",
        "sideband": True,
        "filtered": False,
        "charge": {"credits": 5, "state": "reserved"},
    }
    assert response.headers["location"] == f"/v1/sessions/{response.json()['id']}"


async def test_the_wish_for_a_websocket_is_answered_with_a_url_and_a_short_lived_secret(endpoint):
    response = await endpoint.start(sdp=None, transport="websocket")

    assert response.status_code == 201
    ticket = response.json()
    ticket.pop("id")
    assert ticket == {
        "provider": "here",
        "dialect": "ga",
        "transport": "websocket",
        "model": "a-model",
        "voice": None,
        "transcription": None,
        "url": "ws://127.0.0.1:9/v1/realtime",
        "token": "ek_canary_7f3a",
        "expires_at": 1_000_060.0,
        "header": "Authorization",
        "charge": {"credits": 5, "state": "reserved"},
    }


async def test_the_session_reaches_the_provider_as_it_was_given(endpoint):
    session = {
        "type": "realtime",
        "model": "m",
        "tools": [{"type": "function", "name": "f"}],
        "of_tomorrow": 1,
    }
    await endpoint.start(session=session)

    assert endpoint.provider.sessions == [session]


async def test_a_caller_that_names_no_provider_gets_the_endpoints_first(endpoint):
    response = await endpoint.http.post("/v1/sessions", json={"session": {"type": "realtime"}, "sdp": OFFER})

    assert response.json()["provider"] == "here"


async def test_the_proof_of_the_handshake_captures_five_credits(endpoint):
    id = (await endpoint.start()).json()["id"]
    response = await endpoint.connected(id, call_id="rtc_1")

    assert response.status_code == 200
    assert response.json() == {"id": id, "state": "captured"}
    assert (await endpoint.ledger.balance("owner")).captured == 5


async def test_a_proof_that_is_repeated_changes_nothing(endpoint):
    id = (await endpoint.start()).json()["id"]
    answers = [(await endpoint.connected(id)).json() for _ in range(3)]

    assert answers == [{"id": id, "state": "captured"}] * 3
    assert [entry.kind for entry in endpoint.ledger.entries] == ["reserve", "capture"]


async def test_an_end_before_the_proof_hangs_up_and_gives_the_credits_back(endpoint):
    id = (await endpoint.start()).json()["id"]
    response = await endpoint.ended(id, reason="user")

    assert response.json() == {"id": id, "state": "released"}
    assert endpoint.provider.hung_up == ["rtc_1"]
    assert [entry.kind for entry in endpoint.ledger.entries] == ["reserve", "release"]


async def test_an_end_after_the_proof_hangs_up_and_the_credits_stay_spent(endpoint):
    id = (await endpoint.start()).json()["id"]
    await endpoint.connected(id)
    responses = [(await endpoint.ended(id)).json() for _ in range(2)]

    assert responses == [{"id": id, "state": "captured"}] * 2
    assert endpoint.provider.hung_up == ["rtc_1"]
    assert (await endpoint.ledger.balance("owner")).captured == 5


async def test_a_proof_after_the_end_is_still_the_proof_of_a_session_that_was_charged(endpoint):
    id = (await endpoint.start()).json()["id"]
    await endpoint.connected(id)
    await endpoint.ended(id)

    assert (await endpoint.connected(id)).json() == {"id": id, "state": "captured"}


async def test_a_proof_that_comes_after_the_session_was_let_go_is_refused_and_costs_nothing(endpoint):
    id = (await endpoint.start()).json()["id"]
    await endpoint.ended(id)
    response = await endpoint.connected(id)

    assert response.status_code == 409
    assert response.json()["code"] == "session_over"
    assert (await endpoint.ledger.balance("owner")).captured == 0


async def test_a_websocket_session_is_proven_and_ended_without_a_call(endpoint):
    id = (await endpoint.start(sdp=None, transport="websocket")).json()["id"]

    assert (await endpoint.connected(id)).json()["state"] == "captured"
    assert (await endpoint.ended(id)).json()["state"] == "captured"
    assert endpoint.provider.hung_up == []


async def test_the_status_follows_the_session_and_shows_no_description_of_it(endpoint):
    id = (await endpoint.start()).json()["id"]
    reserved = await endpoint.status(id)
    await endpoint.connected(id)
    live = await endpoint.status(id)
    await endpoint.ended(id)
    over = await endpoint.status(id)

    assert reserved == {
        "id": id,
        "state": "reserved",
        "provider": "here",
        "transport": "webrtc",
        "call_id": "rtc_1",
        "over": False,
        "charge": {"credits": 5, "state": "reserved"},
    }
    assert (live["state"], live["over"]) == ("captured", False)
    assert (over["state"], over["over"]) == ("captured", True)


async def test_health_is_told_to_anyone(endpoint):
    response = await endpoint.http.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_nothing_that_the_endpoint_says_may_be_cached(endpoint):
    id = (await endpoint.start()).json()["id"]
    responses = [
        await endpoint.start(),
        await endpoint.start(provider="elsewhere"),
        await endpoint.connected(id),
        await endpoint.ended("vs_unknown"),
        await endpoint.http.get(f"/v1/sessions/{id}"),
        await endpoint.http.post("/v1/sessions", content=b"x" * 70_000),
    ]

    assert {response.headers["cache-control"] for response in responses} == {"no-store"}


async def test_two_sessions_have_ids_that_cannot_be_guessed_from_one_another(endpoint):
    ids = {(await endpoint.start()).json()["id"] for _ in range(20)}

    assert len(ids) == 20
    assert all(len(id) == 35 for id in ids)


async def test_the_endpoint_closes_its_providers_when_it_is_shut_down(make_endpoint):
    async with make_endpoint() as endpoint:
        await endpoint.start()
        assert not endpoint.provider.closed
    assert endpoint.provider.closed


async def test_a_caller_cannot_say_the_word_of_a_node_that_stops(endpoint):
    id = (await endpoint.start()).json()["id"]
    await endpoint.ended(id, reason="stopping")
    hold = await endpoint.ledger.find(id)
    assert (hold.phase, hold.reason) == ("released", None)
