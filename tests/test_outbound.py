"""What a page may send: each line of outbound.jsonl is an event that the official types allow.

That a page sends nothing of another shape is checked where it sends: js/test/session.test.ts.
"""

import json
from pathlib import Path

import pytest
from harness.openai_types import faults
from openai.types.realtime import RealtimeClientEvent

LINES = Path(__file__).with_name("outbound.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("line", LINES, ids=lambda line: json.loads(line)["type"])
def test_every_event_that_a_page_sends_is_one_of_the_official_types(line):
    assert faults(json.loads(line), RealtimeClientEvent) == []


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
