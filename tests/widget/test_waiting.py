import asyncio
from concurrent.futures import Future

import pytest

from genmb_voice_widget.conversation import Conversation
from genmb_voice_widget.errors import VoiceError, WaitTimeout
from genmb_voice_widget.starting import started
from genmb_voice_widget.waiting import Asked, in_session, moment, ticked, while_running


@pytest.fixture
def conversation():
    conversation = Conversation()
    conversation.begin("log")
    return conversation


def become(conversation, *statuses, code=None):
    for status in statuses:
        conversation.append({"type": "genmb.status", "status": status} | ({"code": code} if code else {}))


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


def test_a_wait_in_a_session_that_is_over_already_fails_at_once(conversation):
    become(conversation, "connecting", "live", "ended")
    ended = conversation.log_id
    late = conversation.wait(in_session(conversation, ended, lambda: False))
    with pytest.raises(VoiceError, match="not_live"):
        late.result(0)
    conversation.begin("next")
    become(conversation, "connecting", "live")
    later = conversation.wait(in_session(conversation, ended, lambda: True))
    with pytest.raises(VoiceError, match="not_live"):
        later.result(0)


def test_a_wait_in_a_session_has_what_came_before_its_end(conversation):
    become(conversation, "connecting", "live")
    came = conversation.wait(in_session(conversation, conversation.log_id, moment(conversation, "ended")))
    become(conversation, "ended")
    assert came.result(0) is True


def test_a_start_is_about_the_next_session_only(conversation):
    become(conversation, "connecting", "live", "ended")
    before = conversation.log_id
    live = conversation.wait(started(conversation, lambda log_id: log_id != before))
    assert not live.done()
    conversation.begin("next")
    conversation.end("failed", "no_front_end")
    with pytest.raises(VoiceError, match="no_front_end"):
        live.result(0)


def test_a_moment_that_is_no_status_and_no_activity_is_refused_with_the_list(conversation):
    with pytest.raises(VoiceError, match="bad_option") as caught:
        moment(conversation, "lisening")
    assert caught.value.detail.startswith("Unknown: lisening (did you mean listening?). Supported: idle, ")


async def test_what_was_asked_for_may_be_awaited_or_not():
    waited = []

    async def wait():
        waited.append(1)
        return True

    asked = Asked("live", wait)
    assert repr(asked) == "<asked; await it to wait until live>" and waited == []
    assert await asked is None, "a cell that ends with it shows nothing"
    assert waited == [1]
