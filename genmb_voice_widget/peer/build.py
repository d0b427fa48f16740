"""Putting the peer's stages together: the best that is installed, all loading at the same time.

Owns the order of preference and the line of log for everything that has to be done without. Nothing heavy
is imported before `build_stages` is called.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

from .agent.match import match
from .agent.script import DEMO, Script, ScriptError, load_script
from .agent.script_agent import ScriptAgent
from .hearing.grammar import jsgf, vocabulary
from .protocol.offered import DEFAULT_VOICE
from .speaking.espeak_voices import DEFAULT_VOICE as PLAIN_VOICE
from .stages import Stages, Stt, Tts, Vad

_log = logging.getLogger(__name__)


def build_stages(script: Path | None) -> Stages:
    """Load the stages for a script (the packaged demo by default). Raises ScriptError.

    Missing packages do not stop it: Silero gives way to WebRTC's detector and that to a loudness gate, the
    espeak-ng library to the program on PATH and that to a tone, and without a recogniser only typed text is
    understood.
    """
    began = time.perf_counter()
    path = script or DEMO
    read = load_script(path)
    with ThreadPoolExecutor(3) as pool:
        vad, stt, tts = pool.submit(_vad), pool.submit(_stt, read, path.name), pool.submit(_tts)
    speaks, close_tts = tts.result()
    try:
        hears, close_stt = stt.result()
    except ScriptError:
        close_tts()
        raise

    def close() -> None:
        close_stt()
        close_tts()

    _log.info("stages ready in %.0f ms", (time.perf_counter() - began) * 1000)
    voice = read.voice or DEFAULT_VOICE
    return Stages(vad.result(), hears, ScriptAgent(read), speaks, close, read.name, voice)


def _vad() -> Callable[[], Vad]:
    try:
        from .hearing.vad_silero import SileroModel

        return SileroModel().detector
    except Exception as problem:
        _log.warning(
            "no Silero voice detection (%s); WebRTC's is used, which noise misleads more easily", problem
        )
    try:
        from .hearing.vad_webrtc import WebRtcVad

        WebRtcVad()
    except ImportError as problem:
        from .scripted import EnergyVad

        _log.warning("no WebRTC voice detection (%s); whatever is loud counts as speech", problem)
        return EnergyVad
    return WebRtcVad


def _stt(script: Script, where: str) -> tuple[Stt, Callable[[], None]]:
    from .scripted import ScriptedStt

    if find_spec("pocketsphinx") is None:
        _log.warning("pocketsphinx is not installed; speech is not understood, typed text is")
        return ScriptedStt(), _nothing
    from .hearing.stt_sphinx import Grammar, SphinxStt, UnknownWords

    def spell(words: str) -> str:
        found = match(script, words)
        return found.text if found else words

    lines = vocabulary(script)
    stt = SphinxStt(Grammar(jsgf(script), tuple(lines), script.pronunciations), spell)
    try:
        stt.ready()
    except UnknownWords as problem:
        stt.close()
        raise ScriptError(_unknown_words(problem.missing, problem.odd, lines, where)) from None
    except OSError as problem:
        stt.close()
        _log.warning("no recogniser (%s); speech is not understood, typed text is", problem)
        return ScriptedStt(), _nothing
    return stt, stt.close


def _unknown_words(missing: tuple[str, ...], odd: tuple[str, ...], lines: dict[str, int], where: str) -> str:
    sentences = [
        f"{where}, line {lines[word]}: the recogniser does not know the word {word!r}; "
        f'use another, or say how it sounds under [pronunciations], such as {word} = "B L AA G".'
        for word in missing
    ] + [
        f'{where}: the pronunciation of {word!r} is not made of ARPAbet phones such as "B L AA G".'
        for word in odd
    ]
    return "\n".join(sentences)


def build_voice(default: str) -> tuple[Tts, Callable[[], None]]:
    """Load the espeak-ng that is installed; return it and what closes it. Raises OSError where there is none.

    `default` is espeak-ng's name of the voice for names that nobody knows.
    """
    try:
        from .speaking.tts_espeak import EspeakTts

        tts = EspeakTts(default)
        return tts, tts.close
    except (ImportError, OSError) as problem:
        _log.warning("no espeak-ng library (%s); the program on PATH is used", problem)
    from .speaking.tts_espeak_command import EspeakCommandTts

    return EspeakCommandTts(default), _nothing


def _tts() -> tuple[Tts, Callable[[], None]]:
    try:
        return build_voice(PLAIN_VOICE)
    except OSError as problem:
        from .scripted import ToneTts

        _log.warning("no espeak-ng program (%s); a tone is heard instead of a voice", problem)
        return ToneTts(), _nothing


def _nothing() -> None:
    """Close nothing: some stages hold nothing."""
