"""Small checks of JSON that compose into the shape of a wire object.

A check takes a value and its path and returns the value, or raises `WireError` with that path as `param`.
Owns no shape of its own: which members exist is said where the objects live.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from .wire_error import WireError, invalid_value, missing_parameter, unknown_parameter

Json = dict[str, Any]
Check = Callable[[Any, str], Any]


DEEPEST = 64
"""Levels of nesting that a request may have; a tool's JSON Schema needs far fewer."""


def shallow(value: Any) -> bool:
    """Tell whether JSON is nested no deeper than the peer copies and compares it."""
    layer = [value]
    for _ in range(DEEPEST):
        layer = [member for outer in layer for member in _members(outer)]
        if not layer:
            return True
    return False


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def anything(value: Any, path: str) -> Any:
    """Accept every value."""
    return value


def text(value: Any, path: str) -> str:
    """Accept a string."""
    if not isinstance(value, str):
        raise invalid_value(path, "expected a string")
    return value


def boolean(value: Any, path: str) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise invalid_value(path, "expected true or false")
    return value


def number(low: float, high: float, whole: bool = False) -> Check:
    """Accept a number between `low` and `high`, both included."""
    kinds = (int,) if whole else (int, float)

    def check(value: Any, path: str) -> float:
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            kind = "an integer" if whole else "a number"
            raise invalid_value(path, f"expected {kind} from {low} to {high}")
        return value

    return check


def one_of(*allowed: str) -> Check:
    """Accept one of these strings."""

    def check(value: Any, path: str) -> Any:
        if value not in allowed:
            names = ", ".join(f"'{name}'" for name in allowed)
            raise invalid_value(path, f"supported values are {names}")
        return value

    return check


def nullable(inner: Check) -> Check:
    """Accept null as well."""
    return lambda value, path: None if value is None else inner(value, path)


def either(*checks: Check, why: str) -> Check:
    """Accept what any of the checks accepts; `why` explains the refusal."""

    def check(value: Any, path: str) -> Any:
        for inner in checks:
            try:
                return inner(value, path)
            except WireError:
                continue
        raise invalid_value(path, why)

    return check


def list_of(inner: Check) -> Check:
    """Accept a list whose members all pass."""

    def check(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            raise invalid_value(path, "expected an array")
        return [inner(member, f"{path}[{index}]") for index, member in enumerate(value)]

    return check


def record(members: Mapping[str, Check], required: Collection[str] = ()) -> Check:
    """Accept an object with no members but these, and at least the required ones."""

    def check(value: Any, path: str) -> Json:
        if not isinstance(value, dict):
            raise invalid_value(path, "expected an object")
        prefix = f"{path}." if path else ""
        for name in value:
            if name not in members:
                raise unknown_parameter(f"{prefix}{name}")
        for name in required:
            if name not in value:
                raise missing_parameter(f"{prefix}{name}")
        return {name: members[name](member, f"{prefix}{name}") for name, member in value.items()}

    return check


def tagged(variants: Mapping[str, Check], tag: str = "type") -> Check:
    """Accept an object whose `tag` member chooses the check for the whole."""
    which = one_of(*variants)

    def check(value: Any, path: str) -> Json:
        if not isinstance(value, dict):
            raise invalid_value(path, "expected an object")
        prefix = f"{path}." if path else ""
        if tag not in value:
            raise missing_parameter(f"{prefix}{tag}")
        checked: Json = variants[which(value[tag], f"{prefix}{tag}")](value, path)
        return checked

    return check
