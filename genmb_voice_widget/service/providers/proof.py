"""Which of a call's events show that its caller is connected, as an observer of the call sees them. Pure.

An observer attaches before the caller has connected, and the service has things to say by itself: how the
session is set up, which tools an MCP server has, that nobody has spoken for a while. Only what needs the
caller's sound or one of its own events counts (OpenAI Realtime API reference, server events).
"""

from __future__ import annotations

import json
from typing import Any

_CALLERS_ALONE = frozenset(
    {
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.cleared",
        "conversation.item.deleted",
        "conversation.item.retrieved",
        "conversation.item.truncated",
    }
)
_TURNS = (
    "input_audio_buffer.committed",
    "conversation.item.input_audio_transcription.",
    "output_audio_buffer.",
    "response.",
)
_ITEMS = ("conversation.item.added", "conversation.item.created", "conversation.item.done")
_IDLE = "input_audio_buffer.timeout_triggered"
_TYPED = frozenset({"input_text", "input_image"})


class Proof:
    """What has been seen of one call."""

    def __init__(self) -> None:
        self._idle = False

    def shown_by(self, message: str | bytes) -> bool:
        """Take a message of the observer's socket; True when it shows the caller.

        Once the service has taken the floor because nobody spoke, turns show nothing: it makes them alone.
        """
        try:
            event = json.loads(message)
        except (ValueError, RecursionError):
            return False
        match event:
            case {"type": str(kind)} if kind == _IDLE:
                self._idle = True
                return False
            case {"type": str(kind)} if kind in _CALLERS_ALONE:
                return True
            case {"type": str(kind)} if kind in _ITEMS:
                item = event.get("item")
                return _sent_by_the_caller(item) or (_of_a_turn(item) and not self._idle)
            case {"type": str(kind)}:
                return kind.startswith(_TURNS) and not self._idle
            case _:
                return False


def spoken(event: Any) -> bool:
    """Tell whether an event shows the caller's voice, where the caller's own events come by another way.

    Then what was typed, and a reply to it, show nothing of the call.
    """
    match event:
        case {"type": "input_audio_buffer.speech_started" | "input_audio_buffer.speech_stopped"}:
            return True
        case {"type": str(kind), "item": {"role": "user", "content": [{"type": "input_audio"}, *_]}}:
            return kind in _ITEMS
        case {"type": str(kind)}:
            return kind.startswith("conversation.item.input_audio_transcription.")
        case _:
            return False


def _sent_by_the_caller(item: Any) -> bool:
    """Tell whether an item can only have come by `conversation.item.create`."""
    match item:
        case {"type": "function_call_output" | "mcp_approval_response"}:
            return True
        case {"type": "message", "role": "user" | "system", "content": [*parts]}:
            return any(isinstance(part, dict) and part.get("type") in _TYPED for part in parts)
        case _:
            return False


def _of_a_turn(item: Any) -> bool:
    """Tell whether an item belongs to a turn; what the service says of its MCP servers does not."""
    return isinstance(item, dict) and item.get("type") in ("message", "function_call")
