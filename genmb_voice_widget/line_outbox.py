"""What goes to a page on its line, in which messages: at once after a rest, else in batches.

The sound is in the messages' buffers, in the order of the events that bring it, so that none enters a log.
It must not know what else the events mean, nor the socket.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from .protocol import Event, strip_audio

BATCH = 0.05
"""Seconds between two messages at the least: a reply comes in many pieces, often faster than it is played."""
TOLD_EVERY = 8
"""After so many messages of sound the page is told that they were taken: half a second."""

Over = Literal["service", "network"]
"""Why nothing comes any more: the service has ended it, or it broke."""


class Post(Protocol):
    """Sends a message to the pages, and buffers with it."""

    def __call__(self, message: dict[str, Any], buffers: Sequence[bytes] = (), /) -> None:
        """Send it."""
        ...


class LineOutbox:
    """The messages of one call."""

    def __init__(self, post: Post, log_id: str, page: str) -> None:
        self._post = post
        self._to = {"op": "line", "client": page, "log": log_id}
        self._events: list[Event] = []
        self._sounds: list[bytes] = []
        self._taken = self._told = 0
        self._resting: asyncio.TimerHandle | None = None
        self._closed = False

    def put(self, event: Event) -> None:
        """Pass on an event of the service, under its GA name."""
        if event.get("type") == "response.output_audio.delta":
            self._sounds.append(_decoded(event.get("delta")))
        self._events.append(strip_audio(event))
        if self._resting is None:
            self._flush()

    def took(self) -> None:
        """Count a message of the page's sound that was taken."""
        self._taken += 1
        if self._resting is None and self._owes:
            self._flush()

    def close(self, over: Over) -> None:
        """Say what waits, and that nothing comes any more."""
        self._flush(over=over)
        self._closed = True
        if self._resting is not None:
            self._resting.cancel()

    @property
    def _owes(self) -> bool:
        return self._taken - self._told >= TOLD_EVERY

    def _flush(self, **more: str) -> None:
        if self._closed:
            return
        events, sounds = self._events, self._sounds
        self._events, self._sounds, self._told = [], [], self._taken
        if self._resting is None:
            self._resting = asyncio.get_running_loop().call_later(BATCH, self._rested)
        self._post({**self._to, "taken": self._taken, "events": events, **more}, sounds)

    def _rested(self) -> None:
        self._resting = None
        if self._events or self._owes:
            self._flush()


def _decoded(delta: object) -> bytes:
    try:
        return base64.b64decode(delta if isinstance(delta, str) else "", validate=True)
    except ValueError:  # of which binascii.Error is one; what is not ASCII is another
        return b""
