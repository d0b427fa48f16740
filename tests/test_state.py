"""What holds for the fold whatever the conversation: order, repeats, statuses, foreign JSON, cost."""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genmb_voice_widget.fold.order import Order
from genmb_voice_widget.fold.reduce import handlers
from genmb_voice_widget.peer.legs.audience import FILTERED
from genmb_voice_widget.protocol import Envelope, Event, load
from genmb_voice_widget.state import Response, State, fold

ORDERS = Path(__file__).with_name("orders")
Step = dict[str, Any]

# OpenAI Realtime API reference: all 46 server events and all 11 client events.
SERVER = """
session.created session.updated error conversation.created
conversation.item.added conversation.item.done conversation.item.created conversation.item.deleted
conversation.item.retrieved conversation.item.truncated
conversation.item.input_audio_transcription.delta conversation.item.input_audio_transcription.completed
conversation.item.input_audio_transcription.failed conversation.item.input_audio_transcription.segment
input_audio_buffer.speech_started input_audio_buffer.speech_stopped input_audio_buffer.committed
input_audio_buffer.cleared input_audio_buffer.timeout_triggered input_audio_buffer.dtmf_event_received
output_audio_buffer.started output_audio_buffer.stopped output_audio_buffer.cleared
response.created response.done response.output_item.added response.output_item.done
response.content_part.added response.content_part.done response.output_text.delta response.output_text.done
response.output_audio.delta response.output_audio.done response.output_audio_transcript.delta
response.output_audio_transcript.done response.function_call_arguments.delta
response.function_call_arguments.done response.mcp_call_arguments.delta response.mcp_call_arguments.done
response.mcp_call.in_progress response.mcp_call.completed response.mcp_call.failed
mcp_list_tools.in_progress mcp_list_tools.completed mcp_list_tools.failed rate_limits.updated
""".split()  # noqa: SIM905 (one a line would hide the rest of the file)
CLIENT = """
session.update input_audio_buffer.append input_audio_buffer.commit input_audio_buffer.clear
output_audio_buffer.clear conversation.item.create conversation.item.retrieve conversation.item.truncate
conversation.item.delete response.create response.cancel
""".split()  # noqa: SIM905
# Every member that some event has, so that one body suits all.
BODY: Event = {
    "event_id": "event_1",
    "item_id": "a1",
    "response_id": "r1",
    "previous_item_id": "u1",
    "call_id": "c1",
    "output_index": 0,
    "content_index": 0,
    "name": "look",
    "arguments": "{}",
    "delta": "more",
    "delta_bytes": 480,
    "text": "all",
    "transcript": "all",
    "audio_start_ms": 0,
    "audio_end_ms": 400,
    "audio_bytes": 480,
    "error": {"code": "odd", "message": "Odd."},
    "session": {"model": "m", "audio": {"output": {"voice": "v"}}, "expires_at": 9},
    "response": {"id": "r1", "status": "completed", "output": [], "usage": {"total_tokens": 3}},
    "item": {"id": "a1", "type": "message", "role": "assistant", "status": "completed", "content": []},
    "part": {"type": "audio", "transcript": "all"},
    "rate_limits": [{"name": "tokens", "remaining": 5}],
    "conversation": {"id": "conv_1", "object": "realtime.conversation"},
    "id": "seg_1",
    "speaker": "A",
    "start": 0.5,
    "end": 1.5,
    "event": "9",
    "received_at": 1,
}


def log_of(*events: Event) -> list[Envelope]:
    return [
        Envelope(seq, seq, "own" if event["type"].startswith("genmb.") else "in", event)
        for seq, event in enumerate(events, start=1)
    ]


def in_mid_conversation() -> State:
    added = {"type": "conversation.item.added"}
    return fold(
        log_of(
            {"type": "session.created", "session": {"model": "m"}},
            {
                **added,
                "item": {"id": "u1", "type": "message", "role": "user", "status": "completed", "content": []},
            },
            {"type": "response.created", "response": {"id": "r1"}},
            {"type": "response.output_text.delta", "response_id": "r1", "item_id": "a1", "delta": "some"},
        )
    )


def without_seq(state: State) -> dict[str, Any]:
    return {member: value for member, value in state.to_json().items() if member != "seq"}


