"""The input audio buffer as the client sees it: how much is in it, and whose turn it will become.

Pure. Owns the id of the turn being spoken and the buffer's length; holds no audio.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.wire_error import WireError

SHORTEST_COMMIT_MS = 100


@dataclass
class Listening:
    """The buffer's bookkeeping. Events lack `event_id`, which whoever sends them adds."""

    new_id: Callable[[str], str]
    buffered_ms: float = 0.0
    speaking: str | None = None
    _since_ms: int = 0

    def started(self, audio_start_ms: int) -> Json:
        """Begin a turn: its future item has an id from now on."""
        self.speaking, self._since_ms = self.new_id("item"), audio_start_ms
        event: Json = {"type": "input_audio_buffer.speech_started", "audio_start_ms": audio_start_ms}
        return event | {"item_id": self.speaking}

    def stopped(self, audio_end_ms: int) -> Json:
        """End the turn; it is committed next, without the silence that came before it."""
        self.buffered_ms = float(audio_end_ms - self._since_ms)
        event: Json = {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": audio_end_ms}
        return event | {"item_id": self.speaking}

    def take(self) -> tuple[str, float]:
        """Empty the buffer into an item: its id and its length in ms."""
        taken = self.speaking or self.new_id("item"), self.buffered_ms
        self.clear()
        return taken

    def require_audio(self) -> None:
        """Refuse to commit next to nothing."""
        if self.buffered_ms < SHORTEST_COMMIT_MS:
            message = (
                "Error committing input audio buffer: buffer too small. "
                f"Expected at least {SHORTEST_COMMIT_MS}ms of audio, but there is {self.buffered_ms:.2f}ms."
            )
            raise WireError(message, "input_audio_buffer_commit_empty")

    def clear(self) -> None:
        """Forget the buffer and the turn in it."""
        self.buffered_ms, self.speaking = 0.0, None
