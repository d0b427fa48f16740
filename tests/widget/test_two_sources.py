"""A page and a sideband tell of one session: the log and the state are right whoever is first, late or missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmb_voice_widget.conversation import Conversation
from genmb_voice_widget.protocol import Envelope
from genmb_voice_widget.state import fold


def status(name):
    return "own", {"type": "genmb.status", "status": name}


def message(id, role, status="completed", text=None):
    content = [] if text is None else [{"type": "output_text", "text": text}]
    return {"id": id, "type": "message", "role": role, "status": status, "content": content}


def turn(n):
    """A typed turn as its page logs it: what it sends, and what the service says."""
    user, reply, response = f"u{n}", f"a{n}", {"id": f"r{n}", "conversation_id": "c"}
    ids = {"response_id": f"r{n}", "item_id": reply, "content_index": 0}
    usage = {"total_tokens": 10, "input_tokens": 4, "output_tokens": 6}
    previous = f"a{n - 1}" if n else None
    said = [
        {
            "type": "conversation.item.added",
            "item": message(user, "user", text="Hi."),
            "previous_item_id": previous,
        },
        {"type": "response.created", "response": {**response, "status": "in_progress"}},
        {
            "type": "conversation.item.added",
            "item": message(reply, "assistant", "in_progress"),
            "previous_item_id": user,
        },
        {"type": "response.output_text.delta", "delta": "Hel", **ids},
        {"type": "response.output_text.delta", "delta": "lo.", **ids},
        {"type": "response.output_text.done", "text": "Hello.", **ids},
        {"type": "conversation.item.done", "item": message(reply, "assistant", text="Hello.")},
        {"type": "response.done", "response": {**response, "status": "completed", "usage": usage}},
    ]
    sent = [
        {"type": "conversation.item.create", "event_id": user, "item": message(user, "user", text="Hi.")},
        {"type": "response.create", "event_id": f"ask{n}"},
    ]
    return [("out", sent[0]), ("out", sent[1])] + [
        ("in", {"event_id": f"e{n}-{i}", **event}) for i, event in enumerate(said)
    ]


def log_of(turns, end=True):
    lines = [status("connecting"), status("live")]
    lines += [line for n in range(turns) for line in turn(n)]
    lines += [status("ended")] if end else []
    return [Envelope(seq, 10 * seq, way, event) for seq, (way, event) in enumerate(lines, 1)]


def heard(log):
    return [envelope.event for envelope in log if envelope.dir == "in"]


def same(state, log):
    return {**state.to_json(), "seq": 0} == {**fold(log).to_json(), "seq": 0}


@pytest.fixture
def conversation():
    made = Conversation()
    made.begin("log")
    return made


LOG = log_of(2)
SERVICE = heard(LOG)


@st.composite
def two_tellings(draw):
    """The page's log in batches, the sideband with losses, and how the two come in between each other."""
    lost = draw(st.sets(st.integers(0, len(SERVICE) - 1)))
    sideband = [event for index, event in enumerate(SERVICE) if index not in lost]
    cuts = sorted(draw(st.sets(st.integers(1, len(LOG) - 1))))
    batches = [LOG[a:b] for a, b in zip([0, *cuts], [*cuts, len(LOG)], strict=True)]
    order = draw(st.permutations([True] * len(batches) + [False] * len(sideband)))
    pages, others = iter(batches), iter(sideband)
    return [next(pages) if page else next(others) for page in order]


@given(two_tellings())
def test_whoever_is_first_the_log_is_the_pages_and_the_state_its_fold_at_every_moment(steps):
    conversation = Conversation()
    conversation.begin("log")
    for step in steps:
        if isinstance(step, list):
            conversation.feed(*step)
        else:
            conversation.hear("log", step)
        assert [each.seq for each in conversation.events] == list(range(1, len(conversation.events) + 1))
        assert conversation.state.to_json() == fold(conversation.events).to_json()
    assert [each.event for each in conversation.events] == [each.event for each in LOG]
    assert same(conversation.state, LOG)


