"""Finding turns in sound, with a detector whose opinion is given and a clock that is turned by hand."""

import numpy as np
import pytest

from genmb_voice_widget.peer.hearing.turns import (
    Began,
    Finished,
    Idled,
    TurnDetector,
    TurnRules,
    WentOn,
    turn_rules,
)
from genmb_voice_widget.peer.protocol.session_config import new_session, update_session

FRAME_MS = 32


class LoudVad:
    """The probability is the first sample of the frame, in percent."""

    rate = 16_000
    frame_samples = 512

    def __call__(self, frame):
        return frame[0] / 100

    def reset(self):
        pass


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Detector:
    def __init__(self, rules):
        self.clock = Clock()
        self.turns = TurnDetector(LoudVad(), self.clock, rules)

    def hear(self, percent, frames=1):
        """Feed frames of one opinion in network-sized pieces; return what happened and when (frame number)."""
        sound = np.full(512 * frames, percent, np.int16)
        happened = []
        for at in range(0, len(sound), 320):
            self.clock.now += 0.02
            happened += self.turns.feed(sound[at : at + 320])
        return [turning for turning in happened if not isinstance(turning, WentOn)]


def test_two_frames_of_speech_begin_a_turn_and_the_padding_before_it_belongs_to_it():
    detector = Detector(TurnRules(prefix_padding_ms=96))
    assert detector.hear(0, 20) == []
    (began,) = detector.hear(90, 2)
    assert isinstance(began, Began)
    assert began.start_ms == (20 - 3) * FRAME_MS
    assert len(began.pcm) == 5 * 512


def test_one_loud_frame_is_a_click():
    detector = Detector(TurnRules())
    assert detector.hear(90) + detector.hear(0) + detector.hear(90) + detector.hear(0) == []


def test_a_turn_ends_after_the_silence_and_not_before():
    detector = Detector(TurnRules(silence_duration_ms=10 * FRAME_MS))
    detector.hear(90, 10)
    assert detector.hear(0, 9) == []
    assert detector.hear(90) == []
    assert detector.hear(0, 9) == []
    assert detector.hear(0) == [Finished((10 + 9 + 1 + 10) * FRAME_MS)]


def test_a_voice_that_sinks_a_little_under_the_threshold_goes_on():
    detector = Detector(TurnRules(threshold=0.5, silence_duration_ms=64))
    detector.hear(90, 4)
    assert detector.hear(40, 20) == []
    assert len(detector.hear(30, 2)) == 1


def test_the_padding_does_not_reach_into_the_turn_before():
    detector = Detector(TurnRules(prefix_padding_ms=1000, silence_duration_ms=64))
    detector.hear(90, 10)
    detector.hear(0, 2)
    (began,) = detector.hear(90, 2)
    assert began.start_ms == 12 * FRAME_MS


def test_a_turn_whose_sound_stops_arriving_is_ended_by_the_clock():
    detector = Detector(TurnRules(silence_duration_ms=200))
    detector.hear(90, 10)
    detector.clock.now += 0.69
    assert detector.turns.poll() == []
    detector.clock.now += 0.02
    assert detector.turns.poll() == [Finished(10 * FRAME_MS)]
    assert detector.turns.poll() == []


def test_without_rules_nothing_is_a_turn_and_positions_go_on():
    detector = Detector(None)
    assert detector.hear(90, 100) == []
    detector.turns.configure(TurnRules(prefix_padding_ms=0))
    (began,) = detector.hear(90, 2)
    assert began.start_ms == 100 * FRAME_MS


def test_taking_the_rules_away_ends_the_listening_in_the_middle_of_a_turn():
    detector = Detector(TurnRules())
    detector.hear(90, 10)
    detector.turns.configure(None)
    assert not detector.turns.speaking
    assert detector.hear(0, 50) == []


def test_an_idle_user_is_noticed_once_after_the_reply_was_heard():
    detector = Detector(TurnRules(idle_timeout_ms=5000))
    detector.hear(0, 10)
    detector.clock.now += 60
    assert detector.turns.poll() == []
    detector.turns.await_user(2000)
    detector.clock.now += 6.99
    assert detector.turns.poll() == []
    detector.clock.now += 0.02
    assert detector.turns.poll() == [Idled(320, 320)]
    detector.clock.now += 60
    assert detector.turns.poll() == []


def test_speech_stops_the_idle_timer():
    detector = Detector(TurnRules(idle_timeout_ms=5000, silence_duration_ms=64))
    detector.turns.await_user(0)
    detector.hear(90, 4)
    detector.hear(0, 4)
    detector.clock.now += 60
    assert detector.turns.poll() == []


@pytest.mark.parametrize(
    ("detection", "rules"),
    [
        (None, None),
        (
            {
                "type": "server_vad",
                "threshold": 0.7,
                "prefix_padding_ms": 100,
                "silence_duration_ms": 900,
                "idle_timeout_ms": 6000,
            },
            TurnRules(0.7, 100, 900, 6000),
        ),
        ({"type": "semantic_vad", "eagerness": "low"}, TurnRules(silence_duration_ms=1200)),
        ({"type": "semantic_vad"}, TurnRules(silence_duration_ms=700)),
        ({"type": "semantic_vad", "eagerness": "high"}, TurnRules(silence_duration_ms=400)),
    ],
)
def test_rules_come_from_the_session(detection, rules):
    patch = {"type": "realtime", "audio": {"input": {"turn_detection": detection}}}
    session = update_session(new_session("sess_1", "local"), patch)
    assert turn_rules(session["audio"]["input"]["turn_detection"]) == rules
