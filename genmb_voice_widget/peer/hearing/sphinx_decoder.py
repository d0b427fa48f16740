"""Recognising one utterance with PocketSphinx in grammar mode, and saying how far to trust the result.

Runs in the worker process only. Owns the decoders, the conditioning of the sound and the score. All
constants below were measured on synthetic speech (espeak-ng, seven voices).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pocketsphinx
from numpy.typing import NDArray

_RATE = 16_000
_LEVEL = 5_000.0
"""The loudest tenth of a second gets this RMS, so that a quiet microphone is heard like a loud one."""
_FLOOR = 200.0
"""Noise (RMS) laid under the sound. Sound without any, as synthesis gives, has no likeness in the model: with
the floor 97 % of the sentences were exact, without it 67 %."""
_LARGEST_GAIN = 40.0
_HEARING_OUT = _RATE * 6 // 10
"""The level is judged on the first 600 ms that are not quiet."""
_QUIET = 60.0
_STEP = _RATE // 100
_LEAD_IN = _RATE * 3 // 10
_WRONG_LEVEL = 2.0
"""An utterance that is this much louder than its beginning is decoded once more, at its own level."""
_CEPSTRAL_MEAN = "57.8,-11.3,-6.33,4.16,-4.47,-3.06,0.193,-7.96,-3.57,-3.43,-0.554,1.95,-5.10"
"""Each utterance starts from the mean of speech so conditioned, whatever was said before it."""
_TRUSTED = -0.0044
_TRUST_WIDTH = 0.0006


class Decoders:
    """Decoders for one grammar: one for each utterance at a time, used again afterwards."""

    def __init__(self) -> None:
        self._words: dict[str, list[str]] = {}
        self._jsgf = ""
        self._free: list[pocketsphinx.Decoder] = []

    def load(
        self, jsgf: str, words: Sequence[str], pronunciations: Mapping[str, str]
    ) -> dict[str, list[str]]:
        """Make the first decoder, unless words are `missing` or, as given, `unpronounceable`."""
        self._jsgf = jsgf
        given = {word: [re.sub(r"\d", "", phones)] for word, phones in pronunciations.items()}
        self._words = _dictionary(frozenset(words)) | given
        missing = [word for word in words if word not in self._words]
        known = _phones() if given else frozenset()
        odd = [
            word for word, (phones,) in given.items() if not phones or not known.issuperset(phones.split())
        ]
        if not missing and not odd:
            self._free.append(self._make())
        return {"missing": missing, "unpronounceable": odd}

    def take(self) -> pocketsphinx.Decoder:
        """Give a decoder for one utterance."""
        return self._free.pop() if self._free else self._make()

    def give_back(self, decoder: pocketsphinx.Decoder) -> None:
        """Let another utterance have it."""
        self._free.append(decoder)

    def _make(self) -> pocketsphinx.Decoder:
        decoder = pocketsphinx.Decoder(
            hmm=pocketsphinx.get_model_path("en-us/en-us"),
            dict=None,
            lm=None,
            fwdflat=False,
            bestpath=False,
            loglevel="FATAL",
        )
        for word, ways in self._words.items():
            for number, phones in enumerate(ways, 1):
                decoder.add_word(word if number == 1 else f"{word}({number})", phones, False)
        decoder.add_jsgf_string("script", self._jsgf)
        decoder.activate_search("script")
        return decoder


class Utterance:
    """One utterance being recognised while it is spoken."""

    def __init__(self, decoder: pocketsphinx.Decoder) -> None:
        self._decoder = decoder
        self._pcm = bytearray()
        self._gain = 1.0
        self._running = False
        self._noise = np.random.default_rng(0)

    def feed(self, pcm: bytes) -> None:
        """Take more sound (int16, 16 kHz), decoded at once but for the beginning, which sets the level."""
        self._pcm += pcm
        if self._running:
            self._decode(np.frombuffer(pcm, np.int16))
        while not self._running and len(self._pcm) >= 2 * _HEARING_OUT:
            loudness = _loudness(self._sound()[:_HEARING_OUT])
            if loudness < _QUIET:
                del self._pcm[: 2 * _LEAD_IN]
            else:
                self._start(loudness)

    def finish(self) -> dict[str, Any]:
        """Return the words and their trust: `{words, confidence, accepted}`; no words if nothing fits."""
        loudness = _loudness(self._sound())
        if self._running and self._gain * loudness > _WRONG_LEVEL * _LEVEL:
            del self._pcm[: 2 * max(0, _onset(self._sound(), loudness) - _LEAD_IN)]
            self._end()
        if not self._running:
            self._start(loudness)
        self._end()
        found = self._decoder.hyp()
        words = found.hypstr if found else ""
        trust = _trust(self._decoder.seg()) if words else 0.0
        return {"words": words, "confidence": round(trust, 3), "accepted": trust >= 0.5}

    def close(self) -> pocketsphinx.Decoder:
        """Give the decoder back, whatever state the utterance is in."""
        if self._running:
            self._end()
        return self._decoder

    def _start(self, loudness: float) -> None:
        self._gain = min(_LARGEST_GAIN, _LEVEL / max(1.0, loudness))
        self._decoder.start_stream()
        self._decoder.set_cmn(_CEPSTRAL_MEAN)
        self._decoder.start_utt()
        self._running = True
        self._decode(self._sound())

    def _end(self) -> None:
        self._decoder.end_utt()
        self._running = False

    def _decode(self, sound: NDArray[np.int16]) -> None:
        floor = self._noise.normal(0.0, _FLOOR, len(sound))
        conditioned = np.clip(sound * self._gain + floor, -32768, 32767).astype(np.int16)
        if len(conditioned):
            self._decoder.process_raw(conditioned.tobytes())

    def _sound(self) -> NDArray[np.int16]:
        return np.frombuffer(bytes(self._pcm), np.int16)


def _loudness(sound: NDArray[np.int16]) -> float:
    """Measure the RMS of the loudest tenth of a second, in steps of 10 ms; of all if there is less."""
    if not len(sound):
        return 0.0
    power = _power(sound)
    if len(power) < 10:
        return float(np.sqrt(np.mean(np.square(sound.astype(np.float64)))))
    return float(np.sqrt(np.convolve(power, np.full(10, 0.1), "valid").max()))


def _onset(sound: NDArray[np.int16], loudness: float) -> int:
    """Find the sample from which on the sound is no more than 20 dB below its loudest."""
    return int(np.argmax(_power(sound) > (loudness / 10) ** 2)) * _STEP


def _power(sound: NDArray[np.int16]) -> NDArray[np.float64]:
    """Measure the mean square of each whole 10 ms."""
    whole = len(sound) // _STEP * _STEP
    power: NDArray[np.float64] = np.square(sound[:whole].astype(np.float64)).reshape(-1, _STEP).mean(axis=1)
    return power


def _trust(segments: Iterator[Any]) -> float:
    """Rate the result 0..1, a half where commands and other speech part best.

    The model's mean log score a frame, relative to the best sounds at each moment, of the words and (half
    as much) of what was taken for silence: speech that is in no phrase is either a bad word or a bad
    silence.
    """
    logs = {True: 0.0, False: 0.0}
    frames = {True: 0, False: 0}
    for segment in segments:
        if segment.word != "(NULL)":
            is_word = segment.word[0] not in "<[+"
            logs[is_word] += math.log(max(segment.ascore, 1e-300))
            frames[is_word] += segment.end_frame - segment.start_frame + 1
    score = logs[True] / max(1, frames[True]) + 0.5 * logs[False] / max(1, frames[False])
    return 1.0 / (1.0 + math.exp(min(50.0, (_TRUSTED - score) / _TRUST_WIDTH)))


def _dictionary(words: frozenset[str]) -> dict[str, list[str]]:
    """Look `words` up in the packaged dictionary; to load all of it would take longer and hold 30 MB."""
    found: dict[str, list[str]] = {}
    for entry, phones in _entries():
        word = entry.partition("(")[0]
        if word in words:
            found.setdefault(word, []).append(phones)
    return found


def _phones() -> frozenset[str]:
    """Collect the phones that the packaged dictionary is written in."""
    return frozenset(phone for _, phones in _entries() for phone in phones.split())


def _entries() -> Iterator[tuple[str, str]]:
    """Read the packaged dictionary: a word, numbered in brackets from its second way on, and its phones."""
    path = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            entry, _, phones = line.partition(" ")
            yield entry, phones.strip()