@given(two_tellings(), st.integers(2, len(LOG)))
def test_a_page_that_falls_silent_leaves_the_union_of_what_both_have_told(steps, cut):
    conversation = Conversation()
    conversation.begin("log")
    told = []
    for step in steps:
        if isinstance(step, list):
            told += [each for each in step if each.seq <= cut]
            conversation.feed(*(each for each in step if each.seq <= cut))
        else:
            conversation.hear("log", step)
    ids = {each.event.get("event_id") for each in told} | {
        event["event_id"] for event in (each.event for each in conversation.events) if "event_id" in event
    }
    union = [each for each in LOG if each.seq <= cut or each.event.get("event_id") in ids]
    kinds = {turn.id: (turn.text, turn.status) for turn in fold(union).turns}
    if fold(union).status == "live":
        assert {turn.id: (turn.text, turn.status) for turn in conversation.state.turns} == kinds
        assert conversation.state.usage == fold(union).usage


def test_while_the_page_is_silent_the_turns_grow_and_what_the_page_has_sent_finds_its_place(conversation):
    log = log_of(1, end=False)
    conversation.feed(*log[:2])
    for event in heard(log):
        conversation.hear("log", event)
    assert [(turn.role, turn.text) for turn in conversation.state.turns] == [
        ("user", "Hi."),
        ("assistant", "Hello."),
    ]
    assert (conversation.state.usage.total_tokens, conversation.told) == (10, 2)
    conversation.feed(*log[2:])
    assert conversation.events == log
    assert conversation.state.activity == "listening"


def test_an_event_that_both_have_told_is_counted_once(conversation):
    log = log_of(1, end=False)
    conversation.feed(*log)
    for event in heard(log) * 2:
        conversation.hear("log", event)
    assert conversation.events == log and conversation.state.usage.responses == 1


def test_what_a_sideband_tells_of_another_log_or_of_one_that_is_over_changes_nothing(conversation):
    conversation.hear("other", SERVICE[0])
    conversation.hear("log", SERVICE[0])
    conversation.feed(*log_of(0))
    conversation.hear("log", SERVICE[0])
    assert len(conversation.events) == 3 and conversation.state.turns == ()


def test_an_event_without_an_id_is_left_to_the_page(conversation):
    conversation.feed(*log_of(0, end=False))
    conversation.hear("log", {"type": "input_audio_buffer.dtmf_event_received", "event": "1"})
    assert len(conversation.events) == 2


def test_what_only_the_sideband_has_told_stands_before_the_end_and_late_words_of_the_page_still_enter(
    conversation,
):
    conversation.feed(*log_of(0, end=False))
    for event in heard(log_of(1)):
        conversation.hear("log", event)
    late = {"type": "genmb.error", "code": "endpoint_unreachable"}
    conversation.feed(Envelope(3, 30, *status("ended")), Envelope(4, 40, "own", late))
    assert [each.event["type"] for each in conversation.events][-3:] == [
        "response.done",
        "genmb.status",
        "genmb.error",
    ]
    assert conversation.state.status == "ended" and conversation.state.usage.responses == 1
    assert [each.seq for each in conversation.events] == list(range(1, 13))
    assert conversation.state.to_json() == fold(conversation.events).to_json()


def test_a_snapshot_that_fills_a_gap_counts_nothing_twice_and_loses_nothing(conversation):
    log, gaps = log_of(2, end=False), []
    conversation._on_gap = gaps.append
    conversation.feed(*log[:2])
    for event in heard(log):
        conversation.hear("log", event)
    conversation.feed(*log[6:8])
    assert gaps == ["log"] and conversation.position == 2
    page = fold(log[:12])
    told = [each.event["event_id"] for each in log[2:12] if each.dir == "in"]
    conversation.adopt(12, page.to_json(), told)
    assert same(conversation.state, log[:12] + [each for each in log[12:] if each.dir == "in"])
    conversation.feed(*log[12:])
    assert same(conversation.state, log) and not conversation.gap


def test_the_time_of_what_the_sideband_hears_goes_on_from_that_of_the_page():
    now = 100.0
    conversation = Conversation(clock=lambda: now)
    conversation.begin("log")
    now = 100.2
    conversation.feed(*log_of(0, end=False))
    now = 101.2
    conversation.hear("log", SERVICE[0])
    assert conversation.events[-1].t == 1200
    conversation.hear("log", SERVICE[1])
    assert conversation.events[-1].t == 1200


def test_when_the_page_is_gone_the_kernel_goes_on_with_what_the_sideband_has_told(conversation):
    conversation.feed(*log_of(0, end=False))
    for event in heard(log_of(1)):
        conversation.hear("log", event)
    conversation.end("ended", "page_gone")
    assert conversation.state.to_json() == fold(conversation.events).to_json()
    assert conversation.state.usage.responses == 1 and conversation.state.status == "ended"
