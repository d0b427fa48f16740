"""The voices: their words, their rate, their pace, and how quickly they can be stopped."""

import asyncio
import shutil
from pathlib import Path

import numpy as np
import pytest
from espeakng_loader import get_data_path, get_library_path

from genmb_voice_widget.peer.agent.script import DEMO, load_script
from genmb_voice_widget.peer.resample import Resampler
from genmb_voice_widget.peer.speaking import tts_espeak
from genmb_voice_widget.peer.speaking.espeak_library import EspeakLibrary
from genmb_voice_widget.peer.speaking.espeak_voices import (
    ACCENTS,
    VOICES,
    espeak_pace,
    espeak_voice,
    is_voice,
)
from genmb_voice_widget.peer.speaking.tts_espeak import EspeakTts
from genmb_voice_widget.peer.speaking.tts_espeak_command import EspeakCommandTts
from genmb_voice_widget.peer.stages import SPEAK_RATE, AudioChunk, Pcm, Tts

pytestmark = pytest.mark.speech

TEXT = "Once upon a time — so they say — there were 25 lighthouses. One of them was afraid!"


@pytest.fixture(params=["library", "command"])
def tts(request, stages) -> Tts:
    if request.param == "library":
        assert isinstance(stages.tts, EspeakTts)
        return stages.tts
    assert shutil.which("espeak-ng"), "espeak-ng is not on PATH: `make install` brings it"
    return EspeakCommandTts("en-us")


async def chunks_of(tts: Tts, text: str, voice: str = "alloy", speed: float = 1.0) -> list[AudioChunk]:
    return [chunk async for chunk in tts.synth(text, voice, speed)]


def seconds(chunks: list[AudioChunk]) -> float:
    return sum(len(chunk.pcm) for chunk in chunks) / SPEAK_RATE


async def test_the_words_are_those_of_the_text_and_their_times_increase_within_its_duration(tts):
    chunks = await chunks_of(tts, TEXT)
    words = [word for chunk in chunks for word in chunk.words]
    times = [ms for _, ms in words]
    assert [word for word, _ in words] == TEXT.split()
    assert times == sorted(times)
    assert times[0] < 100
    assert seconds(chunks) * 500 < times[-1] < seconds(chunks) * 1000


async def test_each_word_begins_in_the_chunk_that_brings_it(stages):
    made = 0
    for chunk in await chunks_of(stages.tts, TEXT):
        first, made = made * 1000 / SPEAK_RATE, made + len(chunk.pcm)
        for _, ms in chunk.words:
            assert first - 5 <= ms <= made * 1000 / SPEAK_RATE + 5


async def test_the_sound_is_whole_and_has_no_click_where_chunks_meet(tts):
    chunks = await chunks_of(tts, TEXT)
    assert len(chunks) > 10
    assert all(chunk.pcm.dtype == np.int16 for chunk in chunks)
    whole = np.concatenate([chunk.pcm for chunk in chunks]).astype(np.int32)
    leaps = np.abs(np.diff(whole))
    seams = np.cumsum([len(chunk.pcm) for chunk in chunks])[:-1] - 1
    assert 8_000 < np.abs(whole).max() < 32_767
    # A single seam may fall into a loud consonant; a click at every seam would move the median.
    assert np.median(leaps[seams]) < 2 * np.median(leaps)


async def test_speed_changes_the_duration_as_much_as_it_says(tts):
    text = "One two three four five six seven eight nine ten."
    normal = seconds(await chunks_of(tts, text))
    for speed in (0.25, 0.5, 1.5):
        assert seconds(await chunks_of(tts, text, speed=speed)) * speed == pytest.approx(normal, rel=0.25)


async def test_closing_stops_the_synthesis_within_a_chunk(stages, monkeypatch):
    made: list[int] = []

    class Counting(Resampler):
        def push(self, pcm: Pcm) -> Pcm:
            made[-1] += 1
            return super().push(pcm)

        def __init__(self, source: int, target: int) -> None:
            super().__init__(source, target)
            made.append(0)

    monkeypatch.setattr(tts_espeak, "Resampler", Counting)
    quarter_of_an_hour = "The boat came home along the golden path, singing all the way. " * 250
    speech = stages.tts.synth(quarter_of_an_hour, "alloy", 1.0)
    await anext(speech)
    await speech.aclose()
    until_closed = made[0]
    await chunks_of(stages.tts, "Next.")
    assert len(made) == 2
    assert made[0] <= until_closed + 1
    assert made[0] < 1_000


