"""A session over a socket, against a service that is scripted event by event."""

import asyncio
import base64
import logging
import struct

import httpx
import pytest
from websockets.asyncio.server import serve

from genmb_voice_widget.client import Ticket
from genmb_voice_widget.conversation import Conversation
from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.headless import Headless
from genmb_voice_widget.secret import Secret
from genmb_voice_widget.session import Session
from genmb_voice_widget.settings import Settings
from genmb_voice_widget.wire_socket import open_socket

AT_ANOTHER_PATH = "Its address may lack a part, such as /v1 at its end, or the key may not open it."
SECOND = struct.pack("<h", 1000) * 24_000


class Call:
    """A headless session in the test's own loop."""

    def __init__(self, endpoint, session=None, speed=20.0):
        self.conversation = Conversation()
        self.settings = Settings("local", session or Session())
        self.session = Headless(self.conversation, endpoint.client, self.settings, speed)
        self.session.begin()
        self.holding = asyncio.create_task(self.session.hold())

    async def until(self, holds):
        await asyncio.wait_for(asyncio.wrap_future(self.conversation.wait(holds)), 20)

    async def live(self):
        await self.until(lambda: self.conversation.state.status == "live")
        return self

    async def over(self):
        await asyncio.wait_for(self.holding, 5)
        return self.conversation.state

    def types(self, way):
        return [e.event["type"] for e in self.conversation.events if e.dir == way]


@pytest.fixture
async def call(endpoint):
    made = []

    def make(**options):
        made.append(Call(endpoint, **options))
        return made[-1]

    yield make
    for each in made:
        each.session.stop()
        await each.over()


def reply(ms, response="r1", item="a1", status="completed"):
    """What a service sends for one spoken reply, up to the end of its making."""
    ids = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
    message = {"id": item, "type": "message", "role": "assistant", "content": []}
    body = {"id": response, "conversation_id": "c1"}
    audio = base64.b64encode(bytes(48 * ms)).decode()
    return [
        {"type": "response.created", "response": {**body, "status": "in_progress"}},
        {"type": "conversation.item.added", "item": {**message, "status": "in_progress"}},
        {"type": "response.output_audio_transcript.delta", "delta": "One two three four", **ids},
        {"type": "response.output_audio.delta", "delta": audio, **ids},
        {"type": "response.output_audio_transcript.done", "transcript": "One two three four", **ids},
        {"type": "conversation.item.done", "item": {**message, "status": "completed"}},
        {"type": "response.done", "response": {**body, "status": status, "output": []}},
    ]


def user_turn(item="u1", text="Hello?"):
    message = {"id": item, "type": "message", "role": "user", "status": "completed"}
    message["content"] = [{"type": "input_audio", "transcript": None}]
    completed = "conversation.item.input_audio_transcription.completed"
    return [
        {"type": "input_audio_buffer.speech_started", "item_id": item, "audio_start_ms": 0},
        {"type": "input_audio_buffer.speech_stopped", "item_id": item, "audio_end_ms": 1000},
        {"type": "input_audio_buffer.committed", "item_id": item},
        {"type": "conversation.item.added", "item": message},
        {"type": completed, "item_id": item, "content_index": 0, "transcript": text},
    ]


async def test_a_session_goes_from_its_ticket_to_live_and_ends_at_the_endpoint(call, endpoint, service):
    one = await call().live()
    assert service.header == "Bearer ek_canary_5d1c"
    await one.until(lambda: "/v1/sessions/vs_1/connected" in endpoint.paths())
    one.session.stop()
    state = await one.over()
    assert (state.status, state.session.id, state.session.transport) == ("ended", "vs_1", "websocket")
    assert endpoint.asked[-1] == ("/v1/sessions/vs_1/ended", {"reason": "stopped"})
    assert one.types("own") == ["genmb.status", "genmb.session", "genmb.status", "genmb.status"]


