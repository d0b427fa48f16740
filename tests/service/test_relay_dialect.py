"""The beta's names and shapes: to GA on the way in, from GA on the way out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from genmb_voice_widget.protocol import load
from genmb_voice_widget.service.relay.dialect import ga_session, to_beta, to_ga

FLAT = {
    "modalities": ["text", "audio"],
    "instructions": "Be brief.",
    "voice": "ash",
    "input_audio_format": "pcm16",
    "output_audio_format": "g711_ulaw",
    "input_audio_transcription": {"model": "whisper-1"},
    "input_audio_noise_reduction": {"type": "near_field"},
    "turn_detection": {"type": "server_vad", "threshold": 0.4},
    "tools": [{"type": "function", "name": "f"}],
    "tool_choice": "auto",
    "max_response_output_tokens": 200,
    "speed": 1.1,
}
DEEP = {
    "type": "realtime",
    "output_modalities": ["audio"],
    "instructions": "Be brief.",
    "audio": {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24000},
            "transcription": {"model": "whisper-1"},
            "noise_reduction": {"type": "near_field"},
            "turn_detection": {"type": "server_vad", "threshold": 0.4},
        },
        "output": {"voice": "ash", "format": {"type": "audio/pcmu"}, "speed": 1.1},
    },
    "tools": [{"type": "function", "name": "f"}],
    "tool_choice": "auto",
    "max_output_tokens": 200,
}


def test_a_flat_session_gets_the_ga_form_and_comes_back_as_it_was():
    assert to_ga({"type": "session.update", "session": FLAT}) == {"type": "session.update", "session": DEEP}
    back = to_beta({"type": "session.updated", "session": {**DEEP, "id": "sess_1"}})
    assert back == {"type": "session.updated", "session": {**FLAT, "id": "sess_1"}}


def test_a_session_that_was_answered_can_be_sent_back_as_it_is():
    given = {**FLAT, "id": "s", "object": "realtime.session", "expires_at": 1, "temperature": 0.8}
    assert ga_session({**given, "client_secret": {"value": "wss://x"}}) == DEEP


def test_a_page_that_speaks_ga_is_understood_too_and_its_own_objects_are_left_alone():
    event = {"type": "session.update", "session": json.loads(json.dumps(DEEP))}
    assert to_ga(event) == event
    mixed = {"voice": "sage", "audio": {"output": {"speed": 1.2}}}
    assert ga_session(mixed)["audio"] == {"output": {"speed": 1.2, "voice": "sage"}}
    assert mixed == {"voice": "sage", "audio": {"output": {"speed": 1.2}}}


@pytest.mark.parametrize("off", [None, "none"])
def test_turn_detection_is_switched_off(off):
    assert ga_session({"turn_detection": off})["audio"] == {"input": {"turn_detection": None}}


@pytest.mark.parametrize(
    ("modalities", "output"), [(["text"], ["text"]), (["audio", "text"], ["audio"]), ("all", "all")]
)
def test_modalities(modalities, output):
    assert ga_session({"modalities": modalities})["output_modalities"] == output


def test_a_response_that_is_asked_for_gets_the_ga_form():
    wanted = {
        "modalities": ["text"],
        "voice": "ash",
        "temperature": 1,
        "max_output_tokens": 9,
        "metadata": {},
    }
    event = {"type": "response.create", "event_id": "e", "response": wanted}
    assert to_ga(event) == {
        "type": "response.create",
        "event_id": "e",
        "response": {
            "max_output_tokens": 9,
            "metadata": {},
            "output_modalities": ["text"],
            "audio": {"output": {"voice": "ash"}},
        },
    }
    assert to_ga({"type": "response.create"}) == {"type": "response.create"}


def test_only_what_an_assistant_said_has_other_names_for_its_parts():
    parts = [{"type": "text", "text": "Hi"}, {"type": "input_text", "text": "Hi"}, "odd"]

    def created(role):
        item = {"type": "message", "role": role, "content": parts}
        return to_ga({"type": "conversation.item.create", "item": item})["item"]["content"]

    assert created("assistant") == [{"type": "output_text", "text": "Hi"}, parts[1], "odd"]
    assert created("user") == parts


@pytest.mark.parametrize(("beta", "ga"), load().aliases.items())
def test_each_event_has_its_older_name(beta, ga):
    event = {"type": ga, "event_id": "e", "delta": "x"}
    assert to_beta(event) == {**event, "type": beta}
    assert event["type"] == ga


def test_an_event_that_the_beta_has_not_is_kept_back_and_others_pass():
    assert to_beta({"type": "conversation.item.done", "item": {}}) is None
    event = {"type": "rate_limits.updated", "rate_limits": []}
    assert to_beta(event) == event


def test_items_parts_and_responses_have_the_older_names_inside():
    item = {
        "id": "i",
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_audio", "transcript": "Hi"}],
    }
    older = {**item, "object": "realtime.item", "content": [{"type": "audio", "transcript": "Hi"}]}
    assert to_beta({"type": "response.output_item.done", "item": item})["item"] == older
    part = {"type": "response.content_part.done", "part": {"type": "output_text", "text": "Hi"}}
    assert to_beta(part)["part"] == {"type": "text", "text": "Hi"}
    response = {
        "id": "r",
        "status": "completed",
        "output": [item, "odd"],
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": {"voice": "ash", "format": {"type": "audio/pcm", "rate": 24000}}},
        "usage": {"total_tokens": 3},
    }
    assert to_beta({"type": "response.done", "response": response})["response"] == {
        "id": "r",
        "status": "completed",
        "output": [older, "odd"],
        "modalities": ["text", "audio"],
        "max_output_tokens": "inf",
        "voice": "ash",
        "output_audio_format": "pcm16",
        "usage": {"total_tokens": 3},
    }


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.text(max_size=5),
    lambda inner: some.lists(inner, max_size=3)
    | some.dictionaries(
        some.sampled_from(["type", "audio", "input", "output", "content", "format", "voice", "modalities", "turn_detection", "x"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
KINDS = some.sampled_from(
    ["session.update", "session.updated", "response.create", "response.done", "conversation.item.create",
     "conversation.item.added", "response.content_part.added", "x"]
)  # fmt: skip


@given(KINDS, some.dictionaries(some.sampled_from(["session", "response", "item", "part", "x"]), JSON))
def test_no_json_is_too_odd_to_be_passed_on(kind, members):
    event = {**members, "type": kind}
    before = json.dumps(event)
    for translate in (to_ga, to_beta):
        made = translate(event)
        assert made is not None
        json.dumps(made)
        assert json.dumps(event) == before
