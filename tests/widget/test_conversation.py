import random
import threading

import pytest

from genmb_voice_widget.conversation import Conversation


def numbers(conversation):
    return [envelope.seq for envelope in conversation.events]


def test_repeats_are_dropped_and_early_envelopes_wait_for_those_before(envelope):
    gaps = []
    conversation = Conversation(gaps.append)
    conversation.begin("log")
    envelopes = [envelope(seq, type="x") for seq in range(1, 51)]
    shuffled = envelopes + random.Random(3).sample(envelopes, 50)
    for each in shuffled[50:]:
        conversation.feed(each)
    conversation.feed(*shuffled)
    assert conversation.events == envelopes
    assert not conversation.gap


def test_a_gap_is_reported_once_until_it_is_filled(envelope):
    gaps = []
    conversation = Conversation(gaps.append)
    conversation.begin("log")
    conversation.feed(envelope(1, type="x"), envelope(3, type="x"))
    conversation.feed(envelope(4, type="x"))
    assert gaps == ["log"]
    conversation.feed(envelope(2, type="x"))
    assert numbers(conversation) == [1, 2, 3, 4]
    conversation.feed(envelope(6, type="x"))
    assert gaps == ["log", "log"]


def test_a_snapshot_fills_the_gap_and_what_came_after_it_follows(envelope):
    conversation = Conversation()
    conversation.begin("log")
    conversation.feed(envelope(1, type="genmb.status", status="connecting"))
    other = Conversation()
    other.feed(
        *(envelope(seq, type="genmb.status", status=name) for seq, name in ((1, "connecting"), (2, "live")))
    )
    conversation.feed(envelope(4, type="x"), envelope(5, type="x"))
    conversation.adopt(4, {**other.state.to_json(), "seq": 4})
    assert numbers(conversation) == [1, 4, 5]
    assert (conversation.state.status, conversation.state.seq, conversation.gap) == ("live", 5, False)


def test_a_snapshot_older_than_what_is_known_changes_nothing(envelope):
    conversation = Conversation()
    conversation.feed(envelope(1, type="genmb.status", status="connecting"), envelope(2, type="x"))
    conversation.adopt(2, Conversation().state.to_json())
    assert conversation.state.status == "connecting" and numbers(conversation) == [1, 2]


def test_listeners_see_every_status_even_when_they_come_in_one_batch(envelope):
    conversation = Conversation()
    seen = []
    conversation.listen(lambda: seen.append(conversation.state.status))
    statuses = ("connecting", "live", "ended")
    conversation.feed(
        *(envelope(seq, type="genmb.status", status=name) for seq, name in enumerate(statuses, 1))
    )
    assert list(dict.fromkeys(seen)) == ["connecting", "live", "ended"]


def test_a_listener_that_fails_disturbs_nobody(envelope, caplog):
    conversation = Conversation()
    heard = []
    conversation.listen(lambda: 1 / 0)
    conversation.listen(lambda: heard.append(1))
    conversation.feed(envelope(1, type="x"))
    assert heard and "ZeroDivisionError" in caplog.text


def test_a_waiter_wakes_when_its_condition_holds_and_fails_with_what_it_raises(envelope):
    conversation = Conversation()
    live = conversation.wait(lambda: conversation.state.status == "live")
    broken = conversation.wait(lambda: conversation.state.seq > 0 and 1 / 0)
    assert not live.done() and not broken.done()
    conversation.feed(envelope(1, type="genmb.status", status="connecting"))
    with pytest.raises(ZeroDivisionError):
        broken.result(0)
    conversation.feed(envelope(2, type="genmb.status", status="live"))
    assert live.result(0) is True


def test_a_waiter_that_gave_up_is_forgotten(envelope):
    conversation = Conversation()
    asked = []
    conversation.wait(lambda: asked.append(1)).cancel()
    conversation.feed(envelope(1, type="x"))
    before = len(asked)
    conversation.feed(envelope(2, type="x"))
    assert len(asked) == before


def test_many_threads_may_feed_the_same_log(envelope):
    conversation = Conversation()
    envelopes = [envelope(seq, type="x") for seq in range(1, 2001)]
    threads = [
        threading.Thread(target=lambda part=part: [conversation.feed(e) for e in envelopes[part::4]])
        for part in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert conversation.events == envelopes


def test_what_we_write_ourselves_takes_the_next_number_and_the_time_of_the_last(envelope):
    conversation = Conversation()
    conversation.feed(envelope(1, type="genmb.status", status="connecting"))
    conversation.end("failed", "page_gone", "Why.")
    assert [(e.seq, e.t, e.event["type"]) for e in conversation.events] == [
        (1, 10, "genmb.status"),
        (2, 10, "genmb.error"),
        (3, 10, "genmb.status"),
    ]
    assert [(error.code, error.detail) for error in conversation.state.errors] == [("page_gone", "Why.")]


def test_a_new_log_begins_empty(envelope):
    conversation = Conversation()
    conversation.feed(envelope(1, type="genmb.status", status="connecting"))
    conversation.begin("next")
    assert (conversation.events, conversation.state.status, conversation.log_id) == ([], "idle", "next")
