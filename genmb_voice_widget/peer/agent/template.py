"""Filling a reply's or an argument's `{placeholders}`, and saying a tool's output in words. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def placeholders(template: str) -> tuple[str, ...]:
    """List the names between braces, in order; `output.temperature` is one name."""
    return tuple(_PLACEHOLDER.findall(template))


def fill(template: str, values: Mapping[str, str], output: str | None = None) -> str:
    """Replace the template's names; `{output}` and `{output.member}` come from a tool's output."""

    def replace(found: re.Match[str]) -> str:
        name, _, member = found[1].partition(".")
        return speakable(output or "", member) if name == "output" else values[name]

    return _PLACEHOLDER.sub(replace, template)


def speakable(output: str, member: str = "") -> str:
    """Say a tool's output, usually JSON, in words.

    `{"sky": "clear"}` becomes `sky clear`, or `clear` for member `sky`.

    Where the output has no such member, all of it is said.
    """
    try:
        value = json.loads(output)
    except ValueError:
        value = output
    if member and isinstance(value, dict) and member in value:
        value = value[member]
    return _words(value)


def output_error(output: str) -> str | None:
    """Find the complaint in an output of the form `{"error": …}`, None if the tool did its work."""
    try:
        value = json.loads(output)
    except ValueError:
        return None
    return _words(value["error"]) if isinstance(value, dict) and "error" in value else None


def _words(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, dict):
        return ", ".join(f"{str(key).replace('_', ' ')} {_words(member)}" for key, member in value.items())
    if isinstance(value, list):
        words = [_words(member) for member in value]
        return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
    return str(value)
