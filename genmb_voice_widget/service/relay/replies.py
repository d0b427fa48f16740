"""When a reply is asked for in the place of a page that asks for none itself.

Pure: takes the events both ways, in GA form, and says what to send and what to keep from the page. A page
by `/api/voice-agent` sends a message or commits its sound and waits; the service answers by itself only what
its own turn detection has found (OpenAI Realtime API reference, response.create, turn_detection). As soon as
the page has sent a `response.create` of its own, replies are its business.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

ASKED = "genmb_reply"
"""The event id of what is sent from here, so that an error about it is known."""

_ACTIVE = "conversation_already_has_active_response"
_NOTHING_TO_COMMIT = "input_audio_buffer_commit_empty"
_FOUND_BY_THE_SERVICE = ("input_audio_buffer.speech_stopped", "input_audio_buffer.timeout_triggered")


class Replies:
    """What has been seen of one session.

    Attributes:
        detects: whether the service looks for turns itself.
        found: whether it has found one in the sound that it was sent last, and needs no commit for it.
    """

    def __init__(self) -> None:
        self.detects = True
        self.found = False
        self._page_asks = False
        self._replying = False
        self._ours = False
        self._owed = False
        self._finding = False
        self._detected: set[str] = set()

    def sent(self, event: Json) -> None:
        """Take note of an event of the page's."""
        match event.get("type"):
            case "response.create":
                self._page_asks, self._owed = True, False
            case "input_audio_buffer.append":
                self.found = False

    def received(self, event: Json) -> bool:
        """Take note of an event of the service's; False: it is about what the page did not do."""
        match event:
            case {
                "type": "session.created" | "session.updated",
                "session": {"audio": {"input": dict(heard)}},
            }:
                self.detects = heard.get("turn_detection") is not None
            case {"type": str(kind)} if kind in _FOUND_BY_THE_SERVICE:
                self._finding = True
            case {"type": "input_audio_buffer.committed", "item_id": str(item)}:
                self.found, self._finding = self._finding, False
                if self.found:
                    self._detected.add(item)
            case {"type": "conversation.item.added", "item": {"type": "message", "role": "user"} as item}:
                self._take(item)
            case {"type": "response.created"}:
                self._replying = True
            case {"type": "response.done"}:
                self._replying = self._ours = False
            case {"type": "error", "error": {"code": code} as error}:
                return not self._swallows(code, error.get("event_id"))
        return True

    def to_send(self) -> Json | None:
        """Ask for a reply, once, if one is due now."""
        if not self._owed or self._replying or self._page_asks:
            return None
        self._owed, self._replying, self._ours = False, True, True
        return {"type": "response.create", "event_id": ASKED}

    def _take(self, item: Json) -> None:
        """Owe a reply to an item of the user's, unless the service gives one by itself.

        What is committed by hand while the reply to a found turn is under way is the rest of that turn.
        """
        if item.get("id") in self._detected:
            self._detected.discard(item["id"])
        elif not (self._replying and self.detects and _is_sound(item)):
            self._owed = True

    def _swallows(self, code: Any, about: Any) -> bool:
        if about == ASKED:
            # When the service's own reply came first, its `response.done` tells when it is over.
            self._ours, self._replying = False, code == _ACTIVE
            return bool(code == _ACTIVE)
        if code == _ACTIVE:
            return self._ours
        return bool(code == _NOTHING_TO_COMMIT and self.found)


def _is_sound(item: Json) -> bool:
    content = item.get("content")
    return isinstance(content, list) and any(
        isinstance(part, dict) and part.get("type") == "input_audio" for part in content
    )
