"""A page's call whose sound goes through the kernel: what the service gets, what the page is told, how it ends."""

import asyncio
import base64
import dataclasses

import pytest

from genmb_voice_widget import VoiceError
from genmb_voice_widget.line import STUCK
from genmb_voice_widget.line_outbox import TOLD_EVERY
from genmb_voice_widget.line_ticket import untold
from genmb_voice_widget.session import Session
from genmb_voice_widget.settings import Settings

FRAME = bytes(range(240)) * 12


@pytest.fixture
async def open_line(rig, service):
    """A page `a` whose log has begun and whose line stands; returns the ticket that it was given."""

    async def opening() -> dict:
        rig.greet("a")
        rig.call("a", "1", "open", log="log", sdp="")
        rig.status("a", "log", "connecting")
        return (await rig.replied("1"))["result"]

    yield opening
    rig.calls.line.end()
    await rig.settled()


def on_line(rig) -> list[dict]:
    return [event for message in rig.to("a", "line") for event in message["events"]]


def brings(kind: str):
    return lambda message: (
        message["op"] == "line" and any(event["type"] == kind for event in message["events"])
    )


async def test_an_open_without_an_offer_is_a_ticket_for_a_line_and_the_page_gets_no_secret(
    rig, service, open_line, endpoint
):
    ticket = await open_line()
    assert ticket["url"] == "kernel:" and ticket["id"] == "vs_1" and "token" not in ticket
    secret = service.header.removeprefix("Bearer ")
    assert len(secret) > 8 and secret not in str(rig.sent)
    assert endpoint.asked[0][1]["transport"] == "websocket"
    created = await rig.told(brings("session.created"))
    assert created["log"] == "log" and created["client"] == "a"
    rig.settings.change("language", "de", running=True)
    rig.bridge.update()
    told = rig.to("a", "command")[-1]["session"]["audio"]["input"]["transcription"]
    assert told == {"model": "local", "language": "de"}, "the model that its ticket tells"


async def test_sound_and_events_of_the_page_reach_the_service_in_their_order(rig, service, open_line):
    await open_line()
    rig.speak("a", "log", FRAME)
    rig.page("a", "line", log="log", event={"type": "input_audio_buffer.commit"})
    rig.speak("a", "log", FRAME[::-1])
    await service.got("input_audio_buffer.append", 2)
    sent = [(event["type"], base64.b64decode(event.get("audio", ""))) for event in service.received]
    assert sent == [
        ("input_audio_buffer.append", FRAME),
        ("input_audio_buffer.commit", b""),
        ("input_audio_buffer.append", FRAME[::-1]),
    ]


async def test_a_reply_s_sound_is_in_the_buffers_and_its_events_have_sizes(rig, service, open_line):
    await open_line()
    ids = {"response_id": "r", "item_id": "i", "content_index": 0, "event_id": "e1"}
    delta = base64.b64encode(FRAME).decode()
    await service.send(
        {"type": "response.output_audio.delta", "delta": delta, **ids},
        {"type": "response.audio.delta", "delta": "no base64", **ids, "event_id": "e2"},
        {"type": "response.audio.delta", "delta": "né", **ids, "event_id": "e3"},
        {"type": "response.done", "event_id": "e4", "response": {"id": "r"}},
    )
    await rig.told(brings("response.done"))
    deltas = [event for event in on_line(rig) if event["type"] == "response.output_audio.delta"]
    assert [event.get("delta") for event in deltas] == [None] * 3 and deltas[0]["delta_bytes"] == len(FRAME)
    assert rig.sounds == [FRAME, b"", b""]


async def test_what_the_service_says_is_in_the_kernel_s_log_before_the_page_has_told_it(
    rig, service, open_line
):
    await open_line()
    await service.send({"type": "input_audio_buffer.speech_started", "event_id": "e1", "item_id": "u"})
    await rig.told(brings("input_audio_buffer.speech_started"))
    assert rig.conversation.state.speech == "u"


async def test_a_burst_is_told_in_few_messages_and_the_first_at_once(rig, service, open_line):
    await open_line()
    await rig.told(brings("session.created"))
    before = len(rig.to("a", "line"))
    await service.send(*({"type": "rate_limits.updated", "event_id": f"e{n}"} for n in range(60)))
    await service.send({"type": "response.done", "event_id": "last", "response": {"id": "r"}})
    await rig.told(brings("response.done"))
    assert len(on_line(rig)) == 62 and len(rig.to("a", "line")) - before < 20


async def test_the_page_is_told_how_much_of_its_sound_was_taken(rig, service, open_line):
    await open_line()
    for _ in range(TOLD_EVERY):
        rig.speak("a", "log", FRAME)
    told = await rig.told(lambda message: message["op"] == "line" and message["taken"] >= TOLD_EVERY)
    assert told["taken"] == TOLD_EVERY


