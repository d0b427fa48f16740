"""Envelopes, canonical names, audio kept out of the log, the catalogue, and the reading of foreign JSON."""

import base64
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genmb_voice_widget.protocol import Envelope, canonical, load, problem, strip_audio
from genmb_voice_widget.reading import LARGEST, count, elements, name, number, record, text

GOOD = {"seq": 3, "t": 0, "dir": "in", "event": {"type": "session.created"}}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def test_an_envelope_comes_back_from_its_json() -> None:
    assert Envelope.from_json(GOOD) == Envelope(3, 0, "in", {"type": "session.created"})
    assert Envelope.from_json(GOOD).to_json() == GOOD


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("seq", wrong) for wrong in (0, -1, 1.5, "1", True, None, 2**53, math.nan, math.inf)),
        *(("t", wrong) for wrong in (-1, 0.5, "0", False, None)),
        *(("dir", wrong) for wrong in ("up", "", None, ["in"], 1)),
        *(("event", wrong) for wrong in (None, [], "x", {}, {"type": ""}, {"type": 7}, {"type": None})),
    ],
)
def test_an_envelope_with_a_wrong_member_is_refused_by_its_name(member: str, value: Any) -> None:
    with pytest.raises(ValueError, match=member):
        Envelope.from_json({**GOOD, member: value})
    with pytest.raises(ValueError, match=member):
        Envelope.from_json({key: kept for key, kept in GOOD.items() if key != member})


@given(JSON)
def test_whatever_is_not_an_envelope_is_a_value_error(data: Any) -> None:
    with pytest.raises(ValueError, match="not an envelope"):
        Envelope.from_json(data)


def test_a_whole_float_is_an_integer_as_it_is_in_a_browser() -> None:
    envelope = Envelope.from_json({**GOOD, "seq": 2.0, "t": 5.0})
    assert json.dumps(envelope.to_json()) == json.dumps({**GOOD, "seq": 2, "t": 5})


@pytest.mark.parametrize(("old", "new"), load().aliases.items())
def test_an_event_under_an_older_name_gets_its_ga_name(old: str, new: str) -> None:
    event = {"type": old, "item_id": "a1"}
    assert canonical(event) == {"type": new, "item_id": "a1"}
    assert event["type"] == old


def test_no_alias_leads_to_another() -> None:
    assert not set(load().aliases) & set(load().aliases.values())


@pytest.mark.parametrize("event", [{"type": "session.created"}, {"type": 7}, {"type": ["x"]}, {}])
def test_any_other_event_stays_the_same_object(event: dict[str, Any]) -> None:
    assert canonical(event) is event
    assert strip_audio(event) is event


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 4800])
def test_audio_is_replaced_by_its_decoded_size(size: int) -> None:
    encoded = base64.b64encode(bytes(size)).decode()
    for kind in ("response.output_audio.delta", "response.audio.delta"):
        event = {"type": kind, "item_id": "a1", "delta": encoded}
        assert strip_audio(event) == {"type": kind, "item_id": "a1", "delta_bytes": size}
        assert event["delta"] == encoded
    sent = {"type": "input_audio_buffer.append", "audio": encoded}
    assert strip_audio(sent) == {"type": "input_audio_buffer.append", "audio_bytes": size}


@pytest.mark.parametrize(
    "kind", ["conversation.item.create", "conversation.item.retrieved", "response.output_item.done"]
)
def test_audio_inside_items_is_replaced_too(kind: str) -> None:
    part = {"type": "input_audio", "audio": "AAAA", "transcript": "hi"}
    kept = {"type": "input_audio", "audio_bytes": 3, "transcript": "hi"}
    words = {"type": "input_text", "text": "hi"}
    event = {"type": kind, "item": {"id": "u1", "content": [words, part, None]}}
    assert strip_audio(event) == {"type": kind, "item": {"id": "u1", "content": [words, kept, None]}}
    output = {"type": "response.done", "response": {"output": [{"content": [part]}, 3], "id": "r1"}}
    assert strip_audio(output)["response"] == {"output": [{"content": [kept]}, 3], "id": "r1"}
    piece = {"type": "response.content_part.done", "part": part, "content": part}
    assert strip_audio(piece) == {"type": "response.content_part.done", "part": kept, "content": kept}


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.output_audio_transcript.delta", "delta": "words"},
        {"type": "response.output_audio.delta", "delta": None},
        {"type": "response.output_audio.delta", "delta_bytes": 7},
        {"type": "session.update", "session": {"audio": {"output": {"voice": "marin"}}}},
        {
            "type": "response.done",
            "response": {"audio": {"output": {}}, "output": [{"content": [{"audio": None}]}]},
        },
        {"type": "conversation.item.added", "item": {"content": "audio"}},
    ],
)
def test_an_event_without_audio_stays_the_same_object(event: dict[str, Any]) -> None:
    assert strip_audio(event) is event


def test_a_problem_has_the_catalogue_s_words() -> None:
    denied = problem("mic_denied", "NotAllowedError")
    assert (denied.code, denied.retryable, denied.detail) == ("mic_denied", True, "NotAllowedError")
    assert denied.say == load().errors["mic_denied"].say
    assert denied.to_json() == {
        "code": "mic_denied",
        "say": denied.say,
        "fix": denied.fix,
        "retryable": True,
        "detail": "NotAllowedError",
    }


def test_a_problem_that_is_not_in_the_catalogue_is_internal() -> None:
    assert (problem("nonsense").code, problem("nonsense").detail) == ("internal", "nonsense")
    assert problem("nonsense", "why").detail == "nonsense: why"
    assert problem("").code == "internal"


@pytest.mark.parametrize("code", load().errors)
def test_every_error_says_what_happened_and_what_to_do(code: str) -> None:
    entry = load().errors[code]
    assert entry.say
    assert entry.fix
    assert entry.say.endswith(".")
    assert entry.status is None or 400 <= entry.status < 600


def test_the_status_table_leads_somewhere_and_ends() -> None:
    table = load().status
    assert {status for following in table.values() for status in following} | {"idle"} == set(table)
    assert {status for status, following in table.items() if not following} == {"ended", "failed"}


def test_protocol_json_is_read_once() -> None:
    assert load() is load()


@pytest.mark.parametrize(
    "value", [None, True, False, "", "3", [], {}, -1, 0.5, -0.5, 2**53, 1e300, math.nan, math.inf]
)
def test_a_count_is_a_whole_number_that_both_languages_hold(value: Any) -> None:
    assert count(value) is None


@pytest.mark.parametrize("value", [0, -0.0, 1, 7.0, LARGEST, float(LARGEST)])
def test_whole_numbers_are_counted_as_integers(value: float) -> None:
    assert count(value) == value
    assert type(count(value)) is int


def test_a_number_may_be_broken_and_never_more_than_a_number() -> None:
    assert number(1.5) == 1.5
    assert type(number(3.0)) is int
    assert [number(value) for value in (True, "1", math.nan, math.inf, -0.1, 10**400)] == [None] * 6


def test_reading_gives_one_kind_of_value_or_nothing() -> None:
    assert [record(value) for value in ([], None, "x", {"a": 1})] == [{}, {}, {}, {"a": 1}]
    assert [elements(value) for value in ({}, None, "x", [1])] == [[], [], [], [1]]
    assert [text(value) for value in ("", "x", None, 1, [])] == ["", "x", None, None, None]
    assert [name(value) for value in ("", "x", None, 1, [])] == [None, "x", None, None, None]
