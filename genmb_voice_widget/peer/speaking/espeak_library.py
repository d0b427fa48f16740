"""libespeak-ng through ctypes: one blocking call that speaks a text into a callback.

Owns the binding (espeak-ng's `speak_lib.h`, API revision 12) and the lock around it: the library's state is
one per process, and it cannot speak two texts at once. Knows nothing of speeds, sessions or asyncio.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from genmb_voice_widget.peer.stages import Pcm

OnSound = Callable[[Pcm, list[tuple[int, int]]], bool]
"""Takes a piece of sound and its word events `(first character, ms from the start)`; false stops."""

_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_BUFFER_MS = 60
_CHARACTERS = 1
_UTF8 = 1
_EVENT_END = 0
_EVENT_WORD = 1
_PARAMETER_RATE = 1
_PARAMETER_WORD_GAP = 7


class _EventId(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


_IN_USE = threading.Lock()


class EspeakLibrary:
    """The library, ready to speak. Raises OSError when it, its data or the voice cannot be loaded.

    The data folder is passed explicitly, because the path that the packaged library was built with does not
    exist. `default` is the voice for names that the library does not know.
    """

    def __init__(self, library: str, data: str, default: str) -> None:
        self._lib = ctypes.CDLL(library)
        self._default = default.encode()
        self._on_sound: OnSound | None = None
        self._callback = _Callback(self._sound)
        with _IN_USE:
            rate = self._lib.espeak_Initialize(_SYNCHRONOUS, _BUFFER_MS, data.encode(), _DONT_EXIT)
            if rate <= 0 or self._lib.espeak_SetVoiceByName(self._default):
                raise OSError(f"espeak-ng has no data, or no voice {default!r}, in {data}")
        self.rate: int = rate

    def speak(self, text: str, voice: str, words_per_minute: int, word_gap: int, on_sound: OnSound) -> None:
        """Speak `text` in pieces of 60 ms; returns when all is said or `on_sound` stopped it.

        `voice` is such as `en-us+f3`; `word_gap` is in espeak-ng's units.
        """
        data = text.replace("\0", " ").encode()
        with _IN_USE:
            if self._lib.espeak_SetVoiceByName(voice.encode()):
                self._lib.espeak_SetVoiceByName(self._default)
            self._lib.espeak_SetParameter(_PARAMETER_RATE, words_per_minute, 0)
            self._lib.espeak_SetParameter(_PARAMETER_WORD_GAP, word_gap, 0)
            self._lib.espeak_SetSynthCallback(self._callback)
            self._on_sound = on_sound
            self._lib.espeak_Synth(data, len(data) + 1, 0, _CHARACTERS, 0, _UTF8, None, None)
            self._on_sound = None

    def _sound(self, wave: Any, samples: int, events: Any) -> int:
        """Take a piece from the library: 0 goes on, 1 stops. An exception here would be lost."""
        words: list[tuple[int, int]] = []
        index = 0
        while events[index].type != _EVENT_END:
            if events[index].type == _EVENT_WORD:
                words.append((events[index].text_position - 1, events[index].audio_position))
            index += 1
        pcm = np.ctypeslib.as_array(wave, (samples,)).copy() if wave and samples else np.zeros(0, np.int16)
        return 0 if self._on_sound is not None and self._on_sound(pcm, words) else 1
