"""The realtime protocol's beta names, for pages that speak them: to GA on the way in, back on the way out.

Pure. Shapes: OpenAI Realtime API, beta to GA migration: the session is flat in the beta, formats are words,
an assistant's content parts have shorter names, and an item is `created` once where GA has it `added` and
`done`. What a page says in the GA form is left as it is. It knows no socket.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from genmb_voice_widget.protocol import load

Json = dict[str, Any]

_FORMATS: Mapping[str, Json] = {
    "pcm16": {"type": "audio/pcm", "rate": 24000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_WORDS = {form["type"]: word for word, form in _FORMATS.items()}
_PLACES: Mapping[str, tuple[str, ...]] = {
    "modalities": ("output_modalities",),
    "max_response_output_tokens": ("max_output_tokens",),
    "voice": ("audio", "output", "voice"),
    "speed": ("audio", "output", "speed"),
    "output_audio_format": ("audio", "output", "format"),
    "input_audio_format": ("audio", "input", "format"),
    "input_audio_transcription": ("audio", "input", "transcription"),
    "input_audio_noise_reduction": ("audio", "input", "noise_reduction"),
    "turn_detection": ("audio", "input", "turn_detection"),
}
"""Where GA has what the beta's session and response have at the top."""
_NOT_IN_GA = ("temperature", "id", "object", "expires_at", "client_secret")
_NOT_IN_BETA = ("conversation.item.done",)
_PARTS = {"text": "output_text", "audio": "output_audio"}
_SHORT_PARTS = {ga: beta for beta, ga in _PARTS.items()}


def to_ga(event: Json) -> Json:
    """Translate what a page sent; what is of no kind of the beta's is left to the service to refuse."""
    match event:
        case {"type": "session.update", "session": dict(session)}:
            return {**event, "session": ga_session(session)}
        case {"type": "response.create", "response": dict(response)}:
            return {**event, "response": _deepened(response)}
        case {"type": "conversation.item.create", "item": {"role": "assistant"} as item}:
            return {**event, "item": _with_parts(item, _PARTS)}
        case _:
            return event


def ga_session(session: Json) -> Json:
    """Give a session object its GA form."""
    return {"type": "realtime", **_deepened(session)}


def to_beta(event: Json) -> Json | None:
    """Translate what the service sent; `None`: the beta has no such event."""
    if event.get("type") in _NOT_IN_BETA:
        return None
    name = _beta_names().get(event.get("type", ""))
    translated = {**event, "type": name} if name else dict(event)
    for member, translate in _MEMBERS.items():
        if isinstance(event.get(member), dict):
            translated[member] = translate(event[member])
    return translated


def _beta_names() -> Mapping[str, str]:
    return {ga: beta for beta, ga in load().aliases.items()}


def _deepened(flat: Json) -> Json:
    """Put the beta's members of a session or a response where GA has them."""
    deep = {name: value for name, value in flat.items() if name not in _PLACES and name not in _NOT_IN_GA}
    for name, place in _PLACES.items():
        if name in flat:
            _put(deep, place, _ga_value(name, flat[name]))
    return deep


def _ga_value(name: str, value: Any) -> Any:
    match name, value:
        case "modalities", list():
            return ["audio"] if "audio" in value else value
        case (("input_audio_format" | "output_audio_format"), str()):
            return _FORMATS.get(value, value)
        case "turn_detection", "none":
            return None
        case _:
            return value


def _put(into: Json, place: tuple[str, ...], value: Any) -> None:
    """Set a member at some depth; what lies on the way is copied, because it may be the page's own."""
    first, *rest = place
    if not rest:
        into[first] = value
        return
    below = into.get(first)
    into[first] = dict(below) if isinstance(below, dict) else {}
    _put(into[first], tuple(rest), value)


def _flattened(deep: Json) -> Json:
    """Put GA's members of a session or a response where the beta has them."""
    flat = {name: value for name, value in deep.items() if name not in ("type", "audio")}
    for name, place in _PLACES.items():
        found, value = _get(deep, place)
        if found:
            flat.pop(place[0], None)
            flat[name] = _beta_value(name, value)
    return flat


def _beta_value(name: str, value: Any) -> Any:
    match name, value:
        case "modalities", ["audio"]:
            return ["text", "audio"]
        case (("input_audio_format" | "output_audio_format"), {"type": str(kind)}):
            return _WORDS.get(kind, kind)
        case _:
            return value


def _get(holder: Any, place: tuple[str, ...]) -> tuple[bool, Any]:
    for name in place:
        if not isinstance(holder, dict) or name not in holder:
            return False, None
        holder = holder[name]
    return True, holder


def _with_parts(item: Json, names: Mapping[str, str]) -> Json:
    """Rename the kinds of an item's content parts."""
    content = item.get("content")
    if not isinstance(content, list):
        return item
    return {**item, "content": [_renamed(part, names) for part in content]}


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    match part:
        case {"type": str(kind)} if kind in names:
            return {**part, "type": names[kind]}
        case _:
            return part


def _beta_item(item: Json) -> Json:
    return {"object": "realtime.item", **_with_parts(item, _SHORT_PARTS)}


def _beta_response(response: Json) -> Json:
    flat = _flattened(response)
    if "max_response_output_tokens" in flat:  # a response alone keeps GA's name for it
        flat["max_output_tokens"] = flat.pop("max_response_output_tokens")
    output = response.get("output")
    if isinstance(output, list):
        flat["output"] = [_beta_item(item) if isinstance(item, dict) else item for item in output]
    return flat


_MEMBERS: Mapping[str, Callable[[Json], Json]] = {
    "session": _flattened,
    "response": _beta_response,
    "item": _beta_item,
    "part": lambda part: dict(_renamed(part, _SHORT_PARTS)),
}
