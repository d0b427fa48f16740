"""What goes wrong inside a session or at its edges: nobody dies in silence, and nothing is left behind."""

import asyncio
import json
import time

import numpy as np
import pytest

from genmb_voice_widget.peer.ephemeral import Secrets
from genmb_voice_widget.peer.hearing import ear
from genmb_voice_widget.peer.hearing.ear import Ear
from genmb_voice_widget.peer.live import LiveSession
from genmb_voice_widget.peer.protocol.session_config import new_session, update_session
from genmb_voice_widget.peer.scripted import DictAgent, EnergyVad, ScriptedStt, ToneTts, scripted_stages
from genmb_voice_widget.peer.speaking.mouth import LEAD_MS
from genmb_voice_widget.peer.stages import Say, Stages, Transcript

SPEECH = (np.sin(np.arange(16_000 * 6 // 10) * 0.3) * 9000).astype(np.int16)
SILENCE = np.zeros(16_000 * 6 // 10, np.int16)


def faults(events):
    return [event for event in events if event["type"] == "error"]


class FaultyVad(EnergyVad):
    """Breaks for as long as it is told to."""

    broken = False

    def __call__(self, frame):
        if self.broken:
            raise RuntimeError("the network has no such layer")
        return super().__call__(frame)


class Streams:
    """A recogniser that counts the streams that nobody closed; `finish` never comes back if it is `hung`."""

    def __init__(self, hung=False):
        self.open_ones = 0
        self.fed = 0
        self._hung = hung

    def open(self):
        self.open_ones += 1
        return _Stream(self, self._hung)


class _Stream:
    def __init__(self, owner, hung):
        self._owner, self._hung = owner, hung

    def feed(self, pcm):
        self._owner.fed += len(pcm)

    async def finish(self):
        if self._hung:
            await asyncio.Event().wait()
        return Transcript("hello")

    def close(self):
        self._owner.open_ones -= 1


@pytest.fixture
async def begin(collected):
    """Begin a session with no transport around it: `(session, the events it sends)`."""
    begun = []

    def start(stages, transport="websocket", clock=time.time, **settings):
        wire = update_session(new_session("sess_1", "local", 2**40), {"type": "realtime", **settings})
        live = LiveSession(wire, stages, transport, clock, lambda: None)
        events = collected()
        live.attach(events.take, lambda kind: True)
        begun.append(live)
        return live, events

    yield start
    for live in begun:
        await live.close()


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
async def test_a_fault_in_hearing_is_told_once_and_the_session_hears_again(begin, transport, caplog):
    vad, now = FaultyVad(), [1000.0]
    live, events = begin(
        Stages(lambda: vad, ScriptedStt(["hello"]), DictAgent({"hello": "Hi."}), ToneTts()),
        transport,
        lambda: now[0],
    )
    for _ in range(2):
        vad.broken = True
        for at in range(0, len(SPEECH), 320):
            live.hear(SPEECH[at : at + 320])
            now[0] += 0.02
        vad.broken = False
        live.hear(SILENCE)
        now[0] += 1
    assert [event["error"]["type"] for event in events] == ["server_error"] * 2
    assert "no such layer" in caplog.text
    assert "no such layer" not in str(events)
    live.hear(np.concatenate((SPEECH, SILENCE)))
    await events.wait("response.done")
    assert len(faults(events)) == 2


async def test_a_fault_in_playing_is_silence_and_is_told_once(begin, monkeypatch, caplog):
    live, events = begin(scripted_stages(replies={"": "one two three"}), "webrtc")

    def stumble(*_):
        raise RuntimeError("the bug")

    with monkeypatch.context() as patch:
        patch.setattr("genmb_voice_widget.peer.legs.audio_out.AudioOut.pull", stumble)
        assert [live.pull(960).any() for _ in range(3)] == [False] * 3
    assert [event["error"]["type"] for event in events] == ["server_error"]
    await live.receive('{"type": "response.create"}')
    await events.wait("response.done")
    assert any(live.pull(960).any() for _ in range(10))


async def test_a_fault_in_looking_at_the_clock_leaves_the_clock_running(begin, monkeypatch, caplog):
    _, events = begin(scripted_stages())
    looks, thrice = [], asyncio.Event()

    def stumble(detector):
        looks.append(detector)
        if len(looks) == 3:
            thrice.set()
        raise RuntimeError("the bug")

    monkeypatch.setattr("genmb_voice_widget.peer.hearing.turns.TurnDetector.poll", stumble)
    async with asyncio.timeout(20):
        await thrice.wait()
    assert [event["error"]["type"] for event in events] == ["server_error"]


async def test_a_recogniser_that_never_answers_has_failed_and_the_reply_comes(begin, monkeypatch, caplog):
    monkeypatch.setattr(ear, "RECOGNISED_WITHIN", 0.05)
    audio = {"input": {"transcription": {"model": "m"}}}
    stt = Streams(hung=True)
    live, events = begin(Stages(EnergyVad, stt, DictAgent({}, "Pardon?"), ToneTts()), audio=audio)
    live.hear(np.concatenate((SPEECH, SILENCE)))
    failed = await events.wait("conversation.item.input_audio_transcription.failed")
    assert failed["error"]["code"] == "transcription_failed"
    await events.wait("response.done")
    assert stt.open_ones == 0


async def test_a_turn_that_never_ends_is_not_kept_without_end(begin, monkeypatch):
    monkeypatch.setattr(ear, "LONGEST_BUFFER_MS", 1000)
    stt = Streams()
    live, events = begin(Stages(EnergyVad, stt, DictAgent({}), ToneTts()))
    for _ in range(10):
        live.hear(SPEECH)
    assert 900 <= stt.fed / 16 <= 1000
    live.hear(SILENCE)
    await events.wait("response.done")


async def test_hearing_that_ends_right_after_a_turn_lets_go_of_its_recogniser():
    stt = Streams()
    hearing = Ear(
        Stages(EnergyVad, stt, DictAgent({}), ToneTts()),
        time.time,
        lambda fact: None,
        new_session("sess_1", "local"),
    )
    hearing.hear(SPEECH)
    hearing.transcribe("item_1")
    assert stt.open_ones == 1
    await hearing.close()
    assert stt.open_ones == 0


async def test_sound_that_arrives_after_the_end_opens_nothing(begin):
    stt = Streams()
    live, _ = begin(Stages(EnergyVad, stt, DictAgent({}), ToneTts()))
    await live.close()
    live.hear(SPEECH)
    assert stt.open_ones == 0


async def test_a_recogniser_that_cannot_let_go_costs_nothing_but_a_line_of_log(begin, caplog, monkeypatch):
    def stumble(stream):
        raise OSError("the pipe is gone")

    monkeypatch.setattr(_Stream, "close", stumble)
    live, events = begin(Stages(EnergyVad, Streams(), DictAgent({"hello": "Hi."}), ToneTts()))
    for turn in (1, 2):
        live.hear(np.concatenate((SPEECH, SILENCE)))
        await events.wait("response.done", turn)
    assert faults(events) == []
    assert "the pipe is gone" in caplog.text


async def test_a_client_that_comes_when_all_is_over_is_told_so_at_once(begin):
    live, _ = begin(scripted_stages())
    await live.close()
    told = []
    live.attach(told.append, lambda kind: True, lambda: told.append("over"))
    assert told == ["over"]


async def test_two_replies_that_are_made_at_once_are_heard_one_after_the_other(begin):
    class TwoVoices:
        async def reply(self, turn):
            for _ in range(5):
                yield Say(turn.text)

    live, events = begin(Stages(EnergyVad, ScriptedStt(), TwoVoices(), ToneTts()), "webrtc")
    for words in ("first " * 4, "second " * 4):
        note = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
        beside = {"conversation": "none", "input": [note]}
        await live.receive(json.dumps({"type": "response.create", "response": beside}))
    total = 2 * 5 * 4 * 0.24
    assert total * 1000 > 2 * LEAD_MS
    for _ in range(round(total / 0.02) + 50):
        live.pull(960)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    told = [event["type"].rpartition(".")[2] for event in events if event["type"].startswith("output_audio_")]
    assert told == ["started", "stopped", "started", "stopped"]


def test_secrets_that_have_expired_are_forgotten_without_a_new_one():
    now = [1000.0]
    secrets = Secrets("own", lambda: now[0])
    for _ in range(3):
        secrets.make({"instructions": "long"}, {"anchor": "created_at", "seconds": 60}, 600)
    now[0] += 61
    secrets.check("own")
    assert secrets._made == {}
