"""A made-up conversation of any length, as envelopes: what a spoken turn and its spoken answer look like on the wire."""

from typing import Any

WORDS = [
    "It",
    "is",
    "sunny",
    "and",
    "twenty",
    "one",
    "degrees",
    "in",
    "Paris",
    "today",
    "so",
    "a",
    "walk",
    "by",
    "the",
    "river",
    "would",
    "be",
    "lovely",
]
Event = dict[str, Any]
SPOKEN_TURN_MS = 7_000


def spoken_turn(number: int) -> list[tuple[int, Event]]:
    """One turn of each side: (milliseconds since the turn began, event), in the recorded order."""
    user, agent, response = f"item_u{number}", f"item_a{number}", f"resp_{number}"
    ids = {"response_id": response, "item_id": agent, "output_index": 0, "content_index": 0}
    heard = {"id": user, "type": "message", "role": "user", "status": "completed"}
    said = {"id": agent, "type": "message", "role": "assistant"}
    before = f"item_a{number - 1}" if number else None
    content = [{"type": "input_audio", "transcript": None}]
    text = " ".join(WORDS)
    return [
        (0, {"type": "input_audio_buffer.speech_started", "item_id": user, "audio_start_ms": 0}),
        (1500, {"type": "input_audio_buffer.speech_stopped", "item_id": user, "audio_end_ms": 1500}),
        (1500, {"type": "input_audio_buffer.committed", "item_id": user, "previous_item_id": before}),
        (1501, {"type": "conversation.item.added", "previous_item_id": before, "item": {**heard, "content": content}}),
        (1501, {"type": "conversation.item.done", "previous_item_id": before, "item": {**heard, "content": content}}),
        (1510, {"type": "response.created", "response": {"id": response, "status": "in_progress", "output": []}}),
        (1520, {"type": "response.output_item.added", "response_id": response, "output_index": 0, "item": {**said, "content": []}}),
        (1520, {"type": "conversation.item.added", "previous_item_id": user, "item": {**said, "content": []}}),
        (1520, {"type": "response.content_part.added", **ids, "part": {"type": "audio", "transcript": ""}}),
        *((1530 + 40 * n, {"type": "response.output_audio_transcript.delta", **ids, "delta": f" {word}"}) for n, word in enumerate(WORDS)),
        (1540, {"type": "output_audio_buffer.started", "response_id": response}),
        (1900, {"type": "conversation.item.input_audio_transcription.completed", "item_id": user, "content_index": 0, "transcript": "What is the weather in Paris?"}),
        (2300, {"type": "response.output_audio_transcript.done", **ids, "transcript": text}),
        (2301, {"type": "conversation.item.done", "item": {**said, "content": [{"type": "output_audio", "transcript": text}]}}),
        (2302, {"type": "response.done", "response": {"id": response, "status": "completed", "usage": {"total_tokens": 114}}}),
        (6500, {"type": "output_audio_buffer.stopped", "response_id": response}),
    ]  # fmt: skip


def conversation(turns: int) -> list[Event]:
    """Envelopes of that many spoken turns, one after the other."""
    timed = [
        (SPOKEN_TURN_MS * number + at, event)
        for number in range(turns)
        for at, event in sorted(spoken_turn(number), key=lambda pair: pair[0])
    ]
    return [{"seq": seq, "t": at, "dir": "in", "event": event} for seq, (at, event) in enumerate(timed, 1)]
