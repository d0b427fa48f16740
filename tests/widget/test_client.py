import traceback

import httpx
import pytest

from genmb_voice_widget.client import token_client
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
        (httpx.ReadTimeout("slow"), "ReadTimeout."),
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
    await endpoint.client.warm()
    await endpoint.client.connected("a/b", "c")
    await endpoint.client.ended("a/b", "stopped")
    assert made == [1]


async def test_a_connection_that_could_not_be_made_is_tried_again(endpoint):
    make = endpoint.client._connect
    endpoint.client._connect = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        await endpoint.client.warm()
    endpoint.client._connect = make
    await endpoint.client.warm()


@pytest.mark.parametrize(
    "address", ["host", "ftp://host", "https://me:pw@host", "https://host?key=1", "http://"]
)
def test_an_address_that_could_not_show_in_a_log_is_refused_without_repeating_it(address):
    with pytest.raises(VoiceError, match="bad_option") as caught:
        token_client(address)
    assert "pw" not in str(caught.value) and "key=1" not in str(caught.value)


def test_agents_of_one_endpoint_share_its_client():
    assert token_client("https://voice.example") is token_client("https://voice.example")