@pytest.mark.parametrize(
    ("direction", "kind"), [("in", each) for each in SERVER] + [("out", each) for each in CLIENT]
)
def test_every_event_of_the_protocol_is_folded_or_harmless(direction: Any, kind: str) -> None:
    for body in ({}, BODY, dict.fromkeys(BODY), {member: [] for member in BODY}, dict.fromkeys(BODY, "x")):
        state = in_mid_conversation()
        before = without_seq(state)
        assert state.apply(Envelope(5, 5, direction, {"type": kind, **body}))
        assert state.seq == 5
        assert State.from_json(state.to_json()).to_json() == state.to_json()
        if load().aliases.get(kind, kind) not in handlers()[direction]:
            assert without_seq(state) == before


def test_the_lists_of_events_are_complete_and_cover_every_handler() -> None:
    assert (len(set(SERVER)), len(set(CLIENT))) == (46, 11)
    assert set(handlers()["in"]) <= set(SERVER)
    assert set(handlers()["out"]) <= set(CLIENT)


STATUSES = list(load().status)


@pytest.mark.parametrize("before", STATUSES)
@pytest.mark.parametrize("after", STATUSES)
def test_a_status_is_reached_exactly_where_the_table_allows_it(before: Any, after: str) -> None:
    state = State()
    state.status = before
    state.apply(Envelope(1, 1, "own", {"type": "genmb.status", "status": after, "code": "view_gone"}))
    allowed = after in load().status[before]
    assert state.status == (after if allowed else before)
    assert [error.code for error in state.errors] == (["view_gone"] if allowed else [])


@pytest.mark.parametrize("before", STATUSES)
def test_hearing_from_the_provider_makes_only_a_session_that_is_beginning_live(before: Any) -> None:
    for kind in ("session.created", "session.updated"):
        state = State()
        state.status = before
        state.apply(Envelope(1, 1, "in", {"type": kind, "session": {}}))
        assert state.status == ("live" if before in ("idle", "connecting") else before)


def steps(path: Path) -> list[Step]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "event" in line]


def in_some_order(script: list[Step], ranks: list[int]) -> Iterator[Step]:
    """Give the steps, each after those that it names; of those that may come, the lowest rank first."""
    waiting = dict(zip([step["name"] for step in script], zip(ranks, script, strict=True), strict=True))
    while waiting:
        ready = [
            (rank, name) for name, (rank, step) in waiting.items() if not waiting.keys() & set(step["after"])
        ]
        yield waiting.pop(min(ready)[1])[1]


def envelopes(script: list[Step]) -> list[Envelope]:
    return [
        Envelope(seq, seq, step.get("dir", "in"), step["event"]) for seq, step in enumerate(script, start=1)
    ]


SCRIPT = steps(ORDERS / "conversation.jsonl")
SUMMARY = [
    ("u1", "user", "Hello there.", "completed", None),
    ("a1", "assistant", "Good day!", "completed", None),
    ("u2", "user", "", "failed", None),
    ("a2", "assistant", "This takes a long while", "interrupted", "This takes"),
    ("u3", "user", "Look it up.", "completed", None),
    ("f1", "tool", "", "completed", None),
    ("a4", "assistant", "Found it.", "completed", None),
]


@settings(max_examples=300)
@given(st.permutations(range(len(SCRIPT))))
def test_every_order_that_the_protocol_allows_gives_the_same_turns(ranks: list[int]) -> None:
    state = fold(envelopes(list(in_some_order(SCRIPT, ranks))))
    assert [(turn.id, turn.role, turn.text, turn.status, turn.heard) for turn in state.turns] == SUMMARY
    assert [turn.to_json() for turn in state.turns] == [
        turn.to_json() for turn in fold(envelopes(SCRIPT)).turns
    ]
    assert (state.usage.responses, state.usage.total_tokens, state.usage.transcription_seconds) == (4, 25, 2)
    assert not state.responses


