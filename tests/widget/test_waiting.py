import asyncio
from concurrent.futures import Future

import pytest

from genmb_voice_widget.conversation import Conversation
from genmb_voice_widget.errors import VoiceError, WaitTimeout
from genmb_voice_widget.waiting import Asked, moment, reply_to, started, ticked, while_running


@pytest.fixture
def conversation():
    conversation = Conversation()
    conversation.begin("log")
    return conversation


def become(conversation, *statuses, code=None):
    for status in statuses:
        conversation.append({"type": "genmb.status", "status": status} | ({"code": code} if code else {}))


def item(conversation, item_id, role, status="completed", text="words"):
    kind = "input_text" if role == "user" else "output_text"
    content = [{"type": kind, "text": text}]
    body = {"id": item_id, "type": "message", "role": role, "status": status, "content": content}
    conversation.append(
        {
            "type": "conversation.item.done" if status == "completed" else "conversation.item.added",
            "item": body,
        },
        "in",
    )


async def test_a_wait_ends_with_its_future():
    future = Future()
    asyncio.get_running_loop().call_later(0.01, future.set_result, None)
    await ticked(future, 5)


async def test_a_wait_that_takes_too_long_says_how_long_it_took_and_gives_its_place_up():
    future = Future()
    with pytest.raises(WaitTimeout) as caught:
        await ticked(future, 0.01)
    assert caught.value.detail == "Waited 0.01 s." and future.cancelled()


async def test_a_cancelled_wait_gives_its_place_up():
    future = Future()
    waiting = asyncio.create_task(ticked(future, None))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert future.cancelled()


async def test_a_wait_wakes_the_loop_often_so_that_an_interrupt_gets_through(monkeypatch):
    waits = []
    wait = asyncio.wait

    async def spy(futures, **limit):
        waits.append(limit["timeout"])
        return await wait(futures, **limit)

    monkeypatch.setattr(asyncio, "wait", spy)
    with pytest.raises(WaitTimeout):
        await ticked(Future(), 0.6)
    assert max(waits) <= 0.25


async def test_a_wait_in_vain_is_refused_but_not_when_there_is_nothing_to_wait_for():
    def refuse():
        raise VoiceError("wait_impossible")

    done = Future()
    done.set_result(None)
    await ticked(done, 1, refuse)
    waiting = Future()
    with pytest.raises(VoiceError, match="wait_impossible"):
        await ticked(waiting, 1, refuse)
    assert waiting.cancelled()


def test_a_wait_fails_when_the_running_session_ends_before_its_moment(conversation):
    become(conversation, "connecting")
    speaking = conversation.wait(while_running(conversation, moment(conversation, "speaking")))
    ended = conversation.wait(while_running(conversation, moment(conversation, "ended")))
    become(conversation, "live", "ended")
    assert ended.result(0) is True
    with pytest.raises(VoiceError, match="not_live"):
        speaking.result(0)


def test_a_wait_fails_with_what_the_session_failed_of(conversation):
    become(conversation, "connecting")
    live = conversation.wait(while_running(conversation, moment(conversation, "live")))
    conversation.end("failed", "mic_denied", "No.")
    with pytest.raises(VoiceError) as caught:
        live.result(0)
    assert (caught.value.code, caught.value.detail) == ("mic_denied", "No.")


def test_a_wait_begun_when_no_session_runs_waits_for_the_next_one(conversation):
    become(conversation, "connecting", "ended")
    live = conversation.wait(while_running(conversation, moment(conversation, "live")))
    conversation.begin("next")
    become(conversation, "connecting", "live")
    assert live.result(0) is True


def test_a_start_is_about_the_next_session_only(conversation):
    become(conversation, "connecting", "live", "ended")
    live = conversation.wait(started(conversation))
    assert not live.done()
    conversation.begin("next")
    conversation.end("failed", "no_front_end")
    with pytest.raises(VoiceError, match="no_front_end"):
        live.result(0)


def test_a_moment_that_is_no_status_and_no_activity_is_refused_with_the_list(conversation):
    with pytest.raises(VoiceError, match="bad_option") as caught:
        moment(conversation, "lively")
    assert (
        "lively" in caught.value.detail
        and "listening" in caught.value.detail
        and "live" in caught.value.detail
    )