async def test_of_a_long_text_only_a_little_is_made_ahead_of_its_listener(stages, monkeypatch):
    given = []
    real = tts_espeak.EspeakLibrary.speak

    def speak(library, text, *more):
        given.append(text)
        real(library, text, *more)

    monkeypatch.setattr(tts_espeak.EspeakLibrary, "speak", speak)
    text = "no full stop and no end " * 500
    speech = stages.tts.synth(text, "alloy", 1.0)
    await anext(speech)
    await chunks_of(stages.tts, "Next.")
    assert len(given) == 2 and len(given[0]) <= tts_espeak.LONGEST_PIECE
    await speech.aclose()


async def test_the_words_of_a_long_text_go_on_counting_from_its_beginning(stages):
    chunks = await chunks_of(stages.tts, "the quick brown fox jumps over the lazy dog " * 20)
    words = [word for chunk in chunks for word in chunk.words]
    times = [ms for _, ms in words]
    assert len(words) == 180
    assert times == sorted(times)
    assert seconds(chunks) * 900 < times[-1] < seconds(chunks) * 1000


async def test_a_reply_can_be_closed_before_it_has_begun(tts):
    speech = tts.synth(TEXT, "alloy", 1.0)
    await speech.aclose()
    assert seconds(await chunks_of(tts, "Next.")) > 0.2


async def test_two_texts_at_once_are_both_spoken_to_the_end(tts):
    alone = seconds(await chunks_of(tts, TEXT))
    both = await asyncio.gather(chunks_of(tts, TEXT), chunks_of(tts, TEXT, "marin"))
    assert [seconds(chunks) for chunks in both] == pytest.approx([alone, alone], rel=0.15)


async def test_every_voice_name_of_openai_has_a_voice_of_its_own(stages):
    sounds = set()
    for voice in VOICES:
        chunks = await chunks_of(stages.tts, "Good evening.", voice)
        sounds.add(np.concatenate([chunk.pcm for chunk in chunks]).tobytes())
    assert len(sounds) == len(VOICES) == 10


async def test_a_voice_that_does_not_exist_is_replaced_by_the_default(stages):
    for voice in ("nobody", "en-klingon"):
        assert seconds(await chunks_of(stages.tts, "Hello.", voice)) > 0.2


async def test_a_text_without_words_is_over_at_once(stages):
    for text in ("", "   ", "\0"):
        assert seconds(await asyncio.wait_for(chunks_of(stages.tts, text), 5)) < 1


async def test_the_story_is_long_enough_to_be_interrupted(stages):
    for story in next(intent for intent in load_script(DEMO).intents if intent.name == "story").replies:
        assert seconds(await chunks_of(stages.tts, story)) > 25


@pytest.mark.parametrize("name", ["marrin", "", "Alloy", "en-klingon", "en-us+nobody", "de", "en-us+f9"])
def test_a_name_of_no_voice_is_known_to_be_none(name):
    assert not is_voice(name)


def test_every_name_that_counts_as_a_voice_is_one_of_the_installed_library():
    library = EspeakLibrary(get_library_path(), get_data_path(), "en-us")
    for accent in ACCENTS:
        for variant in ("", "+m1", "+m8", "+f1", "+f5", "+croak", "+whisper"):
            name = accent + variant
            assert is_voice(name)
            assert library._lib.espeak_SetVoiceByName(espeak_voice(name, "nobody").encode()) == 0
    folder = Path(get_data_path()) / "voices" / "!v"
    variants = {found.name for found in folder.iterdir()}
    assert {f"m{number}" for number in range(1, 9)} | {f"f{number}" for number in range(1, 6)} <= variants
    assert {"croak", "whisper"} | {name.partition("+")[2] for name in VOICES.values()} - {""} <= variants


def test_names_of_espeak_are_kept_and_unknown_ones_get_the_default():
    assert espeak_voice("coral", "en") == VOICES["coral"]
    assert espeak_voice("en-gb-x-rp", "en") == "en-gb-x-rp"
    assert espeak_voice("ensemble", "en-us") == "en-us"


def test_words_stand_apart_where_espeak_cannot_speak_slower():
    assert espeak_pace(1.0) == (175, 0)
    assert espeak_pace(0.5) == (88, 0)
    assert espeak_pace(0.25).words_per_minute == 80
    assert espeak_pace(0.25).word_gap > espeak_pace(0.4).word_gap > 0