@settings(max_examples=300)
@given(st.lists(st.booleans(), min_size=2 * len(SCRIPT), max_size=2 * len(SCRIPT)))
def test_a_page_whose_own_channel_is_filtered_ends_with_the_same_state_however_late_it_hears_the_rest(
    turns: list[bool],
) -> None:
    """What its own channel brings keeps its order and so does all that the kernel gives it; the first counts."""
    own = [n for n, step in enumerate(SCRIPT) if "dir" in step or step["event"]["type"] in FILTERED]
    given = [n for n, step in enumerate(SCRIPT) if "dir" not in step]
    arrived: dict[int, None] = {}
    for first in turns:
        sent = any("dir" in SCRIPT[n] for n in own if given and n < given[0])  # no answer before the question
        source = own if own and (first or sent or not given) else given
        if source:
            arrived.setdefault(source.pop(0))
    state = fold(envelopes([SCRIPT[n] for n in arrived])).to_json()
    assert state == fold(envelopes(SCRIPT)).to_json()


def test_a_copy_of_a_state_is_equal_and_goes_its_own_way() -> None:
    whole = envelopes(SCRIPT)
    for n in range(0, len(whole), 3):
        state = fold(whole[:n])
        before, copy = state.to_json(), state.copy()
        assert copy.to_json() == before
        for envelope in whole[n:]:
            copy.apply(envelope)
        assert copy.to_json() == fold(whole).to_json() and state.to_json() == before
        for envelope in whole[n:]:
            state.apply(envelope)
        assert state.to_json() == copy.to_json()


IDS = st.sampled_from([*"abcdefgh", "constructor", "__proto__"])


@settings(max_examples=400)
@given(st.lists(st.tuples(IDS, st.none() | IDS), max_size=25))
def test_the_order_of_items_is_a_function_of_its_sequence_whatever_the_predecessors(
    places: list[tuple[str, str | None]],
) -> None:
    order, again = Order(), Order()
    for item, previous in places:
        order.place(item, previous)
        sequence = list(order.sequence())
        assert item in sequence
        assert len(set(sequence)) == len(sequence)
        for each in sequence:
            predecessor = order.previous(each)
            assert predecessor not in sequence or sequence.index(predecessor) < sequence.index(each)
        again = Order.restore([(each, order.previous(each)) for each in sequence])
        assert list(again.sequence()) == sequence
    for item, previous in places:  # two that have the same past have the same future
        order.place(f"{item}!", previous)
        again.place(f"{item}!", previous)
        assert list(again.sequence()) == list(order.sequence())
    for item in "abcdefgh":
        order.place(item, None)
        again.place(item, None)
        assert list(again.sequence()) == list(order.sequence())


def test_only_an_insertion_in_the_middle_walks_over_all_items() -> None:
    order = Order()
    sequence = order.sequence()
    for item, previous in [
        ("u1", None),
        ("a1", "u1"),
        ("u2", None),
        ("u2", "a1"),
        ("a2", "u2"),
        ("x", "unknown"),
    ]:
        order.place(item, previous)
        assert order.sequence() is sequence
    order.place("between", "u1")
    assert order.sequence() is not sequence
    assert order.sequence() is order.sequence()
    assert list(order.sequence()) == ["u1", "between", "a1", "u2", "a2", "x"]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["u1", "a1", "r1", "c1"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(list(BODY)) | st.text(), inner)
    ),
    max_leaves=12,
)
EVENTS = st.builds(
    lambda kind, body: {**body, "type": kind},
    st.sampled_from([*SERVER, *CLIENT, *load().aliases, *handlers()["own"]]),
    st.dictionaries(st.sampled_from(list(BODY)), JSON | st.sampled_from(list(BODY.values())), max_size=9),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(["in", "out", "own"]), EVENTS), max_size=12))
def test_no_event_whatever_its_members_raises(events: list[tuple[Any, Event]]) -> None:
    state = in_mid_conversation()
    for seq, (direction, event) in enumerate(events, start=5):
        state.apply(Envelope(seq, seq, direction, event))
        assert State.from_json(state.to_json()).to_json() == state.to_json()


@pytest.mark.parametrize("kind", [None, 7, "", [], {"a": 1}, math.nan])
def test_an_event_without_a_name_changes_nothing(kind: Any) -> None:
    state = in_mid_conversation()
    before = without_seq(state)
    assert state.apply(Envelope(9, 9, "in", {"type": kind}))
    assert state.apply(Envelope(10, 10, "in", {}))
    assert without_seq(state) == before


