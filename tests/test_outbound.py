"""What a page may send: each line of outbound.jsonl is an event that the official types allow.

That a page sends nothing of another shape is checked where it sends: js/test/session.test.ts.
"""

import json
from pathlib import Path

import pytest
from harness import voice_live_types
from harness.openai_types import faults
from openai.types.realtime import RealtimeClientEvent

from genmb_voice_widget.session import Session

LINES = Path(__file__).with_name("outbound.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("line", LINES, ids=lambda line: json.loads(line)["type"])
def test_every_event_that_a_page_sends_is_one_of_the_official_types(line):
    assert faults(json.loads(line), RealtimeClientEvent) == []


@pytest.mark.parametrize("line", LINES, ids=lambda line: json.loads(line)["type"])
def test_every_event_that_a_page_sends_is_one_of_voice_lives_too(line):
    event = json.loads(line)
    if event["type"] == "session.update":  # its session is the kernel's to write, in the dialect's words
        event["session"] = Session().to_wire("beta")
    assert voice_live_types.client_faults(event) == []


@pytest.mark.parametrize(
    "event",
    [
        {"type": "response.cancel", "reason": "said so"},
        {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 0.5},
        {"type": "input_audio_buffer.append"},
        {"type": "telepathy"},
    ],
    ids=lambda event: event["type"],
)
def test_an_event_that_is_none_of_theirs_is_found(event):
    assert faults(event, RealtimeClientEvent)


def test_an_event_that_is_none_of_voice_lives_is_found():
    assert voice_live_types.client_faults({"type": "telepathy"}) == ["telepathy: no client event"]
    assert voice_live_types.client_faults({"type": "response.cancel", "reason": "said so"})
