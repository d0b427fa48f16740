import traceback

import httpx
import pytest

from genmb_voice_widget.client import TokenClient
from genmb_voice_widget.errors import Refused, VoiceError

SESSION = {"type": "realtime"}


async def test_a_problem_becomes_an_error_with_its_code_detail_and_time(endpoint):
    body = {"code": "rate_limited", "detail": "Later.", "retry_after": 60}
    endpoint.answers["/v1/sessions"] = httpx.Response(429, json=body)
    with pytest.raises(Refused) as caught:
        await endpoint.client.open("local", SESSION, "v=0")
    assert (caught.value.code, caught.value.detail, caught.value.retry_after) == (
        "rate_limited",
        "Later.",
        60,
    )


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (httpx.ConnectError("refused http://user:pw@host"), "ConnectError."),
        (httpx.ReadTimeout("slow"), "Nothing came in time."),
        (httpx.Response(201, text="<html>"), "Something answers there, but it gives no session."),
        (httpx.Response(201, json={"id": "vs_1"}), "Something answers there, but it gives no session."),
        (httpx.Response(502, text="<html>bad gateway</html>"), "The endpoint answered with status 502."),
        (httpx.Response(500, json=["?"]), "The endpoint answered with status 500."),
        (httpx.Response(404, json={"code": "no_such_code"}), "The endpoint answered with status 404."),
        (httpx.Response(400, json={"code": ["x"]}), "The endpoint answered with status 400."),
    ],
)
async def test_whatever_else_goes_wrong_the_endpoint_is_unreachable_in_words_of_ours(
    endpoint, answer, detail
):
    endpoint.answers["/v1/sessions"] = answer
    with pytest.raises(VoiceError) as caught:
        await endpoint.client.open("local", SESSION, "v=0")
    assert (caught.value.code, caught.value.detail) == ("endpoint_unreachable", detail)
    assert "user:pw" not in "".join(traceback.format_exception(caught.value))


async def test_a_name_that_the_network_cannot_have_is_an_endpoint_that_is_unreachable():
    client = TokenClient(lambda: httpx.AsyncClient(base_url="https://xn--"))
    with pytest.raises(VoiceError, match="endpoint_unreachable"):
        await client.allowance()


async def test_a_ticket_hides_its_secret(endpoint):
    ticket = await endpoint.client.ticket("local", SESSION)
    assert ticket.token.reveal() == "ek_canary_5d1c"
    assert "ek_canary" not in repr(ticket)
    assert endpoint.asked[0][1]["transport"] == "websocket"


async def test_a_ticket_without_an_address_is_refused_by_name_only(endpoint):
    endpoint.answers["/v1/sessions"] = httpx.Response(
        201, json={"id": "1", "provider": "p", "token": "ek_canary"}
    )
    with pytest.raises(VoiceError) as caught:
        await endpoint.client.ticket("local", SESSION)
    assert caught.value.detail == "The endpoint's answer has no 'url'."


async def test_one_connection_is_made_however_many_calls_there_are(endpoint):
    made = []
    make = endpoint.client._connect
    endpoint.client._connect = lambda: made.append(1) or make()
    await endpoint.client.warm("local")
    await endpoint.client.connected("a/b", "c")
    await endpoint.client.ended("a/b", "stopped")
    assert made == [1]


async def test_a_connection_that_could_not_be_made_is_tried_again(endpoint):
    make = endpoint.client._connect
    endpoint.client._connect = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        await endpoint.client.warm("local")
    endpoint.client._connect = make
    await endpoint.client.warm("local")


async def test_a_refused_secret_is_told_in_words_for_who_has_no_browser(endpoint):
    body = {"code": "secret_refused", "detail": "A session of this caller's needs an offer."}
    endpoint.answers["/v1/sessions"] = httpx.Response(403, json=body)
    with pytest.raises(VoiceError) as caught:
        await endpoint.client.ticket("local", SESSION)
    assert str(caught.value) == (
        "This token endpoint does not hand the voice service's secrets out. "
        "A session without a browser needs one; whoever runs the endpoint can allow them to those who show an "
        "app's key, with hand_out_secrets = true. "
        "Talk from a page, in a notebook by showing the agent and pressing Start; a program sends an offer in "
        "sdp, or opens the WebSocket that POST /api/voice-agent gives. [secret_refused]"
    )


async def test_what_is_left_is_read_from_the_endpoint(endpoint):
    left = await endpoint.client.allowance()
    assert left.to_json() == endpoint.allowance


@pytest.mark.parametrize("answer", [{}, {"plan": "x", "voice": True, "credits": "many"}, {"sessions": {}}])
async def test_an_answer_that_is_no_allowance_is_another_servers(endpoint, answer):
    endpoint.answers["/v1/allowance"] = httpx.Response(200, json=answer)
    with pytest.raises(VoiceError) as caught:
        await endpoint.client.allowance()
    assert (caught.value.code, caught.value.detail) == (
        "endpoint_unreachable",
        "The endpoint's answer is no allowance.",
    )
