"""The output buffer to the sample, and the sound formats of the wire."""

import numpy as np
import pytest

from genmb_voice_widget.peer.facts import PlaybackStarted, PlaybackStopped, Played
from genmb_voice_widget.peer.legs.audio_out import AudioOut
from genmb_voice_widget.peer.wire_audio import WireReader, WireWriter


def sound(samples, value=1):
    return np.full(samples, value, np.int16)


def test_an_empty_buffer_plays_silence():
    block, facts = AudioOut().pull(960)
    assert not block.any()
    assert facts == []


def test_playing_is_told_to_the_sample():
    out = AudioOut()
    out.write("r", "a", sound(1440))
    assert out.queued_ms("r") == 30
    assert out.pull(960)[1] == [PlaybackStarted("r"), Played("a", 20)]
    out.end("r")
    block, facts = out.pull(960)
    assert (block[:480].all(), block[480:].any()) == (True, False)
    assert facts == [Played("a", 30), PlaybackStopped("r")]
    assert out.pull(960)[1] == []


def test_a_response_that_pauses_does_not_stop():
    out = AudioOut()
    out.write("r", "a", sound(960))
    out.pull(960)
    assert out.pull(960)[1] == []
    out.write("r", "a", sound(960))
    assert out.pull(960)[1] == [Played("a", 40)]


def test_responses_play_one_after_the_other():
    out = AudioOut()
    for response, item, value in (("r", "a", 1), ("s", "b", 2)):
        out.write(response, item, sound(480, value))
        out.end(response)
    block, facts = out.pull(960)
    assert (block[:480] == 1).all() and (block[480:] == 2).all()
    assert facts == [
        PlaybackStarted("r"),
        Played("a", 10),
        PlaybackStopped("r"),
        PlaybackStarted("s"),
        Played("b", 10),
        PlaybackStopped("s"),
    ]


def test_responses_that_are_made_at_once_do_not_mix():
    out = AudioOut()
    for value in (1, 2, 1, 2):
        out.write("rs"[value - 1], "ab"[value - 1], sound(480, value))
    assert (out.queued_ms("r"), out.queued_ms("s")) == (20, 20)
    block, facts = out.pull(1440)
    assert (block[:960] == 1).all() and not block[960:].any()
    assert facts[0] == PlaybackStarted("r") and facts[-1] == Played("a", 20)
    out.end("s")
    out.end("r")
    block, facts = out.pull(960)
    assert (block == 2).all()
    assert facts == [
        PlaybackStopped("r"),
        PlaybackStarted("s"),
        Played("b", 10),
        Played("b", 20),
        PlaybackStopped("s"),
    ]


def test_clearing_is_instant_and_the_end_of_what_was_cleared_says_nothing():
    out = AudioOut()
    out.write("r", "a", sound(48_000))
    out.pull(960)
    out.clear()
    out.end("r")
    block, facts = out.pull(960)
    assert not block.any()
    assert (facts, out.queued_ms("r")) == ([], 0)


PCM = {"type": "audio/pcm", "rate": 24000}


@pytest.mark.parametrize("form", [PCM, {"type": "audio/pcmu"}, {"type": "audio/pcma"}])
def test_sound_survives_the_way_through_each_format(form):
    time = np.arange(24_000) / 24_000
    tone = (np.sin(2 * np.pi * 440 * time) * 8000).astype(np.int16)
    writer, reader = WireWriter(form), WireReader(form)
    data = b"".join([writer.write(tone[at : at + 1440]) for at in range(0, 24_000, 1440)]) + writer.finish()
    assert len(data) == (48_000 if form == PCM else 8_000)
    heard = [reader.read(data[at : at + 999]) for at in range(0, len(data), 999)]
    assert sum(ms for _, ms in heard) == pytest.approx(1000)
    pcm = np.concatenate([piece for piece, _ in heard])
    wanted = np.sin(2 * np.pi * 440 * np.arange(len(pcm)) / 16_000) * 8000
    error = np.sqrt(np.mean(np.square(pcm[400:-400] - wanted[400:-400])))
    assert error < 200


@pytest.mark.parametrize(
    ("kind", "codes", "levels"),
    [
        ("audio/pcmu", [0x00, 0x80, 0xFF, 0x7F, 0xE7], [-32124, 32124, 0, 0, 260]),
        ("audio/pcma", [0x2A, 0xAA, 0xD5, 0x55, 0x80], [-32256, 32256, 8, -8, 5504]),
    ],
)
def test_the_tables_of_g711_are_right(kind, codes, levels):
    table = WireReader({"type": kind})._table
    assert [int(table[code]) for code in codes] == levels
