"""What the official openai types have to say against an object: a wrong value, or a member that they do not know."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError


def faults(value: Any, wanted: Any) -> list[str]:
    """List where a JSON value is not what a type of `openai.types.realtime` allows."""
    try:
        return list(_extras(TypeAdapter(wanted).validate_python(value, strict=True), ""))
    except ValidationError as error:
        return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]


def _extras(value: Any, path: str) -> Any:
    if isinstance(value, BaseModel):
        yield from (f"{path}.{name}: unknown" for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from _extras(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _extras(each, f"{path}[{number}]")