def test_the_reply_is_the_first_finished_turn_of_the_agent_after_the_item(conversation):
    become(conversation, "connecting", "live")
    item(conversation, "a0", "assistant")
    assert reply_to(conversation, "u1", 0) is None
    item(conversation, "u1", "user")
    item(conversation, "a1", "assistant", "in_progress")
    assert reply_to(conversation, "u1", 0) is None
    item(conversation, "a1", "assistant")
    item(conversation, "a2", "assistant")
    assert reply_to(conversation, "u1", 0).id == "a1"


def reply(conversation, *events):
    """Have the agent answer aloud in response r1, then these events of the service come."""
    item(conversation, "u1", "user")
    body = {"id": "a1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
    content = [{"type": "output_audio", "transcript": "words"}]
    r1 = {"response_id": "r1"}
    for event in (
        {"type": "response.created", "response": {"id": "r1"}},
        {"type": "response.output_item.added", "item": body, **r1},
        {"type": "output_audio_buffer.started", **r1},
        {
            "type": "response.output_item.done",
            "item": {**body, "status": "completed", "content": content},
            **r1,
        },
        *events,
    ):
        conversation.append(event, "in")


DONE = {"type": "response.done", "response": {"id": "r1", "status": "completed"}}
CLEARED = {"type": "output_audio_buffer.cleared", "response_id": "r1"}
STOPPED = {"type": "output_audio_buffer.stopped", "response_id": "r1"}


def test_a_reply_counts_only_when_it_was_also_played(conversation):
    become(conversation, "connecting", "live")
    reply(conversation, DONE)
    assert conversation.state.turns[-1].status == "completed"
    assert reply_to(conversation, "u1", 0) is None
    conversation.append(STOPPED, "in")
    assert reply_to(conversation, "u1", 0).id == "a1"


@pytest.mark.parametrize("events", [(CLEARED,), (DONE, CLEARED)])
def test_a_reply_that_is_interrupted_is_waited_for_no_longer(conversation, events):
    become(conversation, "connecting", "live")
    reply(conversation, *events)
    turn = reply_to(conversation, "u1", 0)
    assert (turn.id, turn.status) == ("a1", "interrupted")


def test_a_reply_that_never_sounds_counts_when_its_response_is_done(conversation):
    become(conversation, "connecting", "live")
    item(conversation, "u1", "user")
    content = [{"type": "output_text", "text": "words"}]
    body = {"id": "a1", "type": "message", "role": "assistant", "status": "completed", "content": content}
    conversation.append({"type": "response.created", "response": {"id": "r1"}}, "in")
    conversation.append({"type": "response.output_item.done", "item": body, "response_id": "r1"}, "in")
    assert reply_to(conversation, "u1", 0) is None
    conversation.append(DONE, "in")
    assert reply_to(conversation, "u1", 0).id == "a1"


@pytest.mark.parametrize("code", ["message_too_long", "not_live", "internal"])
def test_what_kept_a_message_from_the_conversation_is_raised(conversation, code):
    become(conversation, "connecting", "live")
    conversation.append({"type": "genmb.error", "code": code, "detail": "Why."})
    assert reply_to(conversation, "u1", 1) is None
    with pytest.raises(VoiceError) as caught:
        reply_to(conversation, "u1", 0)
    assert (caught.value.code, caught.value.detail) == (code, "Why.")
    item(conversation, "u1", "user")
    assert reply_to(conversation, "u1", 0) is None, "it was another message's"


def test_an_error_that_says_nothing_about_the_message_is_not_its_answer(conversation):
    become(conversation, "connecting", "live")
    conversation.append({"type": "genmb.error", "code": "autoplay_blocked"})
    assert reply_to(conversation, "u1", 0) is None


def test_a_failed_response_is_raised_but_not_one_that_failed_before(conversation):
    become(conversation, "connecting", "live")
    failed = {"id": "r1", "status": "failed", "status_details": {"error": {"code": "server_error"}}}
    conversation.append({"type": "response.done", "response": failed}, "in")
    assert reply_to(conversation, "u1", 1) is None
    with pytest.raises(VoiceError, match="response_failed") as caught:
        reply_to(conversation, "u1", 0)
    assert caught.value.detail == "server_error"


async def test_what_was_asked_for_may_be_awaited_or_not():
    waited = []

    async def wait():
        waited.append(1)
        return True

    asked = Asked("live", wait)
    assert repr(asked) == "<asked; await it to wait until live>" and waited == []
    assert await asked is None, "a cell that ends with it shows nothing"
    assert waited == [1]
