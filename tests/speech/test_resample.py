"""Changing a sample rate: the same tone, at the same place, whatever the pieces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genmb_voice_widget.peer.resample import Resampler


def tone(hertz: float, rate: int, samples: int) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(samples) / rate) * 20_000


def resampled(pcm: np.ndarray, source: int, target: int, cuts: list[int] | None = None) -> np.ndarray:
    resampler = Resampler(source, target)
    pieces = np.split(pcm.astype(np.int16), sorted(cuts or []))
    return np.concatenate([*(resampler.push(piece) for piece in pieces), resampler.finish()])


@pytest.mark.parametrize(
    ("source", "target"), [(22_050, 24_000), (24_000, 48_000), (24_000, 16_000), (24_000, 8_000)]
)
def test_a_tone_stays_that_tone_at_its_place(source, target):
    made = resampled(tone(1_000, source, source), source, target)
    assert len(made) == target
    wanted = tone(1_000, target, target)
    assert np.abs(made - wanted)[100:-100].max() <= 3


def test_what_the_lower_rate_cannot_hold_is_left_out():
    made = resampled(tone(7_000, 24_000, 24_000), 24_000, 8_000)
    assert np.abs(made[100:-100]).max() < 20


def test_loud_sound_is_limited_and_does_not_wrap_around():
    square = np.where(np.arange(4_000) // 50 % 2, 32_767, -32_768)
    made = resampled(square, 22_050, 24_000)
    assert np.abs(np.diff(np.sign(made.astype(np.int32)))).sum() // 2 == 4_000 // 50 - 1


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 3_000), max_size=12), length=st.integers(0, 3_000))
def test_the_pieces_in_which_sound_arrives_change_nothing(cuts, length):
    pcm = tone(440, 22_050, length)
    assert np.array_equal(resampled(pcm, 22_050, 24_000, cuts), resampled(pcm, 22_050, 24_000))
