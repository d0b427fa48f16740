"""WAV files as the wire's audio: 16-bit mono samples at 24 kHz.

Owns reading, mixing down and resampling. It must not know who will hear it.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from itertools import accumulate, chain
from math import floor
from os import PathLike
from pathlib import Path

from .errors import VoiceError

RATE = 24_000
BYTES_PER_MS = 2 * RATE // 1000


def read_wav(path: str | PathLike[str]) -> bytes:
    """Read a 16-bit PCM WAV file of any rate and any number of channels.

    Returns:
        Little-endian 16-bit mono samples at 24 kHz, 48 bytes a millisecond.

    Raises:
        VoiceError: `bad_audio`, when the file is absent, is no WAV, or holds other samples.
    """
    import wave  # only who reads a file pays for it

    path = Path(path)
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, rate = file.getnchannels(), file.getsampwidth(), file.getframerate()
            frames = file.readframes(file.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise VoiceError("bad_audio", f"{path.name}: {_reason(error)}.") from None
    if width != 2:
        raise VoiceError("bad_audio", f"{path.name} has {8 * width}-bit samples.")
    samples = array("h", frames[: len(frames) - len(frames) % (2 * channels)])
    if sys.byteorder == "big":
        samples.byteswap()
    if not samples:
        raise VoiceError("bad_audio", f"{path.name} holds no sound.")
    mono = samples if channels == 1 else array("h", _mixed(samples, channels))
    result = mono if rate == RATE else resample(mono, rate, RATE)
    if sys.byteorder == "big":
        result.byteswap()
    return result.tobytes()


def resample(samples: array[int], rate: int, wanted: int) -> array[int]:
    """Change the rate: each new sample is the mean of the old ones over its own stretch of time.

    Upwards that is linear interpolation; downwards it also keeps out most of what the lower rate cannot hold.
    """
    area = array("q", chain((0,), accumulate(samples)))
    last = len(samples)

    def until(time: float) -> float:
        if time <= 0:
            return time * samples[0]
        if time >= last:
            return area[last] + (time - last) * samples[-1]
        whole = floor(time)
        return area[whole] + (time - whole) * samples[whole]

    step = rate / wanted
    width = max(step, 1.0)
    starts = (index * step + (step - width) / 2 for index in range(len(samples) * wanted // rate))
    return array("h", (round((until(start + width) - until(start)) / width) for start in starts))


def _mixed(samples: array[int], channels: int) -> Iterable[int]:
    return (sum(frame) // channels for frame in zip(*[iter(samples)] * channels, strict=True))


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file; spoken('…') makes one of a sentence"
    return "it is not a PCM WAV file"
