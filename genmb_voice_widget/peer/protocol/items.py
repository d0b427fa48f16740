"""The conversation's items: their shapes, their order, and what an agent reads out of them.

Pure functions over a list of wire objects (OpenAI Realtime API reference, conversation items; on the GA wire
they carry no `object` member). Knows nothing of responses or audio.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

from genmb_voice_widget.peer.shapes import (
    Json,
    anything,
    list_of,
    nullable,
    number,
    one_of,
    record,
    tagged,
    text,
)
from genmb_voice_widget.peer.stages import UNCLEAR, Message, ToolOutput, UserTurn
from genmb_voice_widget.peer.wire_error import WireError

_STATUS = one_of("completed", "incomplete", "in_progress")
_COMMON = {"id": text, "type": text, "object": text, "status": _STATUS}
_CONTENT = {
    "system": tagged({"input_text": record({"type": text, "text": text}, ["text"])}),
    "user": tagged(
        {
            "input_text": record({"type": text, "text": text}, ["text"]),
            "input_audio": record({"type": text, "audio": text, "transcript": nullable(text)}),
            "input_image": record({"type": text, "image_url": text, "detail": text}, ["image_url"]),
        }
    ),
    "assistant": tagged({"output_text": record({"type": text, "text": text}, ["text"])}),
}
_MESSAGE = tagged(
    {
        role: record(_COMMON | {"role": text, "content": list_of(content)}, ["content"])
        for role, content in _CONTENT.items()
    },
    "role",
)
_ITEM = tagged(
    {
        "message": _MESSAGE,
        "function_call": record(
            _COMMON | {"name": text, "call_id": text, "arguments": text}, ["name", "arguments"]
        ),
        "function_call_output": record(_COMMON | {"call_id": text, "output": text}, ["call_id", "output"]),
        "mcp_approval_response": record(
            _COMMON | {"approval_request_id": text, "approve": anything, "reason": nullable(text)},
            ["approval_request_id", "approve"],
        ),
    }
)
TRUNCATE = record(
    {
        "item_id": text,
        "content_index": number(0, 0, whole=True),
        "audio_end_ms": number(0, 3_600_000, whole=True),
    },
    ["item_id", "content_index", "audio_end_ms"],
)
"""The members of `conversation.item.truncate`."""


def check_item(value: Any, path: str, item_id: str) -> Json:
    """Return the item that a client sent, with an id and, unless it is an output, a status."""
    item: Json = _ITEM(value, path)
    item.pop("object", None)
    for part in item.get("content", ()):
        if part["type"] == "input_audio":
            part.pop("audio", None)
            part.setdefault("transcript", None)
    status: Json = {} if item["type"] == "function_call_output" else {"status": "completed"}
    return {"id": item_id, **status, **item}


def message_text(item: Json) -> str:
    """Return what a message says, spoken or written; "" where nothing is known."""
    parts = (part.get("text") or part.get("transcript") or "" for part in item.get("content", ()))
    return " ".join(part for part in parts if part)


def position(items: Sequence[Json], item_id: Any, doing: str, param: str = "item_id") -> int:
    """Return where an item is; raises for an id that is not there. `doing` words the message: "deleting"."""
    for index, item in enumerate(items):
        if item["id"] == item_id:
            return index
    verb = {"deleting": "delete", "truncating": "truncate", "retrieving": "retrieve"}.get(doing, "create")
    message = f"Error {doing} item: the item with id '{item_id}' does not exist."
    raise WireError(message, f"item_{verb}_invalid_item_id", param)


def place(items: Sequence[Json], previous_item_id: str | None) -> int:
    """Return the index at which an item goes that follows `previous_item_id` ("root": first, None: last)."""
    if previous_item_id is None:
        return len(items)
    if previous_item_id == "root":
        return 0
    return position(items, previous_item_id, "adding", "previous_item_id") + 1


def item_before(items: Sequence[Json], item_id: str) -> str | None:
    """Return the id of the item before this one, None for the first."""
    index = position(items, item_id, "adding")
    return str(items[index - 1]["id"]) if index else None


def chosen_items(items: Sequence[Json], chosen: Iterable[Any], new_id: Callable[[str], str]) -> list[Json]:
    """Resolve `response.input`: references by looking them up, all else as new items with own ids."""
    result = []
    for index, entry in enumerate(chosen):
        path = f"response.input[{index}]"
        if isinstance(entry, dict) and entry.get("type") == "item_reference":
            result.append(items[position(items, entry.get("id"), "referencing", f"{path}.id")])
        else:
            result.append({**check_item(entry, path, ""), "id": new_id("item")})
    return result


def user_turn(
    items: Sequence[Json], instructions: str, tools: tuple[str, ...], distrusted: Container[str]
) -> UserTurn:
    """Return what an agent is asked, given the items before its reply.

    `distrusted` are the user items whose transcript was not accepted: a guess only the newest may be.
    """
    names = {item.get("call_id"): item["name"] for item in items if item["type"] == "function_call"}
    newest, outputs = _since_the_assistant_spoke(items)
    history = tuple(
        Message(item["role"], UNCLEAR if item["id"] in distrusted else message_text(item))
        for item in items
        if item["type"] == "message" and item is not newest and message_text(item)
    )
    spoken = [ToolOutput(item["call_id"], names.get(item["call_id"], ""), item["output"]) for item in outputs]
    text = message_text(newest) if newest else ""
    accepted = newest is None or newest["id"] not in distrusted
    return UserTurn(text, history, tools, tuple(spoken), instructions, accepted)


def _since_the_assistant_spoke(items: Sequence[Json]) -> tuple[Json | None, list[Json]]:
    """Return the user message that is still unanswered, and the tool outputs that arrived after it."""
    outputs: list[Json] = []
    for item in reversed(items):
        if item["type"] == "function_call_output":
            outputs.insert(0, item)
        elif item["type"] == "message" and item["role"] == "assistant":
            return None, outputs
        elif item["type"] == "message" and item["role"] == "user":
            return (None if outputs else item), outputs
    return None, outputs
