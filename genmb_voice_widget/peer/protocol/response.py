"""One response: the events it emits, in the recorded order, and the response object it adds up to.

Pure. Owns what is inside a response (output items, parts, deltas, status); knows nothing of the session,
of turns or of playback. Its events lack `event_id`, which whoever sends them adds; `conversation.item.*`
belong to the conversation.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from genmb_voice_widget.peer.shapes import Json

from .speech import Speech
from .usage import output_tokens, response_usage

Status = Literal["completed", "cancelled", "failed", "incomplete"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a response was created with: the session's settings under the overrides of `response.create`.

    `conversation_id` is None for a response beside the conversation; `input` replaces its items.
    """

    response_id: str
    conversation_id: str | None
    instructions: str
    modality: Literal["audio", "text"]
    tools: tuple[str, ...]
    output: Json
    max_output_tokens: int | str
    metadata: Json | None
    input: tuple[Json, ...] | None = None


class Response:
    """A response in progress. Each method says what happened and returns the events for it.

    A word or a piece of sound that would go over `max_output_tokens` is left out, and `cut_off` says so: then
    there is nothing to do but to end it. `asked` is what the agent was told: its characters, and the ms of
    the user's audio. `tokens` is what all of it counts, once it has ended.
    """

    def __init__(
        self, plan: Plan, new_id: Callable[[str], str], pad: Callable[[str], str], part_twice: bool
    ) -> None:
        self.plan = plan
        self.items: list[Json] = []
        self.speech: dict[str, Speech] = {}
        self.message: Json | None = None
        self.cut_off = False
        self.asked: tuple[int, float] = (0, 0.0)
        self.tokens = 0
        self._new_id = new_id
        self._pad = pad
        self._part_twice = part_twice
        self._spoken = plan.modality == "audio"
        self._stream = "response.output_audio_transcript" if self._spoken else "response.output_text"
        self._member = "transcript" if self._spoken else "text"

    def created(self) -> list[Json]:
        """Begin."""
        return [{"type": "response.created", "response": self._object("in_progress", None, None)}]

    def said(self, text: str) -> list[Json]:
        """Say a piece of text: opens the message if none is open, then gives a delta for each word."""
        events = [] if self.message else self._open_message()
        message = self._open()
        part = message["content"][0]
        pieces = self._affordable(_pieces(f" {text}" if part[self._member] else text))
        part[self._member] += "".join(pieces)
        self.speech[message["id"]].begin_piece()
        return [*events, *self._deltas(f"{self._stream}.delta", self._ids(), pieces)]

    def audio_made(self, ms: float, words: tuple[tuple[str, int], ...], delta: str | None) -> list[Json]:
        """Add audio to the open message; word times count from the beginning of the piece said last."""
        if not self._affords(0, ms):
            self.cut_off = True
            return []
        self.speech[self._open()["id"]].extend(ms, words)
        return (
            [] if delta is None else [{"type": "response.output_audio.delta", **self._ids(), "delta": delta}]
        )

    def called(self, name: str, arguments: Mapping[str, Any]) -> list[Json]:
        """Call a function: a whole item, its arguments in pieces and spaced as loosely as the services do."""
        events = self._close_message("completed")
        text = json.dumps(arguments, indent=2, ensure_ascii=False).replace("\n", " \n") + " \n"
        names = {"name": name, "call_id": self._new_id("call")}
        item = {"id": self._new_id("item"), "type": "function_call", "status": "in_progress", **names}
        item["arguments"] = ""
        events += self._added(item)
        ids: Json = {"response_id": self.plan.response_id, "item_id": item["id"]}
        ids |= {"output_index": len(self.items) - 1, "call_id": names["call_id"]}
        pieces = self._affordable(_pieces(text))
        events += self._deltas("response.function_call_arguments.delta", ids, pieces)
        item |= {"status": "incomplete" if self.cut_off else "completed", "arguments": "".join(pieces)}
        if not self.cut_off:
            done = {"type": "response.function_call_arguments.done", **ids, "name": name}
            events.append(done | {"arguments": item["arguments"]})
        return [*events, self._finished(item)]

    def done(self, status: Status, details: Json | None) -> list[Json]:
        """End, whatever the outcome."""
        events = self._close_message("completed" if status == "completed" else "incomplete")
        usage = response_usage(*self.asked, self._characters, self.spoken_ms)
        self.tokens = usage["total_tokens"]
        return [*events, {"type": "response.done", "response": self._object(status, details, usage)}]

    @property
    def spoken_ms(self) -> float:
        """How much audio has been made."""
        return sum(speech.ms for speech in self.speech.values())

    @property
    def _characters(self) -> int:
        written = (item.get("arguments") or _content(item, self._member) for item in self.items)
        return sum(map(len, written))

    def _affords(self, characters: int, ms: float) -> bool:
        most = self.plan.max_output_tokens
        if isinstance(most, str):
            return True
        return output_tokens(self._characters + characters, self.spoken_ms + ms) <= most

    def _affordable(self, pieces: list[str]) -> list[str]:
        """Keep the pieces of text that are within the limit; the first that is not ends the response."""
        length = 0
        for index, piece in enumerate(pieces):
            length += len(piece)
            if not self._affords(length, 0.0):
                self.cut_off = True
                return pieces[:index]
        return pieces

    def _open(self) -> Json:
        assert self.message is not None, "nothing has been said yet"
        return self.message

    def _open_message(self) -> list[Json]:
        item: Json = {"id": self._new_id("item"), "type": "message", "status": "in_progress"}
        item |= {"role": "assistant", "content": []}
        self.message = item
        self.speech[item["id"]] = Speech()
        events = self._added(item)
        item["content"].append({"type": f"output_{self.plan.modality}", self._member: ""})
        return [*events, {"type": "response.content_part.added", **self._ids(), **self._part("")}]

    def _close_message(self, status: Literal["completed", "incomplete"]) -> list[Json]:
        if self.message is None:
            return []
        message, ids = self.message, self._ids()
        text = message["content"][0][self._member]
        events: list[Json] = [{"type": "response.output_audio.done", **ids}] if self._spoken else []
        events.append({"type": f"{self._stream}.done", **ids, self._member: text})
        events.append({"type": "response.content_part.done", **ids, **self._part(text)})
        message["status"] = status
        self.message = None
        return [*events, self._finished(message)]

    def _ids(self) -> Json:
        message = self._open()
        index = next(at for at, item in enumerate(self.items) if item is message)
        ids: Json = {"response_id": self.plan.response_id, "item_id": message["id"]}
        return ids | {"output_index": index, "content_index": 0}

    def _part(self, text: str) -> Json:
        part = {"type": self.plan.modality, self._member: text}
        return {"part": part, "content": dict(part)} if self._part_twice else {"part": part}

    def _deltas(self, kind: str, ids: Json, pieces: list[str]) -> list[Json]:
        return [{"type": kind, **ids, "delta": piece, "obfuscation": self._pad(piece)} for piece in pieces]

    def _added(self, item: Json) -> list[Json]:
        self.items.append(item)
        return [self._output_item("added", item)]

    def _finished(self, item: Json) -> Json:
        return self._output_item("done", item)

    def _output_item(self, what: str, item: Json) -> Json:
        index = next(at for at, other in enumerate(self.items) if other is item)
        ids: Json = {"response_id": self.plan.response_id, "output_index": index}
        return {"type": f"response.output_item.{what}", **ids, "item": copy.deepcopy(item)}

    def _object(self, status: str, details: Json | None, usage: Json | None) -> Json:
        plan = self.plan
        return {
            "object": "realtime.response",
            "id": plan.response_id,
            "status": status,
            "status_details": details,
            "output": copy.deepcopy(self.items),
            "conversation_id": plan.conversation_id,
            "output_modalities": [plan.modality],
            "max_output_tokens": plan.max_output_tokens,
            "audio": {"output": {"format": plan.output["format"], "voice": plan.output["voice"]}},
            "usage": usage,
            "metadata": plan.metadata,
        }


def _content(item: Json, member: str) -> str:
    return "".join(part[member] for part in item.get("content", ()))


def _pieces(text: str) -> list[str]:
    """Cut a text into words that keep the white space before them; the last keeps what follows, too."""
    return re.findall(r"\s*\S+(?:\s+$)?", text)
