"""What azure-ai-voicelive's models have to say against an object: its constructors take anything."""

from __future__ import annotations

import typing
from enum import Enum
from typing import Any, Literal

from azure.ai.voicelive import _types, models
from azure.ai.voicelive.models import _models

_NAMES = {**vars(typing), **vars(models), "_models": models, "_types": _types}


def faults(value: Any, wanted: Any, path: str = "") -> list[str]:
    """List where a JSON value is not what a model, or a member's annotation, allows."""
    wanted = _resolved(wanted)
    origin = typing.get_origin(wanted)
    if wanted is Any or (wanted is None and value is None):
        return []
    if origin is Literal:
        return [] if value in typing.get_args(wanted) else [f"{path}: {value!r}"]
    if origin is typing.Union or origin.__class__.__name__ == "UnionType":
        choices = [_resolved(each) for each in typing.get_args(wanted)]
        if any(isinstance(each, type) and issubclass(each, Enum) for each in choices):
            choices.remove(str)  # written beside each enumeration, for names of the future
        return min((faults(value, each, path) for each in choices), key=len)
    if origin is list:
        if not isinstance(value, list):
            return [f"{path}: no list"]
        (each,) = typing.get_args(wanted)
        return [fault for n, one in enumerate(value) for fault in faults(one, each, f"{path}[{n}]")]
    if origin is dict:
        return [] if isinstance(value, dict) else [f"{path}: no object"]
    if isinstance(wanted, type) and issubclass(wanted, _models._Model):
        return _of_model(value, wanted, path)
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return [] if value in [each.value for each in wanted] else [f"{path}: {value!r}"]
    if wanted is bytes:  # base64 on the wire
        return [] if isinstance(value, str) else [f"{path}: {value!r}"]
    if wanted is float:
        return [] if isinstance(value, int | float) else [f"{path}: {value!r} is no number"]
    if isinstance(wanted, type):
        return (
            []
            if (isinstance(value, wanted) and type(value) is not bool) or wanted is bool
            else [f"{path}: {value!r}"]
        )
    raise TypeError(f"{path}: {wanted!r} is an annotation of no known kind")


def client_faults(event: dict[str, Any]) -> list[str]:
    """List what is wrong with a client event; one that there is not is wrong as a whole."""
    known = event["type"] in models.ClientEvent.__mapping__
    return faults(event, models.ClientEvent) if known else [f"{event['type']}: no client event"]


def _of_model(value: Any, model: type, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: no object"]
    kinds = getattr(model, "__mapping__", {})
    if kinds and value.get("type") in kinds and kinds[value["type"]] is not model:
        return faults(value, kinds[value["type"]], path)
    known = {
        name: annotation
        for base in reversed(model.__mro__)
        for name, annotation in getattr(base, "__annotations__", {}).items()
        if not name.startswith("_")
    }
    unknown = [f"{path}.{name}: unknown" for name in value.keys() - known]
    return unknown + [
        fault
        for name, member in value.items()
        if name in known and member is not None
        for fault in faults(member, known[name], f"{path}.{name}")
    ]


def _resolved(annotation: Any) -> Any:
    name = annotation.__forward_arg__ if isinstance(annotation, typing.ForwardRef) else annotation
    return eval(name, dict(_NAMES)) if isinstance(name, str) else name