@pytest.mark.parametrize(("code", "over"), [(1000, "service"), (1011, "network")])
async def test_the_page_hears_that_the_service_has_closed_or_the_socket_broke(
    rig, service, open_line, code, over
):
    await open_line()
    await service.close(code)
    told = await rig.told(lambda message: message["op"] == "line" and "over" in message)
    assert told["over"] == over
    rig.speak("a", "log", FRAME)
    assert rig.to("a", "line")[-1] == told, "nothing follows it"


async def test_a_network_that_takes_nothing_ends_the_line(rig, service, open_line):
    await open_line()
    for _ in range(STUCK + 1):  # no turn of the loop, in which anything could be sent
        rig.speak("a", "log", FRAME)
    assert (await rig.told(lambda message: "over" in message))["over"] == "network"


async def test_a_page_speaks_on_its_own_line_alone(rig, service, open_line):
    await open_line()
    rig.greet("b")
    rig.speak("b", "log", FRAME)
    rig.speak("a", "another log", FRAME)
    rig.page("a", "line", log="log", event={"no": "type"})
    rig.page("a", "line", log="log", event={"type": "input_audio_buffer.clear"})
    await service.got("input_audio_buffer.clear")
    assert [event["type"] for event in service.received] == ["input_audio_buffer.clear"]


async def test_the_end_of_the_session_closes_the_socket(rig, service, open_line, endpoint):
    await open_line()
    rig.call("a", "2", "ended", session="vs_1", reason="stopped")
    await rig.replied("2")
    await service._sockets[-1].wait_closed()
    assert endpoint.paths()[-1] == "/v1/sessions/vs_1/ended"


async def test_a_socket_that_is_refused_is_the_answer_and_the_session_is_ended(rig, endpoint):
    rig.greet("a")
    rig.call("a", "1", "open", log="log", sdp="")  # nobody listens at the endpoint's address
    assert (await rig.replied("1"))["problem"]["code"] == "provider_unreachable"
    await rig.settled()
    assert endpoint.asked[-1] == ("/v1/sessions/vs_1/ended", {"reason": "provider_unreachable"})


async def test_a_page_that_goes_while_its_line_is_opened_leaves_none(rig, service, endpoint):
    rig.greet("a")
    service.silent = True
    rig.call("a", "1", "open", log="log", sdp="")
    rig.page("a", "bye")
    await rig.settled()
    assert endpoint.paths()[-1] == "/v1/sessions/vs_1/ended"
    assert rig.to("a", "reply")[-1]["problem"]["code"] == "session_over"


async def test_after_a_detour_the_first_session_is_let_go_and_the_second_is_the_call_s(
    rig, service, open_line, endpoint
):
    rig.greet("a")
    rig.call("a", "0", "open", log="log", sdp="v=0")
    await rig.replied("0")
    rig.call("a", "00", "ended", session="vs_1", reason="handshake_timeout")
    await rig.replied("00")
    await open_line()
    rig.call("a", "2", "connected", session="vs_1")
    await rig.replied("2")
    paths = [path.removeprefix("/v1/sessions") for path in endpoint.paths()]
    assert paths == ["", "/vs_1/ended", "", "/vs_1/connected"]


def test_another_word_for_the_transport_is_refused_with_those_there_are():
    with pytest.raises(VoiceError, match="transport must be 'auto', 'webrtc' or 'kernel'"):
        Settings("local", Session(), "websocket")


async def test_two_lines_are_never_open_at_once(rig, service, open_line):
    await open_line()
    first = service._sockets[-1]
    rig.call("a", "2", "open", log="log", sdp="")
    assert "result" in await rig.replied("2")
    async with asyncio.timeout(20):
        await first.wait_closed()


def test_a_relay_is_told_all_but_the_model_and_the_voice():
    wire = Session(instructions="Be brief.", model="m", voice="marin", speed=1.2).to_wire()
    told = untold(wire, "scribe")
    assert "model" not in told and told["audio"]["output"].keys() == wire["audio"]["output"].keys() - {
        "voice"
    }
    assert told["instructions"] == "Be brief." and told["audio"]["input"] == {
        **wire["audio"]["input"],
        "transcription": {"model": "scribe"},
    }
    assert untold({"modalities": ["text"], "model": "m"}, None) == {"modalities": ["text"]}


async def test_an_open_that_is_answered_late_does_not_take_the_line_of_the_call_that_came_after_it(
    rig, service, open_line, endpoint
):
    late, prompt = asyncio.Event(), endpoint.client.ticket

    async def slow(provider, session, key):
        endpoint.client.ticket = prompt
        await late.wait()
        return dataclasses.replace(await prompt(provider, session, key), id="vs_0")

    endpoint.client.ticket = slow
    rig.greet("a")
    rig.call("a", "0", "open", log="stopped", sdp="")
    await asyncio.sleep(0)  # it has been asked for
    await open_line()
    late.set()
    assert (await rig.replied("0"))["problem"]["code"] == "session_over"
    rig.speak("a", "log", FRAME)
    await service.got("input_audio_buffer.append")
    assert len(service._sockets) == 1 and endpoint.paths()[-1] == "/v1/sessions/vs_0/ended"
