"""The recogniser's worker process: its streams, its grammar, its end."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from genmb_voice_widget.peer.hearing.stt_sphinx import Grammar, SphinxStt, UnknownWords

pytestmark = pytest.mark.speech

YES_OR_NO = Grammar("#JSGF V1.0; grammar g; public <u> = yes | what's this;", ("yes", "what's", "this"), {})


def worker_of(stt: SphinxStt) -> int:
    return stt._worker._process.pid


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that only waits to be reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until_gone(pid: int, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not is_gone(pid) and time.monotonic() < end:
        os.sched_yield()
    return is_gone(pid)


async def test_streams_that_are_open_at_the_same_time_do_not_mix(stages, speech):
    sentences = ["Tell me a story.", "What time is it?", "Count to ten."]
    sounds = [await speech(sentence) for sentence in sentences]
    streams = [stages.stt.open() for _ in sentences]
    for at in range(0, max(map(len, sounds)), 320):
        for stream, sound in zip(streams, sounds, strict=True):
            stream.feed(sound[at : at + 320])
    found = await asyncio.wait_for(asyncio.gather(*(stream.finish() for stream in streams)), 10)
    for stream in streams:
        stream.close()
    assert [transcript.text for transcript in found] == sentences


async def test_nothing_but_silence_gives_no_text_and_is_not_trusted(stages):
    for sound in (np.zeros(0, np.int16), np.zeros(100, np.int16), np.zeros(32_000, np.int16)):
        stream = stages.stt.open()
        stream.feed(sound)
        transcript = await asyncio.wait_for(stream.finish(), 10)
        stream.close()
        assert (transcript.text, transcript.accepted) == ("", False)


async def test_speech_after_long_silence_is_understood(stages, speech):
    stream = stages.stt.open()
    stream.feed(np.random.default_rng(0).normal(0, 100, 5 * 16_000).astype(np.int16))
    stream.feed(await speech("Tell me a joke."))
    transcript = await asyncio.wait_for(stream.finish(), 10)
    stream.close()
    assert transcript.text == "Tell me a joke."


async def test_a_stream_can_be_closed_at_any_time_and_twice(stages, speech):
    pcm = await speech("Tell me a joke.")
    for fed in (0, 4_000, len(pcm)):
        stream = stages.stt.open()
        stream.feed(pcm[:fed])
        stream.close()
        stream.close()
    last = stages.stt.open()
    last.feed(pcm)
    assert (await asyncio.wait_for(last.finish(), 10)).text == "Tell me a joke."
    last.close()


async def test_feeding_returns_at_once_however_much_is_fed(stages):
    stream = stages.stt.open()
    began = time.perf_counter()
    for _ in range(100):
        stream.feed(np.zeros(16_000, np.int16))
    assert time.perf_counter() - began < 0.5
    stream.close()


def test_words_that_the_dictionary_lacks_are_named():
    grammar = Grammar("#JSGF V1.0; grammar g; public <u> = yes blorg zzyx;", ("yes", "blorg", "zzyx"), {})
    stt = SphinxStt(grammar, str)
    with pytest.raises(UnknownWords) as raised:
        stt.ready()
    stt.close()
    assert raised.value.missing == ("blorg", "zzyx")


def test_a_word_with_a_pronunciation_is_known_and_odd_phones_are_named():
    said = {"blorg": "B L AO1 R G", "zzyx": "Z Q X"}
    stt = SphinxStt(Grammar("#JSGF V1.0; grammar g; public <u> = blorg zzyx;", ("blorg", "zzyx"), said), str)
    with pytest.raises(UnknownWords) as raised:
        stt.ready()
    stt.close()
    assert (raised.value.missing, raised.value.odd) == ((), ("zzyx",))


async def test_a_worker_that_died_fails_its_streams_and_is_replaced_at_the_next_one():
    stt = SphinxStt(YES_OR_NO, str)
    stt.ready()
    doomed, first = stt.open(), worker_of(stt)
    os.kill(first, signal.SIGKILL)
    with pytest.raises(OSError, match="ended"):
        await asyncio.wait_for(doomed.finish(), 10)
    doomed.close()
    fresh = stt.open()
    fresh.feed(np.zeros(1_600, np.int16))
    assert (await asyncio.wait_for(fresh.finish(), 10)).text == ""
    fresh.close()
    assert worker_of(stt) != first
    stt.close()


def test_closing_ends_the_worker():
    stt = SphinxStt(YES_OR_NO, str)
    stt.ready()
    pid = worker_of(stt)
    stt.close()
    stt.close()
    assert is_gone(pid)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
def test_the_worker_dies_with_its_parent_even_when_that_is_killed():
    program = (
        "import sys, time\n"
        "from genmb_voice_widget.peer.hearing.stt_sphinx import Grammar, SphinxStt\n"
        f"stt = SphinxStt(Grammar({YES_OR_NO.jsgf!r}, {YES_OR_NO.words!r}, {{}}), str)\n"
        "stt.ready()\n"
        "print(stt._worker._process.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not is_gone(pid)
        parent.kill()
    assert wait_until_gone(pid)
