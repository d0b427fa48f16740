"""Speech by the `espeak-ng` program on PATH: the fallback where the library is missing.

One process a text. The program reports no word times, so they are spread over the sound by the words'
lengths, with what is known when each piece is given out: the pace.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncGenerator

import numpy as np

from genmb_voice_widget.peer.resample import Resampler
from genmb_voice_widget.peer.stages import SPEAK_RATE, AudioChunk

from .espeak_voices import espeak_pace, espeak_voice

_WAV_HEADER = 44
_RATE_AT = 24
_PIECE = 4096


class EspeakCommandTts:
    """The program as a `Tts`. Raises OSError if it is not there.

    `default` is espeak-ng's name of the voice for names that nobody knows.
    """

    def __init__(self, default: str) -> None:
        found = shutil.which("espeak-ng")
        if found is None:
            raise FileNotFoundError("there is no espeak-ng on PATH")
        self._program = found
        self._default = default

    async def synth(self, text: str, voice: str, speed: float) -> AsyncGenerator[AudioChunk, None]:
        """Speak `text`; `aclose` ends the program."""
        pace = espeak_pace(speed)
        process = await asyncio.create_subprocess_exec(
            self._program,
            *(
                "-v",
                espeak_voice(voice, self._default),
                "-s",
                str(pace.words_per_minute),
                "-g",
                str(pace.word_gap),
            ),
            *("--stdin", "--stdout"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None and process.stdout is not None, "both are pipes"
        try:
            process.stdin.write(text.encode())
            process.stdin.close()
            async for chunk in _chunks(process.stdout, text, pace.words_per_minute):
                yield chunk
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def _chunks(source: asyncio.StreamReader, text: str, pace: int) -> AsyncGenerator[AudioChunk, None]:
    """Read the WAV stream as chunks of the seam's rate."""
    header = await source.readexactly(_WAV_HEADER)
    resampler = Resampler(int.from_bytes(header[_RATE_AT : _RATE_AT + 4], "little"), SPEAK_RATE)
    words = text.split()
    ms_a_letter = 60_000 * len(words) / pace / max(1, sum(map(len, words)))
    starts = [round(sum(map(len, words[:index])) * ms_a_letter) for index in range(len(words))]
    given = made = 0
    odd = b""
    while data := odd + await source.read(_PIECE):
        if len(data) == len(odd):
            break
        whole = len(data) // 2 * 2
        pcm, odd = resampler.push(np.frombuffer(data[:whole], np.int16)), data[whole:]
        made += len(pcm)
        upto = next(
            (i for i in range(given, len(words)) if starts[i] * SPEAK_RATE >= made * 1000), len(words)
        )
        yield AudioChunk(pcm, tuple(zip(words[given:upto], starts[given:upto], strict=True)))
        given = upto
    end = made * 1000 // SPEAK_RATE
    yield AudioChunk(resampler.finish(), tuple((word, end) for word in words[given:]))
