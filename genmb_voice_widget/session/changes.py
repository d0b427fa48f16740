"""What changes of a session that runs: the `session.update` between two of its session objects.

Pure. A service changes only what the update names (OpenAI Realtime API reference, session.update), so what is
named no more must be set to what stands for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genmb_voice_widget.protocol import Dialect

FIXED = ("model", "voice")
"""What cannot change while a session runs."""
_NOTHING: Mapping[str, Any] = {
    "max_output_tokens": "inf",
    "max_response_output_tokens": "inf",
    "truncation": "auto",
    "speed": 1.0,
    "temperature": 0.8,
    "tools": [],
    "tool_choice": "auto",
}
"""The services' own defaults, where null is none."""
_PARTS = frozenset({"audio", "input", "output"})
"""The members of a session object whose members are changed one by one; any other is replaced whole."""


def session_update(before: Mapping[str, Any], after: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Make the `session` of a `session.update` from one session object to another; {} when they are alike."""
    changed = _changed(before, after)
    return changed if dialect == "beta" or not changed else {"type": "realtime", **changed}


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    for name in [*after, *(name for name in before if name not in after)]:
        old, new = before.get(name), after.get(name, _NOTHING.get(name))
        if name in _PARTS:
            new = _changed(old or {}, new or {})
            if not new:
                continue
        if new != old:
            changed[name] = new
    return changed
