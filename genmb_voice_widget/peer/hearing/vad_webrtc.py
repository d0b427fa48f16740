"""The WebRTC project's voice activity detector, which PocketSphinx carries: for want of onnxruntime.

Good in quiet and in steady hiss, easily fooled by clicks and hum.
"""

from __future__ import annotations

from typing import Any, Literal

from genmb_voice_widget.peer.stages import Pcm

_FRAME_SECONDS = 0.03


class WebRtcVad:
    """A detector that says 1.0 or 0.0. Raises ImportError without `pocketsphinx`."""

    rate: Literal[16_000] = 16_000
    frame_samples = int(16_000 * _FRAME_SECONDS)

    def __init__(self) -> None:
        self.reset()

    def __call__(self, frame: Pcm) -> float:
        """Give 1.0 if the frame (480 samples, 16 kHz) is speech, else 0.0."""
        return 1.0 if self._vad.is_speech(frame.tobytes(), self.rate) else 0.0

    def reset(self) -> None:
        """Forget the past of the stream."""
        from pocketsphinx import Vad

        self._vad: Any = Vad(Vad.STRICT, self.rate, _FRAME_SECONDS)