async def test_a_spoken_file_is_one_turn_and_its_reply_is_waited_for_until_it_has_been_played(call, service):
    one = await call().live()
    speaking = asyncio.create_task(one.session.speak(SECOND))
    appended = await service.got("input_audio_buffer.append", 50)
    assert b"".join(base64.b64decode(event["audio"]) for event in appended) == SECOND
    await service.send(*user_turn(), *reply(2000))
    await one.until(lambda: one.conversation.state.activity == "speaking")
    await one.until(lambda: "a1" in [turn.id for turn in one.conversation.state.turns])
    assert not speaking.done()
    await asyncio.wait_for(speaking, 20)
    assert [(t.role, t.text, t.status) for t in one.conversation.state.turns] == [
        ("user", "Hello?", "completed"),
        ("assistant", "One two three four", "completed"),
    ]
    times = {e.event["type"]: e.t for e in one.conversation.events}
    assert times["output_audio_buffer.stopped"] - times["output_audio_buffer.started"] >= 2000


async def test_speaking_in_a_session_that_is_over_fails_at_once(call, service):
    one = await call().live()
    one.session.stop()
    await one.over()
    with pytest.raises(VoiceError, match="not_live"):
        await asyncio.wait_for(one.session.speak(SECOND), 5)


async def test_an_event_that_comes_twice_is_heard_once(call, service):
    one = await call().live()
    events = [{**event, "event_id": f"event_{number}"} for number, event in enumerate(reply(1000))]
    await service.send(*(event for event in events for _ in range(2)))
    await one.until(lambda: "output_audio_buffer.stopped" in one.types("in"))
    times = {e.event["type"]: e.t for e in one.conversation.events}
    assert 1000 <= times["output_audio_buffer.stopped"] - times["output_audio_buffer.started"] < 1600
    assert one.types("in").count("response.done") == 1


async def test_speech_over_a_reply_cuts_it_where_it_was_heard(call, service):
    one = await call(speed=1.0).live()
    await service.send(*reply(4000))
    await one.until(lambda: "response.done" in one.types("in"))
    started = next(e.t for e in one.conversation.events if e.event["type"] == "output_audio_buffer.started")
    await one.session.clock.until(started + 300)
    await service.send(*user_turn()[:1])
    [truncate] = await service.got("conversation.item.truncate")
    assert (truncate["item_id"], truncate["content_index"]) == ("a1", 0)
    assert 250 <= truncate["audio_end_ms"] < 1500
    assert one.conversation.state.activity == "hearing"
    assert one.conversation.state.turns[0].status == "interrupted"
    assert "output_audio_buffer.cleared" in one.types("in")


async def test_a_refused_truncation_is_not_taken_for_the_refusal_of_the_next_reply(call, service):
    one = await call(speed=1.0).live()
    await service.send(*reply(4000))
    await one.until(lambda: "response.done" in one.types("in"))
    started = next(e.t for e in one.conversation.events if e.event["type"] == "output_audio_buffer.started")
    await one.session.clock.until(started + 100)
    one.session.say("Wait", "item_1")
    [truncate] = await service.got("conversation.item.truncate")
    await service.got("response.create")
    error = {"code": "invalid_value", "event_id": truncate.get("event_id"), "message": "It is shorter."}
    await service.send({"type": "error", "error": error})
    await one.until(lambda: "error" in one.types("in"))
    one.session.say("Again", "item_2")
    assert one.types("out").count("response.create") == 1


async def test_speech_does_not_cut_a_reply_that_may_not_be_interrupted(call, service):
    one = await call(session=Session(interruptible=False)).live()
    await service.send(*reply(1000), *user_turn()[:1])
    await one.until(lambda: "output_audio_buffer.stopped" in one.types("in"))
    assert "conversation.item.truncate" not in one.types("out")
    assert one.conversation.state.turns[0].status == "completed"


async def test_say_sends_the_item_then_asks_and_a_second_one_waits_for_the_first_reply(call, service):
    one = await call().live()
    one.session.say("First", "item_1")
    one.session.say("Second", "item_2")
    items = await service.got("conversation.item.create", 2)
    assert [event["item"]["id"] for event in items] == ["item_1", "item_2"]
    assert items[0]["item"]["content"] == [{"type": "input_text", "text": "First"}]
    await service.got("response.create")
    await service.send(*reply(10))
    assert len(await service.got("response.create", 2)) == 2


