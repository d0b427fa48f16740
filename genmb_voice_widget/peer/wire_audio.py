"""The sound formats of the wire: bytes of a session's format to samples for listening, and back from speech.

Owns G.711 (ITU-T G.711, by table) and the rates. One reader or writer a stream, because resampling remembers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .resample import Resampler
from .shapes import Json
from .stages import LISTEN_RATE, SPEAK_RATE, Pcm

_PHONE_RATE = 8000


def _ulaw_table() -> Pcm:
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 0x0F).astype(np.int32) << 3) + 0x84 << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_table() -> Pcm:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = ((code & 0x70) >> 4).astype(np.int32)
    mantissa = ((code & 0x0F).astype(np.int32) << 4) + 8
    magnitude = np.where(exponent, (mantissa + 0x100) << np.maximum(exponent - 1, 0), mantissa)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


_TABLES = {"audio/pcmu": _ulaw_table(), "audio/pcma": _alaw_table()}


class WireReader:
    """Turns the bytes of `input_audio_buffer.append` into samples at 16 kHz."""

    def __init__(self, form: Json) -> None:
        self._table = _TABLES.get(form["type"])
        rate = SPEAK_RATE if self._table is None else _PHONE_RATE
        self._resampler = Resampler(rate, LISTEN_RATE)
        self._rate = rate
        self._odd = b""

    def size(self, ms: int) -> int:
        """Return how many bytes so much sound has."""
        return self._rate * ms // 1000 * (2 if self._table is None else 1)

    def read(self, data: bytes) -> tuple[Pcm, float]:
        """Return the samples and the length of `data` in ms."""
        if self._table is None:
            data = self._odd + data
            whole = len(data) // 2 * 2
            self._odd = data[whole:]
            pcm: Pcm = np.frombuffer(data[:whole], "<i2").astype(np.int16)
        else:
            pcm = self._table[np.frombuffer(data, np.uint8)]
        return self._resampler.push(pcm), len(pcm) * 1000 / self._rate


class WireWriter:
    """Turns speech at 24 kHz into the bytes of `response.output_audio.delta`."""

    def __init__(self, form: Json) -> None:
        table = _TABLES.get(form["type"])
        self._resampler = None if table is None else Resampler(SPEAK_RATE, _PHONE_RATE)
        self._order: NDArray[np.intp] = np.zeros(0, np.intp) if table is None else np.argsort(table)
        self._edges: NDArray[np.float64] = np.zeros(0)
        if table is not None:
            levels = table[self._order].astype(np.float64)
            self._edges = (levels[1:] + levels[:-1]) / 2

    def write(self, pcm: Pcm) -> bytes:
        """Return the bytes for some samples, each as the nearest level that the format has."""
        if self._resampler is None:
            return pcm.astype("<i2").tobytes()
        return self._code(self._resampler.push(pcm))

    def finish(self) -> bytes:
        """Return the bytes that the resampling still held back."""
        return b"" if self._resampler is None else self._code(self._resampler.finish())

    def _code(self, pcm: Pcm) -> bytes:
        codes = self._order[np.searchsorted(self._edges, pcm)]
        return codes.astype(np.uint8).tobytes()