@given(JSON)
def test_json_that_is_no_state_is_a_value_error(data: Any) -> None:
    with pytest.raises(ValueError, match="not a state"):
        State.from_json(data)


def test_what_the_state_has_handed_out_does_not_change() -> None:
    state = in_mid_conversation()
    turns, errors, responses, usage = state.turns, state.errors, dict(state.responses), state.usage
    kept = [turn.to_json() for turn in turns]
    for seq, step in enumerate(SCRIPT, start=5):
        state.apply(Envelope(seq, seq, step.get("dir", "in"), step["event"]))
    assert [turn.to_json() for turn in turns] == kept
    assert (errors, usage.responses, responses) == ((), 0, {"r1": Response()})
    with pytest.raises(TypeError):
        state.responses["r9"] = Response()  # type: ignore[index]
    with pytest.raises(AttributeError):
        turns[0].text = "changed"  # type: ignore[misc]


def test_the_turns_are_the_same_tuple_until_one_changes() -> None:
    state = in_mid_conversation()
    turns = state.turns
    state.apply(Envelope(5, 5, "in", {"type": "rate_limits.updated"}))
    state.apply(Envelope(6, 6, "in", {"type": "output_audio_buffer.started", "response_id": "r1"}))
    assert state.turns is turns
    state.apply(Envelope(7, 7, "in", {"type": "response.output_text.delta", "item_id": "a1", "delta": "!"}))
    assert state.turns is not turns
    assert state.turns[0] is turns[0]


def spoken_turns(first: int, last: int) -> list[Event]:
    events: list[Event] = []
    for each in range(first, last):
        user, reply, response = f"u{each}", f"a{each}", f"r{each}"
        before = f"a{each - 1}" if each else None
        said = {
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio"}],
        }
        says = {"type": "message", "status": "in_progress", "role": "assistant", "content": []}
        reference = {"response_id": response, "item_id": reply, "content_index": 0}
        transcription = "conversation.item.input_audio_transcription.completed"
        events += [
            {"type": "input_audio_buffer.speech_started", "item_id": user},
            {"type": "input_audio_buffer.speech_stopped", "item_id": user},
            {"type": "input_audio_buffer.committed", "item_id": user, "previous_item_id": before},
            {"type": "conversation.item.added", "previous_item_id": before, "item": {"id": user, **said}},
            {"type": "response.created", "response": {"id": response}},
            {"type": "response.output_item.added", "response_id": response, "item": {"id": reply, **says}},
            {"type": "conversation.item.added", "previous_item_id": user, "item": {"id": reply, **says}},
            {"type": transcription, "item_id": user, "transcript": "What is next?"},
            {"type": "output_audio_buffer.started", "response_id": response},
            *(
                {"type": "response.output_audio_transcript.delta", "delta": " word", **reference}
                for _ in range(8)
            ),
            {"type": "response.output_audio_transcript.done", "transcript": "So many words.", **reference},
            {"type": "response.done", "response": {"id": response, "status": "completed"}},
            {"type": "output_audio_buffer.stopped", "response_id": response},
        ]
    return events


def seconds_per_event(state: State, events: list[Event]) -> float:
    envelopes = [Envelope(seq, seq, "in", event) for seq, event in enumerate(events, start=state.seq + 1)]
    began = time.perf_counter()
    for envelope in envelopes:
        state.apply(envelope)
        assert state.activity != "hearing" or state.speech
    return (time.perf_counter() - began) / len(envelopes)


def test_an_event_costs_the_same_after_ten_thousand_turns_as_after_a_hundred() -> None:
    few, many = fold(log_of(*spoken_turns(0, 50))), fold(log_of(*spoken_turns(0, 5000)))
    assert (len(few.turns), len(many.turns)) == (100, 10_000)
    early = min(seconds_per_event(few, spoken_turns(50 + i * 10, 60 + i * 10)) for i in range(5))
    late = min(seconds_per_event(many, spoken_turns(5000 + i * 10, 5010 + i * 10)) for i in range(5))
    assert late < 4 * early  # what grows with the turns would make it a hundred times as much
    assert len(many.turns) == 10_100
