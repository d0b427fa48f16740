"""The functions that a model may call: how they are described to it, and which it may, or must, call.

Both dialects write them alike (OpenAI Realtime API reference, `tools` and `tool_choice`; Azure Voice Live API
reference): flat, and without `strict`. Whose functions they are, and who calls them, is not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .checks import check

_NAME = re.compile("[a-zA-Z0-9_-]{1,64}")
_CHOICES = ("auto", "none", "required")


@dataclass(frozen=True)
class Function:
    """What a model is told of a function.

    Attributes:
        name: at most 64 letters of the Latin alphabet, digits, `_` and `-`.
        description: what it does and when it is of use; empty: only the name says it.
        parameters: the JSON schema of its arguments, of type `object`.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]

    def __post_init__(self) -> None:
        named = isinstance(self.name, str) and bool(_NAME.fullmatch(self.name))
        check("A tool's name", named, "1 to 64 letters (a-z, A-Z), digits, _ and -")
        check(f"The description of {self.name}", isinstance(self.description, str), "a text")
        described = isinstance(self.parameters, Mapping) and self.parameters.get("type") == "object"
        check(
            f"The parameters of {self.name}",
            described and _is_json(self.parameters),
            "a JSON schema of an object",
        )

    def to_wire(self) -> dict[str, Any]:
        """Render an element of `tools`."""
        told = {"description": self.description} if self.description else {}
        return {"type": "function", "name": self.name, **told, "parameters": dict(self.parameters)}


def check_tools(tools: object, choice: object) -> None:
    """Let pass functions that each have a name of their own, and a choice that can be made among them.

    Raises:
        VoiceError: `bad_option`.
    """
    listed = isinstance(tools, list | tuple) and all(isinstance(tool, Function) for tool in tools)
    check("tools", listed, "a list of functions as @agent.tool describes them")
    names = [tool.name for tool in tools] if isinstance(tools, list | tuple) else []
    check("tools", len(set(names)) == len(names), "functions that each have a name of their own")
    there = f"here are: {', '.join(names)}" if names else "@agent.tool makes one, and there is none"
    wanted = f"{', '.join(map(repr, _CHOICES))} or the name of a tool; {there}"
    check("tool_choice", isinstance(choice, str) and choice in (*_CHOICES, *names), wanted)


def tools_to_wire(tools: Iterable[Function], choice: str) -> dict[str, Any]:
    """Render the members `tools` and `tool_choice`; none where there is nothing to call."""
    described = [tool.to_wire() for tool in tools]
    if not described:
        return {}
    chosen = choice if choice in _CHOICES else {"type": "function", "name": choice}
    return {"tools": described, "tool_choice": chosen}


def after_tools(choice: str) -> dict[str, Any]:
    """Give the members of the `response` that answers tools: one that must call would never come to words."""
    return {} if choice in ("auto", "none") else {"tool_choice": "auto"}


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return True
