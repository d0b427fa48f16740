"""The only place of a headless session that asks for responses.

At most one `response.create` is on its way or being answered; a wish that comes meanwhile is kept until that
response is done (OpenAI Realtime API reference, response.create and response.cancel: both fail when the
conversation's state does not allow them; a failure names the `event_id` of the event that caused it, though
not every service does). Pure but for `send`. The twin is js/src/sequencer.ts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from .protocol import load

Phase = Literal["free", "asked", "running"]

BUSY = "conversation_already_has_active_response"


class Sequencer:
    """Keeps the wish for a response until it can be granted.

    Args:
        send: sends a client event.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._phase: Phase = "free"
        self._wanted: dict[str, Any] | None = None
        self._asked: dict[str, Any] = {}
        self._cancelled = False
        self._running: str | None = None
        self._request: str | None = None  # our last one, unless a response has begun that cannot be its own
        self._number = 0

    @property
    def busy(self) -> bool:
        """Whether a response is wanted, on its way, or running."""
        return self._wanted is not None or self._phase != "free"

    def request(self, response: Mapping[str, Any] | None = None) -> None:
        """Have the model answer what is there now; `response`: in what not as the session says."""
        self._wanted = {**(self._wanted or {}), **(response or {})}
        self._proceed()

    def cancel(self) -> None:
        """Stop the running response, or the one on its way as soon as it runs."""
        self._cancelled = self._phase != "free"
        if self._phase == "running":
            self._send({"type": "response.cancel"})

    def observe(self, event: Mapping[str, Any]) -> None:
        """See an event of the service, under its canonical name."""
        match event:
            case {"type": "response.created" | "response.done", "response": {"conversation_id": None}}:
                pass  # a response outside the conversation runs beside the others
            case {"type": "response.created", "response": {"id": str(response_id)}}:
                unwanted = self._phase == "asked" and self._cancelled
                if self._phase == "free":
                    self._request = None
                self._phase, self._running = "running", response_id
                if unwanted:
                    self.cancel()
            case {"type": "response.done", "response": {"id": str(response_id)}}:
                if self._phase == "running" and self._running in (None, response_id):
                    self._request = None if self._cancelled else self._request
                    self._phase, self._cancelled = "free", False
                self._proceed()
            case {"type": "error", "error": {**error}} if self._is_ours(error):
                self._refused(error.get("code") == BUSY)

    def _is_ours(self, error: Mapping[Any, Any]) -> bool:
        """Tell whether an error can be about our request; the response itself rights a wrong yes."""
        event_id, code = error.get("event_id"), error.get("code")
        if event_id is not None:
            return bool(event_id == self._request)
        return self._phase != "free" and (code == BUSY or code not in load().benign_errors)

    def _refused(self, busy: bool) -> None:
        if busy and not self._cancelled:
            # The response that won the race may have been heard of before the refusal, and even be done.
            self._wanted = {**self._asked, **(self._wanted or {})}
        if busy and self._phase == "asked":
            self._phase, self._running = "running", None  # some response runs: which one is not said
            if self._cancelled:
                self.cancel()
        elif self._phase != "running":
            self._phase, self._cancelled = "free", False
            self._proceed()

    def _proceed(self) -> None:
        if self._wanted is None or self._phase != "free":
            return
        self._asked, self._wanted = self._wanted, None
        self._phase = "asked"
        self._number += 1
        self._request = f"create_{self._number}"
        response = {"response": self._asked} if self._asked else {}
        self._send({"type": "response.create", "event_id": self._request, **response})
