"""What would have been heard by now: the playback clock of a session without loudspeakers.

On a WebSocket the client owns the playback, and an interruption must tell the service how much of a reply was
really played (OpenAI Realtime API reference, conversation.item.truncate). Owns that arithmetic, in
milliseconds, and no clock: every call says what time it is. It must not know the socket or the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .wav import BYTES_PER_MS


@dataclass(frozen=True, slots=True)
class Stretch:
    """One delta's audio: of which part it is, and from when to when it is heard."""

    response_id: str
    item_id: str
    content_index: int
    begins: float
    ends: float


@dataclass(frozen=True, slots=True)
class Cut:
    """An interruption: whose playback ended, and after how much of it."""

    response_ids: tuple[str, ...]
    item_id: str
    content_index: int
    audio_end_ms: int


class Playback:
    """A loudspeaker that plays nothing, on time: a stretch begins when it comes, or after the one before."""

    def __init__(self) -> None:
        self._stretches: list[Stretch] = []
        self._open: dict[str, bool] = {}
        self._cut: set[str] = set()

    @property
    def playing(self) -> bool:
        """Whether a reply has begun that is not played to its end."""
        return bool(self._open)

    def add(self, now: float, delta: Mapping[str, Any], size: int) -> str | None:
        """Queue the audio of a `response.output_audio.delta`, of `size` bytes; after a cut it is dropped.

        Returns:
            The response's id when this is its first audio, else None.
        """
        response_id, item_id = str(delta.get("response_id")), str(delta.get("item_id"))
        if response_id in self._cut:
            return None
        begins = max(now, self._stretches[-1].ends if self._stretches else now)
        index = delta.get("content_index")
        part = index if isinstance(index, int) else 0
        self._stretches.append(Stretch(response_id, item_id, part, begins, begins + size / BYTES_PER_MS))
        if response_id in self._open:
            return None
        self._open[response_id] = False
        return response_id

    def complete(self, response_id: str) -> None:
        """Note that no more audio of this response will come."""
        if response_id in self._open:
            self._open[response_id] = True

    def finished(self, now: float) -> list[str]:
        """Return the responses that have just been played to their end, and forget them."""
        waiting = {stretch.response_id for stretch in self._stretches if stretch.ends > now}
        over = [name for name, complete in self._open.items() if complete and name not in waiting]
        for name in over:
            del self._open[name]
        self._stretches = [stretch for stretch in self._stretches if stretch.response_id in self._open]
        return over

    def cut(self, now: float) -> Cut | None:
        """Stop playing.

        Returns:
            What was cut, None when nothing was playing. `audio_end_ms` counts what was played of the item
            that was to be heard last, 0 when none of it was.
        """
        if not self._open:
            return None
        begun = [stretch for stretch in self._stretches if stretch.begins <= now] or self._stretches[:1]
        last = begun[-1]
        played = sum(
            min(now, stretch.ends) - stretch.begins
            for stretch in begun
            if stretch.item_id == last.item_id and stretch.content_index == last.content_index
        )
        result = Cut(tuple(self._open), last.item_id, last.content_index, max(0, int(played)))
        self._cut.update(self._open)
        self._stretches.clear()
        self._open.clear()
        return result
