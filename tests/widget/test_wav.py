import math
import struct
import wave
from array import array
from itertools import pairwise

import pytest

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.wav import RATE, read_wav


def write(path, samples, rate=RATE, channels=1, width=2):
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples)
    return path


def tone(rate, seconds=0.5, channels=1):
    frames = (round(8000 * math.sin(2 * math.pi * 440 * i / rate)) for i in range(int(rate * seconds)))
    return array("h", (sample for sample in frames for _ in range(channels))).tobytes()


def test_a_file_at_the_wires_rate_is_taken_as_it_is(tmp_path):
    sound = tone(RATE)
    assert read_wav(write(tmp_path / "q.wav", sound)) == sound


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_any_other_rate_keeps_the_pitch_the_length_and_the_level(tmp_path, rate):
    heard = array("h", read_wav(write(tmp_path / "q.wav", tone(rate), rate)))
    assert abs(len(heard) - RATE // 2) <= 2
    rises = sum(1 for a, b in pairwise(heard) if a < 0 <= b)
    assert abs(rises - 220) <= 2
    level = math.sqrt(sum(sample * sample for sample in heard) / len(heard))
    assert abs(level / (8000 / math.sqrt(2)) - 1) < 0.02


def test_what_lies_above_half_the_new_rate_is_mostly_kept_out(tmp_path):
    samples = array("h", (8000 if i % 2 else -8000 for i in range(48000))).tobytes()
    assert max(map(abs, array("h", read_wav(write(tmp_path / "q.wav", samples, 48000))))) < 100


def test_channels_are_mixed(tmp_path):
    samples = struct.pack("<6h", 100, 300, -100, -300, 32767, 32767)
    assert struct.unpack("<3h", read_wav(write(tmp_path / "q.wav", samples, channels=2))) == (
        200,
        -200,
        32767,
    )


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path, "q.wav: there is no such file; spoken('…') makes one of a sentence."),
        (lambda path: path.write_bytes(b""), "q.wav: it is not a PCM WAV file."),
        (lambda path: path.write_bytes(b"ID3 not a wav file at all"), "q.wav: it is not a PCM WAV file."),
        (lambda path: write(path, b"\x80" * 100, width=1), "q.wav has 8-bit samples."),
        (lambda path: write(path, b"\x80" * 99, width=3), "q.wav has 24-bit samples."),
        (lambda path: write(path, b""), "q.wav holds no sound."),
    ],
)
def test_what_is_no_16_bit_wav_is_refused_with_the_reason(tmp_path, make, why):
    make(tmp_path / "q.wav")
    with pytest.raises(VoiceError, match="bad_audio") as caught:
        read_wav(tmp_path / "q.wav")
    assert caught.value.detail == why