async def test_say_stops_the_reply_that_is_being_made_and_played(call, service):
    one = await call(speed=1.0).live()
    await service.send(*reply(4000)[:4])
    await one.until(lambda: one.conversation.state.activity == "speaking")
    one.session.say("Wait", "item_1")
    await service.got("conversation.item.create")
    assert one.types("in")[-1] == "output_audio_buffer.cleared"
    sent = [kind for kind in one.types("out") if kind != "input_audio_buffer.append"]
    assert sent[0] == "response.cancel" and sent[-1] == "conversation.item.create"
    await service.send(*reply(4000, status="cancelled")[6:])
    await service.got("response.create")


async def test_interrupt_cancels_the_making_and_stops_the_playing(call, service):
    one = await call(speed=1.0).live()
    making, rest = reply(4000)[:4], reply(4000, status="cancelled")[6:]
    await service.send(*making)
    await one.until(lambda: one.conversation.state.activity == "speaking")
    one.session.interrupt()
    await service.got("response.cancel")
    await service.send(*rest)
    await one.until(lambda: one.conversation.state.activity == "listening")
    assert one.conversation.state.turns[0].status == "interrupted"


async def test_a_reply_without_sound_is_over_when_it_is_made(call, service):
    one = await call().live()
    speaking = asyncio.create_task(one.session.speak(SECOND))
    await service.got("input_audio_buffer.append", 50)
    silent = [event for event in reply(10) if "audio." not in event["type"]]
    await service.send(*user_turn(), *silent)
    await asyncio.wait_for(speaking, 20)


async def test_a_muted_microphone_sends_silence_for_speech(call, service):
    one = await call().live()
    one.session.mute(True)
    speaking = asyncio.create_task(one.session.speak(SECOND))
    await one.until(lambda: one.types("out").count("input_audio_buffer.append") == 50)
    assert not [event for event in service.received if event["type"] == "input_audio_buffer.append"]
    speaking.cancel()


async def test_the_log_holds_sizes_instead_of_sound_and_leaves_silence_out(call, service):
    one = await call().live()
    speaking = asyncio.create_task(one.session.speak(SECOND))
    await service.got("input_audio_buffer.append", 50)
    await service.send(*reply(100))
    await one.until(lambda: "response.done" in one.types("in"))
    sounds = [e.event for e in one.conversation.events if "audio" in e.event["type"]]
    assert {event.get("audio_bytes") for event in sounds if event["type"] == "input_audio_buffer.append"} == {
        960
    }
    assert not [event for event in sounds if "audio" in event]
    assert [event["delta_bytes"] for event in sounds if event["type"] == "response.output_audio.delta"] == [
        4800
    ]
    assert one.types("out").count("input_audio_buffer.append") == 50
    speaking.cancel()


async def test_a_failed_response_fails_the_turn(call, service):
    one = await call().live()
    speaking = asyncio.create_task(one.session.speak(SECOND))
    await service.got("input_audio_buffer.append", 50)
    await service.send(*user_turn(), *reply(10, status="failed"))
    with pytest.raises(VoiceError, match="response_failed"):
        await asyncio.wait_for(speaking, 20)


