"""Sentences as WAV files."""

import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.peer.resample import Resampler
from genmb_voice_widget.say import main, spoken

pytestmark = pytest.mark.speech


def samples(path: Path, rate: int) -> np.ndarray:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, rate)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


def silences(sound: np.ndarray, rate: int) -> list[float]:
    """The lengths in seconds of the digital silences longer than 0.25 s."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], sound == 0, [0]]).astype(int)))
    lengths = (edges[1::2] - edges[::2]) / rate
    return [float(length) for length in lengths if length > 0.25]


def test_a_sentence_lies_between_its_silences(tmp_path):
    path = spoken("Hello.", tmp_path / "hello.wav", lead_in=0.5, tail=1.0)
    sound = samples(path, 48_000)
    before, *_, after = silences(sound, 48_000)
    assert before == pytest.approx(0.5, abs=0.05)
    assert 1.0 <= after < 1.6
    assert np.abs(sound.astype(int)).max() > 8_000


async def test_several_sentences_have_their_pause_between_them_and_are_understood(tmp_path, hear):
    path = spoken(["Tell me a joke.", "What time is it?"], tmp_path / "two.wav", pause=2.0, rate=24_000)
    sound = samples(path, 24_000)
    assert sum(1 for silence in silences(sound, 24_000) if silence >= 2.0) == 1
    resampler = Resampler(24_000, 16_000)
    heard = await hear(np.concatenate([resampler.push(sound), resampler.finish()]))
    assert [transcript.text for transcript in heard] == ["Tell me a joke.", "What time is it?"]


def test_without_a_path_a_new_file_is_written_each_time_and_goes_with_the_process(tmp_path):
    program = (
        "import os; from genmb_voice_widget import spoken;"
        "files = [spoken('Hi.', rate=16_000) for _ in range(2)];"
        "os.fork() or exit();"  # the end of a child is not the end
        "os.wait(); print(*(f'{file} {os.path.getsize(file)}' for file in files), sep='\\n')"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert len({name for name, _ in lines}) == 2
    assert all(Path(name).parent == tmp_path and int(size) > 1_000 for name, size in lines)
    assert list(tmp_path.iterdir()) == []


def test_the_caller_loads_neither_the_library_nor_numpy(tmp_path):
    program = (
        "import sys; from genmb_voice_widget import spoken; spoken('Hi.', sys.argv[1]);"
        "print([name for name in ('numpy', 'espeakng_loader', 'ctypes') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "hi.wav")], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "detail"),
    [
        ({"text": "  "}, "nothing to say"),
        ({"text": []}, "nothing to say"),
        ({"text": "Hi.", "tail": -1.0}, "seconds from 0 to 3600"),
        ({"text": "Hi.", "rate": 44}, "8000 to 96000"),
        ({"text": "Hi.", "voice": "nova"}, "Supported voices: 'alloy', "),
        ({"text": "Hi.", "path": "/no/such/folder/hi.wav"}, "no folder"),
    ],
)
def test_what_cannot_be_spoken_is_refused_with_a_reason(arguments, detail):
    with pytest.raises(VoiceError) as raised:
        spoken(**arguments)
    assert raised.value.code == "bad_option"
    assert detail in str(raised.value)


def test_without_espeak_the_error_says_how_to_install_it(monkeypatch, tmp_path):
    (tmp_path / "espeakng_loader.py").write_text("raise ImportError('no espeakng_loader')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VoiceError) as raised:
        spoken("Hi.", tmp_path / "hi.wav")
    assert raised.value.code == "peer_not_installed"
    assert "espeak-ng" in str(raised.value.detail)
    assert not (tmp_path / "hi.wav").exists()


@pytest.mark.parametrize(
    "arguments",
    [["  "], ["Hi.", "--rate=0"], ["Hi.", "--lead-in=nan"], ["Hi.", "--out=/no/such/folder/hi.wav"]],
)
def test_the_command_refuses_them_in_a_sentence(arguments, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    assert "genmb-voice say: error: " in capsys.readouterr().err


def test_the_command_prints_the_file_that_it_wrote(tmp_path, capsys):
    path = tmp_path / "hi.wav"
    assert main(["Hi -- there.", "--out", str(path), "--rate", "8000", "--lead-in", "0", "--tail", "0"]) == 0
    assert capsys.readouterr().out.strip() == str(path)
    assert 0.3 < len(samples(path, 8_000)) / 8_000 < 3
