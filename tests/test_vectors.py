"""The vectors: what each sequence of events must fold to, here and in js/test/vectors.test.ts.

A line is ``{"note"}``, ``{"event", "dir"?, "seq"?, "t"?}``, ``{"any_order": [event, …]}`` (the vector then stands for
one with each order) or ``{"expect": part of the state}``. ``dir`` is ``own`` for genmb events, else ``in``; ``seq``
counts on.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from genmb_voice_widget.protocol import Envelope, load
from genmb_voice_widget.state import State, fold

VECTORS = Path(__file__).with_name("vectors")
Line = dict[str, Any]


def read(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def orders(lines: list[Line]) -> Iterator[list[Line]]:
    """Give the lines once for each combination of the orders that they leave open."""
    choices = [
        [[{"event": event} for event in order] for order in itertools.permutations(line["any_order"])]
        if "any_order" in line
        else [[line]]
        for line in lines
    ]
    for choice in itertools.product(*choices):
        yield [line for chosen in choice for line in chosen]


def numbered(lines: list[Line]) -> Iterator[Envelope | Line]:
    """Turn the event lines into envelopes."""
    seq = 0
    for line in lines:
        if "event" in line:
            seq, own = line.get("seq", seq + 1), line["event"]["type"].startswith("genmb.")
            direction = line.get("dir", "own" if own else "in")
            yield Envelope.from_json(
                {"seq": seq, "t": line.get("t", seq), "dir": direction, "event": line["event"]}
            )
        else:
            yield line


PATHS = sorted(VECTORS.glob("*.jsonl"))
CASES = [
    pytest.param(lines, id=f"{path.stem}-{index}")
    for path in PATHS
    for index, lines in enumerate(orders(read(path)))
]
vector = pytest.mark.parametrize("lines", CASES)


def assert_holds(expected: Any, actual: Any, where: str) -> None:
    """Compare members of objects that are expected, and everything else whole; ``{}`` is an empty object."""
    if isinstance(expected, dict) and expected:
        assert isinstance(actual, dict), f"{where} is {actual!r}"
        for member, value in expected.items():
            assert member in actual, f"{where} has no {member}: {actual!r}"
            assert_holds(value, actual[member], f"{where}.{member}")
    elif isinstance(expected, list):
        assert isinstance(actual, list), f"{where} is {actual!r}"
        assert len(actual) == len(expected), f"{where} has {len(actual)} elements: {actual!r}"
        for index, (value, found) in enumerate(zip(expected, actual, strict=True)):
            if value != {}:  # in an array, {} leaves an element open
                assert_holds(value, found, f"{where}[{index}]")
    else:
        assert actual == expected, f"{where} is {actual!r}"


def envelopes(lines: list[Line]) -> list[Envelope]:
    return [line for line in numbered(lines) if isinstance(line, Envelope)]


@vector
def test_the_fold_gives_what_the_vector_expects(lines: list[Line]) -> None:
    state, expected = State(), 0
    for line in numbered(lines):
        if isinstance(line, Envelope):
            state.apply(line)
        elif "expect" in line:
            expected += 1
            assert_holds(line["expect"], state.to_json(), "state")
    assert expected > 0


@vector
def test_repeating_envelopes_changes_nothing(lines: list[Line]) -> None:
    log = envelopes(lines)
    for size in (1, 3, 7):
        state = State()
        for start in range(0, len(log), size):
            for envelope in log[max(0, start - 2) : start + size]:
                state.apply(envelope)
        for envelope in log:
            assert not state.apply(envelope)
        assert state.to_json() == fold(log).to_json()


@vector
def test_a_state_that_was_json_goes_on_like_the_state_itself(lines: list[Line]) -> None:
    log = envelopes(lines)
    whole = fold(log).to_json()
    for cut in range(len(log) + 1):
        state = State.from_json(json.loads(json.dumps(fold(log[:cut]).to_json())))
        assert state.to_json() == fold(log[:cut]).to_json()
        for envelope in log[cut:]:
            state.apply(envelope)
        assert state.to_json() == whole


@vector
def test_a_turn_that_did_not_change_is_the_same_object(lines: list[Line]) -> None:
    state = State()
    for envelope in envelopes(lines):
        before = {turn.id: turn for turn in state.turns}
        turns = state.turns
        state.apply(envelope)
        for turn in state.turns:
            assert turn is before.get(turn.id) or turn != before.get(turn.id)
        if turns == state.turns and envelope.event["type"] != "genmb.snapshot":
            assert all(old is new for old, new in zip(turns, state.turns, strict=True))


@vector
def test_the_turns_are_the_same_whether_or_not_they_were_read_on_the_way(lines: list[Line]) -> None:
    state, log = State(), envelopes(lines)
    for seen, envelope in enumerate(log, start=1):
        state.apply(envelope)
        assert state.turns == fold(log[:seen]).turns


def occurring() -> tuple[set[str], set[str], set[str]]:
    """Give the event types, the statuses and the provider's error codes that occur in some vector."""
    events = [envelope.event for case in CASES for envelope in envelopes(case.values[0])]
    return (
        {event["type"] for event in events},
        {str(event.get("status")) for event in events if event["type"] == "genmb.status"},
        {event["error"].get("code") for event in events if isinstance(event.get("error"), dict)},
    )


def test_every_alias_status_and_benign_error_of_the_protocol_occurs_in_a_vector() -> None:
    types, statuses, codes = occurring()
    assert set(load().aliases) <= types
    assert set(load().aliases.values()) <= types
    assert set(load().status) <= statuses
    assert load().benign_errors <= codes


def test_every_error_of_the_catalogue_is_shown_in_a_vector() -> None:
    shown = {error.code for case in CASES for error in fold(envelopes(case.values[0])).errors}
    assert shown == set(load().errors), "add the new codes to tests/vectors/catalogue.jsonl"


def test_every_event_that_the_fold_handles_occurs_in_a_vector() -> None:
    from genmb_voice_widget.fold.reduce import handlers

    types, _, _ = occurring()
    assert {handled for of in handlers().values() for handled in of} <= types


def test_the_runner_notices_what_differs() -> None:
    state = State().to_json()
    for wrong in ({"seq": 1}, {"turns": [{}]}, {"usage": {"none": 0}}, {"session": {}}, {"errors": {}}):
        with pytest.raises(AssertionError):
            assert_holds(wrong, state, "state")
