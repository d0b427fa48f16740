"""The conversation of one session: its items and the `conversation.item.*` events that edit them.

Pure. Owns the order of items, what was said in audio items, and which words a truncated item keeps. Knows
nothing of responses, turns or transports. Its events lack `event_id`, which whoever sends them adds.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.stages import UNCLEAR, Transcript, UserTurn
from genmb_voice_widget.peer.wire_error import WireError, invalid_value

from . import items as shapes_of_items
from .speech import Speech
from .usage import transcription_usage

MISSING_DEPLOYMENT = "missing-deployment"
"""A transcription model of this name fails as a name without a deployment does on Azure."""


class Dialogue:
    """The list of items. Client edits raise `WireError` and then change nothing."""

    def __init__(self, new_id: Callable[[str], str], pad: Callable[[str], str]) -> None:
        self.id = new_id("conv")
        self.items: list[Json] = []
        self._untranscribed: set[str] = set()
        self._make_id = new_id
        self._ids: set[str] = set()
        self._pad = pad
        self._speech: dict[str, Speech] = {}
        self._heard: dict[str, Transcript] = {}
        self._audio_ms: dict[str, float] = {}

    def is_known(self, items: tuple[Json, ...] | None) -> bool:
        """Tell whether all that the user said in `items`, or in the conversation, is transcribed."""
        return self._untranscribed.isdisjoint(item["id"] for item in self._chosen(items))

    def size(self, items: tuple[Json, ...] | None) -> tuple[int, float]:
        """Return the characters of `items`, or of the conversation, and the ms of the user's audio in it."""
        chosen = self._chosen(items)
        ms = sum(self._audio_ms.get(item["id"], 0.0) for item in chosen)
        return sum(len(shapes_of_items.message_text(item)) for item in chosen), ms

    def new_id(self, kind: str) -> str:
        """Return an id that no client's item may have from now on, whether or not it is ever an item's."""
        made = self._make_id(kind)
        self._ids.add(made)
        return made

    def create(self, item: object, previous_item_id: str | None) -> list[Json]:
        """Insert a client's item. An id is used once in a session: what was known of it outlives its item."""
        created = shapes_of_items.check_item(item, "item", self._make_id("item"))
        if created["id"] in self._ids:
            raise invalid_value("item.id", "this id has been used already")
        self.items.insert(shapes_of_items.place(self.items, previous_item_id), created)
        self._ids.add(created["id"])
        return [self.added(created), self.finished(created)]

    def commit_audio(self, item_id: str, ms: float) -> list[Json]:
        """Turn the input buffer into a user item whose transcript is still to come."""
        before = self.items[-1]["id"] if self.items else None
        content = [{"type": "input_audio", "transcript": None}]
        item: Json = {"id": item_id, "type": "message", "status": "completed", "role": "user"}
        item["content"] = content
        self.items.append(item)
        self._audio_ms[item_id] = ms
        self._untranscribed.add(item_id)
        ids = {"previous_item_id": before, "item_id": item_id}
        committed: Json = {"type": "input_audio_buffer.committed", **ids}
        return [committed, self.added(item), self.finished(item)]

    def transcribed(
        self, item_id: str, transcript: Transcript | None, seconds: float, config: Json | None
    ) -> list[Json]:
        """Learn what was said in a user item; events only where the session asks for transcription.

        Of speech that was not accepted the client is told that it was unclear, never the guess.
        """
        self._untranscribed.discard(item_id)
        heard = self._heard[item_id] = transcript or Transcript("", 0.0, accepted=False)
        if config is None:
            return []
        ids: Json = {"item_id": item_id, "content_index": 0}
        kind = "conversation.item.input_audio_transcription"
        failure = _transcription_failure(item_id, transcript, config)
        if failure is not None:
            return [{"type": f"{kind}.failed", **ids, "error": failure}]
        text = heard.text if heard.accepted else UNCLEAR
        for item in self.items:
            if item["id"] == item_id:
                item["content"][0]["transcript"] = text
        usage = transcription_usage(seconds)
        return [
            {"type": f"{kind}.delta", **ids, "delta": text, "obfuscation": self._pad(text)},
            {"type": f"{kind}.completed", **ids, "transcript": text, "usage": usage},
        ]

    def append(self, item: Json, speech: Speech | None) -> None:
        """Take a response's item into the conversation; it goes on changing until it is finished."""
        self.items.append(item)
        if speech is not None:
            self._speech[item["id"]] = speech

    def added(self, item: Json) -> Json:
        """Return the event that an item is there."""
        return self._about("conversation.item.added", item)

    def finished(self, item: Json) -> Json:
        """Return the event that an item is complete."""
        return self._about("conversation.item.done", item)

    def replied(self, item: Json) -> Json:
        """Return the event that a response's item is complete: nearly always recorded without its place."""
        return {**self.finished(item), "previous_item_id": None}

    def retrieve(self, item_id: str) -> list[Json]:
        """Return the item as the server has it; audio bytes are not kept."""
        item = self.items[shapes_of_items.position(self.items, item_id, "retrieving")]
        return [{"type": "conversation.item.retrieved", "item": copy.deepcopy(item)}]

    def delete(self, item_id: str) -> list[Json]:
        """Take an item out."""
        del self.items[shapes_of_items.position(self.items, item_id, "deleting")]
        return [{"type": "conversation.item.deleted", "item_id": item_id}]

    def truncate(self, item_id: str, audio_end_ms: int) -> list[Json]:
        """Cut a spoken item at what was heard, as a client asks for it."""
        item = self.items[shapes_of_items.position(self.items, item_id, "truncating")]
        if item_id not in self._speech or item["content"][0]["type"] != "output_audio":
            message = "Only model output audio messages can be truncated"
            raise WireError(message, "unsupported_content_type")
        length = int(self._speech[item_id].ms)
        if length < audio_end_ms:
            message = f"Audio content of {length}ms is already shorter than {audio_end_ms}ms"
            raise WireError(message, param="audio_end_ms")
        return self._cut(item_id, audio_end_ms)

    def cut_at(self, heard: list[tuple[str, int]]) -> list[Json]:
        """Cut those spoken items that were not heard to their end; `heard` has their ids and the ms heard."""
        return [
            event for item_id, ms in heard if self._cut_short(item_id, ms) for event in self._cut(item_id, ms)
        ]

    def _cut_short(self, item_id: str, ms: float) -> bool:
        item = next((item for item in self.items if item["id"] == item_id), None)
        if item is None:
            return False
        return item["status"] != "completed" or ms < int(self._speech[item_id].ms)

    def _cut(self, item_id: str, audio_end_ms: int) -> list[Json]:
        """Drop what comes after `audio_end_ms` of a spoken item: only the words heard stay."""
        speech = self._speech[item_id]
        for item in self.items:
            if item["id"] == item_id:
                part = item["content"][0]
                part["transcript"] = speech.heard(part["transcript"], audio_end_ms)
        speech.ms = min(speech.ms, audio_end_ms)
        event = {"type": "conversation.item.truncated", "item_id": item_id, "content_index": 0}
        return [event | {"audio_end_ms": audio_end_ms}]

    def turn(self, items: tuple[Json, ...] | None, instructions: str, tools: tuple[str, ...]) -> UserTurn:
        """Return what the agent is asked: about `items`, or about the conversation."""
        known = [self._as_heard(item) for item in self._chosen(items)]
        distrusted = {item_id for item_id, heard in self._heard.items() if not heard.accepted}
        return shapes_of_items.user_turn(known, instructions, tools, distrusted)

    def _chosen(self, items: tuple[Json, ...] | None) -> Sequence[Json]:
        return self.items if items is None else items

    def _as_heard(self, item: Json) -> Json:
        """Fill in what was heard, a guess included: the agent may know more than the client is shown."""
        heard = self._heard.get(item["id"])
        if heard is None:
            return item
        return {**item, "content": [{"type": "input_audio", "transcript": heard.text}]}

    def _about(self, kind: str, item: Json) -> Json:
        present = any(other["id"] == item["id"] for other in self.items)
        before = shapes_of_items.item_before(self.items, item["id"]) if present else None
        return {"type": kind, "previous_item_id": before, "item": copy.deepcopy(item)}


def _transcription_failure(item_id: str, transcript: Transcript | None, config: Json) -> Json | None:
    if config["model"] == MISSING_DEPLOYMENT:
        code, kind = "DeploymentNotFound", "server_error"
    elif transcript is None:
        code, kind = "transcription_failed", "server_error"
    elif not transcript.accepted and not transcript.text:
        code, kind = "audio_unintelligible", "invalid_request_error"
    else:
        return None
    message = f"Input transcription failed for item '{item_id}'."
    return {"type": kind, "code": code, "message": message, "param": None}
