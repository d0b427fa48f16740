"""Changing the sample rate of a stream of int16 sound, without clicks where its pieces meet.

Owns one polyphase filter. Knows nothing of where the sound comes from.
"""

from __future__ import annotations

from math import ceil, gcd

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .stages import Pcm

_HALF_WIDTH = 16
_PASS_BAND = 0.94
_KAISER_BETA = 8.0


class Resampler:
    """A windowed-sinc resampler that remembers the end of the last piece. One stream each.

    The sound keeps its place in time (the filter's delay is made up for), and after `finish` the output is
    `ceil(samples * target / source)` long.
    """

    def __init__(self, source: int, target: int) -> None:
        common = gcd(source, target)
        self._up, self._down = target // common, source // common
        self._half = _HALF_WIDTH * max(1, ceil(source / target))
        self._filter = _polyphase(self._up, self._half, _PASS_BAND * min(1.0, target / source))
        self._kept: NDArray[np.float32] = np.zeros(self._half - 1, np.float32)
        self._kept_from = -(self._half - 1)
        self._received = self._made = 0

    def push(self, pcm: Pcm) -> Pcm:
        """Take a piece; give what can be made already (the rest needs the samples to come)."""
        self._received += len(pcm)
        buffer = np.concatenate((self._kept, pcm.astype(np.float32)))
        end = self._kept_from + len(buffer)
        ready = max(self._made, ceil((end - self._half) * self._up / self._down))
        ticks = np.arange(self._made, ready, dtype=np.int64) * self._down
        starts = ticks // self._up - (self._half - 1) - self._kept_from
        self._made = ready
        keep_from = ready * self._down // self._up - (self._half - 1)
        self._kept, self._kept_from = buffer[keep_from - self._kept_from :], keep_from
        if not len(ticks):
            return np.zeros(0, np.int16)
        windows = sliding_window_view(buffer, 2 * self._half)[starts]
        made = np.einsum("ij,ij->i", windows, self._filter[ticks % self._up])
        rounded: Pcm = np.clip(np.rint(made), -32768, 32767).astype(np.int16)
        return rounded

    def finish(self) -> Pcm:
        """Give what is still owed for the samples that were pushed."""
        owed = ceil(self._received * self._up / self._down) - self._made
        return self.push(np.zeros(2 * self._half + ceil(self._down / self._up), np.int16))[:owed]


def _polyphase(phases: int, half: int, cutoff: float) -> NDArray[np.float32]:
    """One row of `2 * half` weights for each phase; every row sums to one, so a level stays level."""
    offsets = np.arange(phases)[:, None] / phases - (np.arange(2 * half) - (half - 1))[None, :]
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1.0 - (offsets / half) ** 2, 0.0, None)))
    taps = np.sinc(cutoff * offsets) * window
    return np.asarray(taps / taps.sum(axis=1, keepdims=True), np.float32)
