"""The machine's events in the words of Voice Live, and its clients' events in the machine's.

Pure. Names, contents and members as recorded (azure-ai-voicelive, July 2026); the names are those of the
OpenAI Realtime API before GA.
"""

from __future__ import annotations

from typing import Any

from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.wire_error import invalid_value

from .session import FORMATS, ga_modalities, ga_voice
from .shape import RESPONSE

_NAMES = {
    "response.output_text.": "response.text.",
    "response.output_audio_transcript.": "response.audio_transcript.",
    "response.output_audio.": "response.audio.",
    "conversation.item.added": "conversation.item.created",
}
_CONTENTS = {"output_audio": "audio", "output_text": "text"}
_PARAMS = {
    "session.audio.output.voice": "session.voice",
    "response.audio.output.voice": "response.voice",
    "response.input": "response.input_items",
}


def outward(event: Json, flat: Json) -> Json | None:
    """Return a server event as Voice Live sends it in a session that is `flat`; None for one it has not."""
    kind = event["type"]
    if kind == "conversation.item.done" and not _is_spoken(event["item"]):
        return None
    told = {name: value for name, value in event.items() if name != "obfuscation"}
    for ours, theirs in _NAMES.items():
        if kind.startswith(ours):
            told["type"] = kind.replace(ours, theirs, 1)
    if "item" in told:
        told["item"] = _item_out(told["item"])
    if "response" in told:
        told["response"] = _response_out(told["response"], flat)
    if kind == "response.content_part.done" and told["part"]["type"] == "text":
        told["part"] = {"type": "text", "text": ""}
    if kind == "conversation.item.input_audio_transcription.completed":
        del told["usage"]
    if kind == "error":
        told["error"] = {**told["error"], "param": _param_out(told["error"]["param"])}
    return told


def _is_spoken(item: Json) -> bool:
    return any(part["type"] == "input_audio" for part in item.get("content", ()))


def _item_out(item: Json) -> Json:
    told = {"id": item["id"], "object": "realtime.item", **item}
    if "content" in item:
        told["content"] = [
            {**part, "type": _CONTENTS.get(part["type"], part["type"])} for part in item["content"]
        ]
    return told


def _response_out(response: Json, flat: Json) -> Json:
    output = response["audio"]["output"]
    kept = ("object", "id", "status", "status_details")
    same = ga_modalities(flat["modalities"]) == response["output_modalities"]
    wide = ["text", "audio"] if response["output_modalities"] == ["audio"] else ["text"]
    usual = output["voice"] == ga_voice(flat["voice"], output["voice"])
    return {name: response[name] for name in kept} | {
        "output": [_item_out(item) for item in response["output"]],
        "usage": _usage_out(response["usage"]),
        "conversation_id": response["conversation_id"],
        "modalities": flat["modalities"] if same else wide,
        "voice": flat["voice"] if usual else {"name": output["voice"], "type": "openai"},
        "output_audio_format": next(name for name, form in FORMATS.items() if form == output["format"]),
        "temperature": flat.get("temperature"),
        "max_output_tokens": response["max_output_tokens"],
        "metadata": response["metadata"],
    }


def _usage_out(usage: Json | None) -> Json | None:
    if usage is None:
        return None
    return usage | {"output_token_details": {**usage["output_token_details"], "reasoning_tokens": 0}}


def _param_out(param: str | None) -> str | None:
    for ours, theirs in _PARAMS.items():
        if param is not None and param.startswith(ours):
            return param.replace(ours, theirs, 1)
    return param


def inward(event: Json, own_voice: str) -> Json:
    """Return a client event in GA words. Raises `WireError` for members that Voice Live has not.

    A session is left as it is: the flat one is kept, too.
    """
    match event:
        case {"type": "conversation.item.create", "item": item}:
            return {**event, "item": _item_in(item, "item")}
        case {"type": "response.create", "response": wanted} if wanted is not None:
            return {**event, "response": _response_in(RESPONSE(wanted, "response"), own_voice)}
        case _:
            return event


def _item_in(item: Any, path: str) -> Any:
    match item:
        case {"role": "assistant", "content": [*parts]}:
            return {
                **item,
                "content": [_part_in(part, f"{path}.content[{at}]") for at, part in enumerate(parts)],
            }
        case _:
            return item


def _part_in(part: Any, path: str) -> Any:
    if not isinstance(part, dict) or part.get("type") != "text":
        raise invalid_value(f"{path}.type", "supported values are 'text'")
    return {**part, "type": "output_text"}


def _response_in(wanted: Json, own_voice: str) -> Json:
    same = ("instructions", "tools", "tool_choice", "max_output_tokens", "metadata")
    told = {name: wanted[name] for name in same if name in wanted}
    if "modalities" in wanted:
        told["output_modalities"] = ga_modalities(wanted["modalities"])
    output: Json = {}
    if "voice" in wanted:
        output["voice"] = ga_voice(wanted["voice"], own_voice)
    if wanted.get("output_audio_format"):
        output["format"] = FORMATS[wanted["output_audio_format"]]
    if output:
        told["audio"] = {"output": output}
    if "input_items" in wanted:
        items = enumerate(wanted["input_items"])
        told["input"] = [_item_in(item, f"response.input_items[{at}]") for at, item in items]
    return told
