"""Faults of the stream of events: what a client is sent in the place of an event.

Pure. Owns what is held back and for how long; knows events only by their types.
"""

from __future__ import annotations

import itertools
import json

from genmb_voice_widget.peer.shapes import Json

from . import Faults

_TRANSCRIPTION = "conversation.item.input_audio_transcription."
_DEEP = 5000
NO_EVENTS = (
    '{"type": "response.done", "event_id":',
    "[]",
    "null",
    '"response.done"',
    "{}",
    '{"type": 7}',
    '{"type": "response.done"}',
    '{"type": "response.done", "response": null}',
    '{"type": "conversation.item.added", "item": []}',
    '{"type": "response.output_audio_transcript.delta", "delta": {}}',
    '{"type": "genmb.never", "event_id": 1}',
    f'{{"type": "conversation.item.added", "item": {"[" * _DEEP}{"]" * _DEEP}}}',
)
"""What `malformed` sends, in turn: no JSON, no objects, no types, no ids, wrong members, endless nesting."""

Told = tuple[str, str]
"""A text to send, behind the type of the event that it is, or comes with."""


class Stream:
    """Takes a session's events one by one; `rest` gives what no other event has to wait for any more."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._transcripts: list[Json] = []
        self._held: list[Json] = []
        self._broken = itertools.cycle(NO_EVENTS)

    def take(self, event: Json) -> list[Told]:
        """Return what is sent now that this event has come."""
        kept = [one for told in self._transcribed(event) for one in self._in_order(told)]
        return [text for one in kept for text in self._told(one)]

    def rest(self) -> list[Told]:
        """Return the event that waits to change places, after a moment in which none came."""
        held, self._held = self._held, []
        return [told for event in held for told in self._told(event)]

    def _transcribed(self, event: Json) -> list[Json]:
        kind, faults = event["type"], self._faults
        if kind == "response.done":
            late, self._transcripts = self._transcripts, []
            return [event, *late]
        if not kind.startswith(_TRANSCRIPTION):
            return [event]
        if faults.no_transcript or (faults.transcription_failed and kind.endswith(".delta")):
            return []
        told = _failed(event) if faults.transcription_failed else event
        if faults.late_transcript:
            self._transcripts.append(told)
            return []
        return [told]

    def _in_order(self, event: Json) -> list[Json]:
        if not self._faults.reorder or event["type"] == "session.created":
            return [event]
        if not self._held:
            self._held.append(event)
            return []
        held, self._held = self._held, []
        return [event, *held]

    def _told(self, event: Json) -> list[Told]:
        kind = event["type"]
        told = [(kind, json.dumps(event, separators=(",", ":")))] * (2 if self._faults.duplicate else 1)
        return [*told, (kind, next(self._broken))] if self._faults.malformed else told


def _failed(event: Json) -> Json:
    """Return a transcription event as one that failed (recorded on Azure, without the model's deployment)."""
    message = f"Input transcription failed for item '{event['item_id']}'."
    error = {"type": "server_error", "code": "DeploymentNotFound", "message": message, "param": None}
    kept = {name: event[name] for name in ("event_id", "item_id", "content_index")}
    return {"type": f"{_TRANSCRIPTION}failed", **kept, "error": error}