@pytest.mark.parametrize("item", [True, False])
@pytest.mark.parametrize(
    ("status", "detail"),
    [
        ("cancelled", "It was interrupted before its first word."),
        ("incomplete", None),
        ("completed", "It had no words."),
    ],
)
async def test_a_reply_to_speech_that_is_over_before_its_first_word_is_raised_at_once(
    call, service, item, status, detail
):
    one = await call().live()
    speaking = asyncio.create_task(one.session.speak(SECOND))
    await service.got("input_audio_buffer.append", 50)
    empty = {"id": "a1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    begun = {"type": "response.output_item.added", "response_id": "r1", "item": empty}
    beside = {"id": "x", "conversation_id": None, "status": "completed"}
    await service.send(*user_turn(), reply(10)[0], *([begun] if item else []))
    await service.send({"type": "response.done", "response": beside})
    await one.until(lambda: one.types("in")[-1] == "response.done")
    assert not speaking.done()
    await service.send(*reply(10, status=status)[-1:])
    with pytest.raises(VoiceError) as caught:
        await asyncio.wait_for(speaking, 20)
    assert (caught.value.code, caught.value.detail) == ("response_failed", detail)


async def test_a_reply_that_the_same_speech_cuts_short_is_not_its_answer_but_the_next_one_is(call, service):
    one = await call().live()
    speaking = asyncio.create_task(one.session.speak(SECOND))
    await service.got("input_audio_buffer.append", 50)
    begun, *rest = user_turn("u2", "And this?")
    await service.send(*user_turn(), reply(10)[0], begun, *reply(10, status="cancelled")[-1:], *rest)
    await one.until(lambda: one.conversation.state.activity == "thinking")
    assert not speaking.done()
    await service.send(*reply(10, "r2", "a2"))
    await asyncio.wait_for(speaking, 20)
    assert [turn.role for turn in one.conversation.state.turns] == ["user", "user", "assistant"]


@pytest.mark.parametrize(
    ("close", "status", "codes", "reason"),
    [("close", "ended", [], "hung_up"), ("abort", "failed", ["connection_lost"], "connection_lost")],
)
async def test_a_service_that_closes_ends_the_session_and_one_that_breaks_off_fails_it(
    call, service, endpoint, close, status, codes, reason
):
    one = await call().live()
    speaking = asyncio.create_task(one.session.speak(SECOND))
    await service.got("input_audio_buffer.append")
    closing = getattr(service, close)()
    if closing is not None:
        await closing
    state = await one.over()
    assert (state.status, [error.code for error in state.errors]) == (status, codes)
    assert endpoint.asked[-1] == ("/v1/sessions/vs_1/ended", {"reason": reason})
    said = "The voice service has ended the session." if close == "close" else "connection_lost"
    with pytest.raises(VoiceError, match=said):
        await asyncio.wait_for(speaking, 20)


async def test_a_refusal_of_the_endpoint_is_the_sessions_failure(call, endpoint):
    body = {"code": "rate_limited", "detail": "20 an hour.", "retry_after": 30}
    endpoint.answers["/v1/sessions"] = httpx.Response(429, json=body)
    state = await call().over()
    assert (state.status, state.errors[0].code, state.errors[0].detail) == (
        "failed",
        "rate_limited",
        "20 an hour. Possible again in 30 s.",
    )
    assert endpoint.paths() == ["/v1/sessions"]


class Once(dict):
    """Answers that are given once."""

    def get(self, path):
        return self.pop(path, None)


AWAY = httpx.Response(503, json={"code": "service_unavailable", "detail": "Redis.", "retry_after": 5})


async def test_a_start_is_tried_again_twice_with_one_key_and_then_told_when_it_may_go_well(
    call, endpoint, monkeypatch
):
    monkeypatch.setattr("genmb_voice_widget.granting.PAUSES", (0.01, 0.02))
    endpoint.answers["/v1/sessions"] = AWAY
    state = await call().over()
    assert [error.detail for error in state.errors] == ["Redis. Possible again in 5 s."]
    assert endpoint.paths() == ["/v1/sessions"] * 3
    [key] = set(endpoint.keys)
    assert key is not None


async def test_an_endpoint_that_is_back_at_the_second_try_lets_the_session_begin(
    call, endpoint, service, monkeypatch
):
    monkeypatch.setattr("genmb_voice_widget.granting.PAUSES", (0.01, 60))
    endpoint.answers = Once({"/v1/sessions": AWAY})
    one = await call().live()
    assert one.conversation.state.errors == ()
    assert endpoint.keys[0] == endpoint.keys[1]


async def test_a_stop_between_two_tries_ends_it_at_once_without_an_error(call, endpoint, monkeypatch):
    monkeypatch.setattr("genmb_voice_widget.granting.PAUSES", (60, 60))
    endpoint.answers["/v1/sessions"] = AWAY
    one = call()
    while not endpoint.asked:
        await asyncio.sleep(0)
    one.session.stop()
    state = await one.over()
    assert (state.status, state.errors, endpoint.paths()) == ("ended", (), ["/v1/sessions"])


async def test_a_service_at_its_limit_is_not_asked_twice(call, endpoint):
    endpoint.answers["/v1/sessions"] = httpx.Response(503, json={"code": "provider_busy"})
    state = await call().over()
    assert ([error.code for error in state.errors], len(endpoint.asked)) == (["provider_busy"], 1)


async def test_a_service_that_does_not_answer_fails_the_session_and_gives_the_ticket_back(call, endpoint):
    endpoint.url = "ws://127.0.0.1:9"
    state = await call().over()
    assert [error.code for error in state.errors] == ["provider_unreachable"]
    assert endpoint.asked[-1] == ("/v1/sessions/vs_1/ended", {"reason": "provider_unreachable"})


async def test_a_service_that_never_begins_the_session_fails_it_in_time(call, service, monkeypatch):
    monkeypatch.setattr("genmb_voice_widget.headless.CREATED_WITHIN", 0.05)
    service.silent = True
    state = await call().over()
    assert [error.code for error in state.errors] == ["handshake_timeout"]


async def test_a_stop_before_the_session_stands_ends_it_without_an_error(call, service):
    service.silent = True
    one = call()
    await asyncio.wait_for(service.accepted.wait(), 20)
    one.session.stop()
    state = await one.over()
    assert (state.status, state.errors) == ("ended", ())


async def test_a_proof_that_the_endpoint_refuses_shows_but_does_not_end_the_call(call, endpoint, service):
    endpoint.answers["/v1/sessions/vs_1/connected"] = httpx.Response(409, json={"code": "session_over"})
    one = await call().live()
    await one.until(lambda: one.conversation.state.errors)
    assert one.conversation.state.errors[0].code == "session_over" and one.conversation.state.status == "live"


async def test_messages_that_are_no_events_are_passed_over(call, service):
    one = await call().live()
    endless = f'{{"type": "error", "error": {"[" * 5000}{"]" * 5000}}}'
    await service.send_raw("{", "[]", '"x"', '{"type": 1}', "{}", endless)
    await service.send({"type": "rate_limits.updated"})
    await one.until(lambda: "rate_limits.updated" in one.types("in"))


async def test_the_secret_is_in_no_log_whatever_the_level(call, service, caplog):
    with caplog.at_level(logging.DEBUG):
        for name in list(logging.root.manager.loggerDict):
            if name != "genmb_voice_widget.wire_socket.library":
                caplog.set_level(logging.DEBUG, name)
        one = await call().live()
        one.session.stop()
        await one.over()
    told = {record.name for record in caplog.records if "ek_canary" in record.getMessage()}
    assert told == {"websockets.server"}, "the service of this test alone writes its headers down"


async def test_with_no_turn_detection_the_end_of_what_is_said_is_the_end_of_the_turn(call, service):
    one = await call(session=Session(turn_detection=None)).live()
    speaking = asyncio.create_task(one.session.speak(SECOND))
    await service.got("response.create")
    sent = [event["type"] for event in service.received if event["type"] != "session.update"]
    assert sent == ["input_audio_buffer.append"] * 50 + ["input_audio_buffer.commit", "response.create"]
    await service.send(*user_turn()[2:], *reply(100))
    await asyncio.wait_for(speaking, 20)


async def test_a_turn_that_is_not_to_be_answered_at_once_is_said_when_it_stands_in_the_conversation(
    call, service
):
    one = await call(session=Session(turn_detection=None, auto_respond=False)).live()
    for number in (1, 2):
        speaking = asyncio.create_task(one.session.speak(SECOND))
        await service.got("input_audio_buffer.commit", number)
        await service.send(*user_turn(f"u{number}")[2:])
        await asyncio.wait_for(speaking, 20)
    assert [turn.role for turn in one.conversation.state.turns] == ["user", "user"]
    assert "response.create" not in one.types("out")


async def test_an_answer_is_made_when_it_is_asked_for_and_after_the_reply_under_way(call, service):
    one = await call(session=Session(auto_respond=False)).live()
    one.session.respond()
    await service.got("response.create")
    one.session.respond()
    await service.send(*reply(100))
    await service.got("response.create", 2)


async def test_a_change_of_an_option_is_told_once_and_what_the_service_has_against_it_is_shown(call, service):
    one = await call().live()
    one.settings.change("instructions", "Be brief.", running=True)
    one.session.update()
    one.session.update()
    [update] = await service.got("session.update")
    assert update["session"] == {"type": "realtime", "instructions": "Be brief."}
    error = {"code": "invalid_value", "event_id": update["event_id"], "message": "Too brief."}
    await service.send({"type": "error", "error": error})
    await one.until(lambda: one.conversation.state.errors)
    assert one.conversation.state.errors[0].detail == "Too brief."


async def test_an_option_that_changes_while_a_session_connects_is_told_as_soon_as_it_is_live(call, service):
    service.silent = True
    one = call()
    await asyncio.wait_for(service.accepted.wait(), 20)
    one.settings.change("language", "de", running=True)
    await service.send({"type": "session.created", "session": {}})
    [update] = await service.got("session.update")
    assert update["session"]["audio"]["input"]["transcription"] == {"model": "local", "language": "de"}
    await one.live()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (401, "secret_expired"),
        (403, "provider_region"),
        (404, "deployment_missing"),
        (429, "provider_busy"),
        (500, "provider_refused"),
    ],
)
async def test_a_service_that_refuses_the_socket_is_told_by_its_status(endpoint, call, status, code):
    def refuse(connection, request):
        return connection.respond(status, "canary body")

    async with serve(_nothing, "127.0.0.1", 0, process_request=refuse) as server:
        endpoint.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        state = await call().over()
    [error] = state.errors
    assert (state.status, error.code) == ("failed", code)
    assert error.detail == f"The voice service answered with HTTP status {status}."


