"""A page whose call was lost asks the kernel for another: the same session, or nothing."""

import httpx
import pytest

OFFER = "/v1/sessions/vs_1/offer"
TICKET = {
    "id": "vs_1",
    "transport": "webrtc",
    "call_id": "rtc_2",
    "sdp": "v=0 again",
    "token": "not for pages",
}


@pytest.fixture
async def lost(rig, endpoint):
    """The page `a` holds a call."""
    endpoint.answers[OFFER] = httpx.Response(200, json=TICKET)
    rig.greet("a", "b")
    rig.call("a", "1", "open", log="log-a", sdp="v=0")
    await rig.replied("1")
    rig.status("a", "log-a", "connecting", "live", "reconnecting")
    return rig


async def test_it_gets_another_call_for_its_session_with_the_options_as_they_are_now(lost, endpoint):
    lost.settings.change("voice", "robin", running=False)
    lost.call("a", "2", "reopen", session="vs_1", sdp="v=0 more")
    reply = await lost.replied("2")
    assert reply["result"] == {"id": "vs_1", "transport": "webrtc", "call_id": "rtc_2", "sdp": "v=0 again"}
    path, body = endpoint.asked[-1]
    assert (path, body["sdp"], body["session"]["audio"]["output"]["voice"]) == (OFFER, "v=0 more", "robin")
    assert endpoint.paths().count("/v1/sessions") == 1


async def test_a_page_that_does_not_hold_the_call_gets_none(lost, endpoint):
    lost.call("b", "2", "reopen", session="vs_1", sdp="v=0")
    assert (await lost.replied("2"))["problem"]["code"] == "active_elsewhere"
    assert OFFER not in endpoint.paths()


@pytest.mark.parametrize("session", ["vs_2", "../apps"])
async def test_nobody_gets_a_call_for_a_session_that_was_not_opened_here(lost, endpoint, session):
    lost.call("a", "2", "reopen", session=session, sdp="v=0")
    assert (await lost.replied("2"))["problem"]["code"] == "session_over"
    assert endpoint.paths() == ["/v1/sessions"]


async def test_a_session_that_was_ended_meanwhile_is_ended_again_for_the_offer_has_renewed_it(lost, endpoint):
    lost.call("a", "2", "ended", session="vs_1", reason="stopped")
    lost.call("a", "3", "reopen", session="vs_1", sdp="v=0")
    assert (await lost.replied("3"))["problem"]["code"] == "session_over"
    await lost.settled()
    assert endpoint.paths()[1:] == ["/v1/sessions/vs_1/ended", OFFER, "/v1/sessions/vs_1/ended"]
