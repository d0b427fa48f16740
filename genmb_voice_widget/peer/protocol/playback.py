"""What a WebRTC listener has heard: the server's view of its own output buffer.

Pure. Owns which items still sound and how far each has been played; knows nothing of samples or clocks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from genmb_voice_widget.peer.shapes import Json


@dataclass
class Playback:
    """The output buffer's bookkeeping: items with audio that is not known to be over."""

    _response_of: dict[str, str] = field(default_factory=dict)
    _played_ms: dict[str, float] = field(default_factory=dict)

    def queued(self, response_id: str, item_id: str) -> None:
        """Note that an item has audio in the buffer."""
        self._response_of[item_id] = response_id

    def holds(self, response_id: str) -> bool:
        """Tell whether audio of this response may still sound."""
        return response_id in self._response_of.values()

    def played(self, item_id: str, ms: float) -> None:
        """Note how much of an item has left."""
        self._played_ms[item_id] = ms

    def started(self, response_id: str) -> Json:
        """Return the event that a response begins to sound."""
        return {"type": "output_audio_buffer.started", "response_id": response_id}

    def stopped(self, response_id: str) -> Json:
        """Note that a response has been played to its end."""
        for item_id in [item for item, owner in self._response_of.items() if owner == response_id]:
            del self._response_of[item_id]
        return {"type": "output_audio_buffer.stopped", "response_id": response_id}

    def cleared(self) -> tuple[list[Json], list[tuple[str, int]]]:
        """Forget all that has not sounded: the events, and how many ms were heard of each item cut short."""
        responses = dict.fromkeys(self._response_of.values())
        cut = [(item_id, int(self._played_ms.get(item_id, 0.0))) for item_id in self._response_of]
        self._response_of.clear()
        return [{"type": "output_audio_buffer.cleared", "response_id": one} for one in responses], cut