async def test_a_secret_that_expired_on_its_way_is_made_anew_once_and_nobody_hears_of_it(
    endpoint, call, service, monkeypatch
):
    tried, again = [], open_socket

    def expired_once(ticket):
        tried.append(ticket)
        if len(tried) == 1:
            raise VoiceError("secret_expired")
        return again(ticket)

    monkeypatch.setattr("genmb_voice_widget.headless.open_socket", expired_once)
    one = await call().live()
    assert one.conversation.state.errors == ()
    assert endpoint.paths()[:3] == ["/v1/sessions", "/v1/sessions/vs_1/ended", "/v1/sessions"]
    assert endpoint.asked[1][1] == {"reason": "secret_expired"}


@pytest.mark.parametrize(
    ("status", "model", "code", "hint"),
    [
        (400, None, "provider_refused", " It may want a model: VoiceAgent(model=…)."),
        (400, "m", "provider_refused", ""),
        (401, "m", "provider_key_refused", ""),
        (403, "m", "provider_refused", f" {AT_ANOTHER_PATH}"),
    ],
)
async def test_a_server_that_was_shown_a_key_of_its_own_is_not_told_of_secrets_or_regions(
    status, model, code, hint
):
    def refuse(connection, request):
        return connection.respond(status, "canary body")

    async with serve(_nothing, "127.0.0.1", 0, process_request=refuse) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        ticket = Ticket("vs_1", "openai-compatible", model, None, url, Secret("key"), None, lasting=True)
        with pytest.raises(VoiceError) as caught:
            async with open_socket(ticket):
                pass
    assert caught.value.code == code
    assert caught.value.detail == f"The voice service answered with HTTP status {status}.{hint}"


async def _nothing(socket):
    pass
