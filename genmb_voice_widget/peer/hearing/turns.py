"""How a spoken turn is found: frames of sound in, "the user began", "went on", "has finished" out.

Owns the prefix ring, the thresholds and the timers of `turn_detection` (OpenAI Realtime API reference,
server_vad and semantic_vad). Two clocks: positions count samples, so they are exact; silence of the network
and of the user is told by the injected clock. Knows no event of the wire and no recogniser.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.stages import LISTEN_RATE, Pcm, Vad

ONSET_FRAMES = 2
"""Frames of speech in a row that make a turn; one alone may be a click."""

HYSTERESIS = 0.15
"""How far below the threshold the probability falls before a frame counts as silence."""

STARVED_MS = 500
"""A turn whose audio stops arriving for so long, beyond the silence it would need, is over."""

_EAGERNESS_MS = {"low": 1200, "medium": 700, "auto": 700, "high": 400}


@dataclass(frozen=True, slots=True)
class TurnRules:
    """When a turn begins and ends; all times in ms."""

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 200
    idle_timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Began:
    """A turn began at `start_ms`; `pcm` is what was said since, with the padding before it."""

    start_ms: int
    pcm: Pcm


@dataclass(frozen=True, slots=True)
class WentOn:
    """More sound of the turn."""

    pcm: Pcm


@dataclass(frozen=True, slots=True)
class Finished:
    """The turn is over; its audio reaches to `end_ms`."""

    end_ms: int


@dataclass(frozen=True, slots=True)
class Idled:
    """Nothing was said between these positions for the idle timeout."""

    start_ms: int
    end_ms: int


Turning = Began | WentOn | Finished | Idled


def turn_rules(detection: Json | None) -> TurnRules | None:
    """Read `turn_detection`; None (push to talk) has no rules. Eagerness is a length of silence here."""
    if detection is None:
        return None
    if detection["type"] == "semantic_vad":
        return TurnRules(silence_duration_ms=_EAGERNESS_MS[detection["eagerness"]])
    return TurnRules(
        detection["threshold"],
        detection["prefix_padding_ms"],
        detection["silence_duration_ms"],
        detection["idle_timeout_ms"],
    )


class TurnDetector:
    """Finds turns in one stream. `clock` gives seconds; it need only be steady."""

    def __init__(self, vad: Vad, clock: Callable[[], float], rules: TurnRules | None) -> None:
        self._vad = vad
        self._clock = clock
        self._rules = rules
        self._frame_ms = vad.frame_samples * 1000 / LISTEN_RATE
        self._rest: Pcm = np.zeros(0, np.int16)
        self._ring: list[Pcm] = []
        self._frames = 0
        self._floor = 0
        self._onset = 0
        self._silent_ms = 0.0
        self._speaking = False
        self._fed_at = clock()
        self._idle_from: tuple[float, int] | None = None

    @property
    def position_ms(self) -> int:
        """How much sound has been looked at."""
        return int(self._frames * self._frame_ms)

    @property
    def speaking(self) -> bool:
        """Whether a turn is being spoken."""
        return self._speaking

    def configure(self, rules: TurnRules | None) -> None:
        """Go by other rules from here on; a turn being spoken goes on unless there are none."""
        self._rules = rules
        if rules is None:
            self.reset()

    def reset(self) -> None:
        """Forget the turn being spoken and what came before it; positions count on."""
        self._ring.clear()
        self._floor = self._frames
        self._onset, self._silent_ms, self._speaking = 0, 0.0, False
        self._vad.reset()

    def await_user(self, after_ms: float) -> None:
        """Start the idle timer when the last reply will have been heard."""
        self._idle_from = self._clock() + after_ms / 1000, self.position_ms

    def feed(self, pcm: Pcm) -> list[Turning]:
        """Take sound of any length and say what it means for turns."""
        self._fed_at = self._clock()
        sound = np.concatenate((self._rest, pcm))
        size = self._vad.frame_samples
        whole = len(sound) // size * size
        self._rest = sound[whole:]
        return [turning for at in range(0, whole, size) for turning in self._frame(sound[at : at + size])]

    def poll(self) -> list[Turning]:
        """Look at the clock: a turn whose sound stopped arriving, a user who says nothing."""
        if self._rules is None:
            return []
        now = self._clock()
        if self._speaking:
            starved = now - self._fed_at > (self._rules.silence_duration_ms + STARVED_MS) / 1000
            return [self._finish()] if starved else []
        if self._idle_from is None or self._rules.idle_timeout_ms is None:
            return []
        since, start_ms = self._idle_from
        if now - since < self._rules.idle_timeout_ms / 1000:
            return []
        self._idle_from = None
        return [Idled(start_ms, self.position_ms)]

    def _frame(self, frame: Pcm) -> list[Turning]:
        self._frames += 1
        if self._rules is None:
            return []
        probability = self._vad(frame)
        if self._speaking:
            return self._continue(frame, probability, self._rules)
        self._onset = self._onset + 1 if probability >= self._rules.threshold else 0
        self._ring.append(frame)
        keep = ONSET_FRAMES + int(np.ceil(self._rules.prefix_padding_ms / self._frame_ms))
        del self._ring[:-keep]
        if self._onset < ONSET_FRAMES:
            return []
        first = max(self._floor, self._frames - len(self._ring))
        self._speaking, self._silent_ms, self._idle_from = True, 0.0, None
        turn = np.concatenate(self._ring)
        self._ring.clear()
        return [Began(int(first * self._frame_ms), turn)]

    def _continue(self, frame: Pcm, probability: float, rules: TurnRules) -> list[Turning]:
        quiet = probability < max(rules.threshold - HYSTERESIS, 0.01)
        self._silent_ms = self._silent_ms + self._frame_ms if quiet else 0.0
        went_on = WentOn(frame)
        return [went_on, self._finish()] if self._silent_ms >= rules.silence_duration_ms else [went_on]

    def _finish(self) -> Finished:
        end_ms = self.position_ms
        self.reset()
        return Finished(end_ms)
