"""Spoken sentences as WAV files: a voice for notebooks, tests and a browser's fake microphone.

Owns the program `genmb-voice say`. The synthesiser (GPL-3, optional) is only ever loaded by that program:
`spoken` runs it in a process of its own.
"""

from __future__ import annotations

import argparse
import atexit
import os
import subprocess
import sys
import tempfile
import wave
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import VoiceError
from .peer.speaking.espeak_voices import VOICES_SAID, is_voice

if TYPE_CHECKING:
    from .peer.stages import Pcm

_NOT_INSTALLED = 3
_RATES = range(8_000, 96_001)
_LONGEST_SILENCE = 3600.0


def spoken(
    text: str | list[str],
    path: str | Path | None = None,
    *,
    voice: str = "en-us",
    lead_in: float = 0.5,
    pause: float = 3.0,
    tail: float = 1.0,
    rate: int = 48_000,
) -> Path:
    """Write what is said in `text` as a 16-bit mono WAV file.

    Args:
        text: a sentence, or several that are said one after the other.
        path: the file to write; by default a new temporary one, which is deleted when this process ends.
        voice: one of espeak-ng's voices (`en-us`, `en-us+f3`), or an OpenAI voice name.
        lead_in: seconds of silence before the first sentence.
        pause: seconds of silence between sentences, the time that the agent has to answer.
        tail: seconds of silence after the last, by which turn detection knows that it was the last.
        rate: samples a second.

    Returns:
        The file's path.

    Raises:
        VoiceError: `peer_not_installed` without the extra `local`; `bad_option` for an empty text, a length
            that cannot be, a voice or a folder that is not there; `peer_failed` with the program's last line.
    """
    sentences = [text] if isinstance(text, str) else list(text)
    if complaint := _complaint(sentences, (lead_in, pause, tail), rate, voice, path):
        raise VoiceError("bad_option", complaint)
    target = _new_file() if path is None else Path(path)
    options = {"voice": voice, "lead-in": lead_in, "pause": pause, "tail": tail, "rate": rate}
    program = [
        sys.executable,
        "-m",
        "genmb_voice_widget.say",
        *(f"--{key}={it}" for key, it in options.items()),
    ]
    done = subprocess.run(
        [*program, f"--out={target}", "--", *sentences],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        code = "peer_not_installed" if done.returncode == _NOT_INSTALLED else "peer_failed"
        raise VoiceError(code, (done.stderr.strip().splitlines() or ["It gave no reason."])[-1])
    return target


def _new_file() -> Path:
    """Make an empty file that goes when this process ends, whoever forks from it meanwhile."""
    handle, path = tempfile.mkstemp(".wav", "spoken-")
    os.close(handle)
    atexit.register(_remove, Path(path), os.getpid())
    return Path(path)


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:
        with suppress(OSError):
            path.unlink()


def _complaint(
    sentences: Sequence[str], silences: Sequence[float], rate: int, voice: str, path: str | Path | None
) -> str | None:
    """Say what cannot be spoken or written so; None when all of it can."""
    if not sentences or not all(sentence.strip() for sentence in sentences):
        return "There is nothing to say: text is empty."
    if not all(0 <= silence <= _LONGEST_SILENCE for silence in silences) or rate not in _RATES:
        return "Silences are seconds from 0 to 3600; rate is 8000 to 96000 samples a second."
    if not is_voice(voice):
        return f"Supported voices: {VOICES_SAID}."
    folder = None if path is None else Path(path).parent
    return None if folder is None or folder.is_dir() else f"There is no folder {folder}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Speak the sentences into a file and print its path. Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="genmb-voice say", description="Write spoken sentences as a WAV file."
    )
    parser.add_argument("sentence", nargs="+")
    parser.add_argument(
        "--out", type=Path, default=Path("spoken.wav"), help="the file (default: %(default)s)"
    )
    parser.add_argument(
        "--voice", default="en-us", help="an espeak-ng or OpenAI voice (default: %(default)s)"
    )
    parser.add_argument("--lead-in", type=float, default=0.5, help="seconds of silence before")
    parser.add_argument("--pause", type=float, default=3.0, help="seconds of silence between sentences")
    parser.add_argument("--tail", type=float, default=1.0, help="seconds of silence after")
    parser.add_argument("--rate", type=int, default=48_000, help="samples a second")
    options = parser.parse_args(arguments)
    silences = (options.lead_in, options.pause, options.tail)
    if complaint := _complaint(options.sentence, silences, options.rate, options.voice, options.out):
        parser.error(complaint)
    try:
        sound = _say(options.sentence, options)
    except (ImportError, OSError) as problem:
        sys.stderr.write(f"espeak-ng cannot be used here: {problem}\n")
        return _NOT_INSTALLED
    with wave.open(str(options.out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(options.rate)
        file.writeframes(sound.astype("<i2").tobytes())
    sys.stdout.write(f"{options.out}\n")
    return 0


def _say(sentences: Sequence[str], options: argparse.Namespace) -> Pcm:
    """Synthesise the sentences with their silences, at the wanted rate."""
    import asyncio

    import numpy as np

    from .peer.build import build_voice
    from .peer.resample import Resampler
    from .peer.speaking.espeak_voices import DEFAULT_VOICE
    from .peer.stages import SPEAK_RATE

    def silence(seconds: float) -> Pcm:
        return np.zeros(round(seconds * SPEAK_RATE), np.int16)

    async def speech(sentence: str) -> list[Pcm]:
        return [chunk.pcm async for chunk in tts.synth(sentence, options.voice, 1.0)]

    tts, close = build_voice(DEFAULT_VOICE)
    pieces = [silence(options.lead_in)]
    for index, sentence in enumerate(sentences):
        pieces += [silence(options.pause)] if index else []
        pieces += asyncio.run(speech(sentence))
    close()
    sound: Pcm = np.concatenate([*pieces, silence(options.tail)])
    if options.rate == SPEAK_RATE:
        return sound
    resampler = Resampler(SPEAK_RATE, options.rate)
    return np.concatenate([resampler.push(sound), resampler.finish()])


if __name__ == "__main__":
    sys.exit(main())
