"""What there is to choose in a dialect, and the words for what there is not.

Pure. It must not know how a dialect writes a session down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.protocol import Dialect, providers_of

from .azure_voice import AzureVoice
from .turn_detection import TurnDetection

if TYPE_CHECKING:
    from . import Session


@dataclass(frozen=True)
class Offer:
    """What a dialect has.

    Attributes:
        dialect: its name.
        without: options that it has not at all; only their default passes.
        detections: the kinds of turn detection.
        noise_reductions: the kinds of noise reduction.
        without_knobs: members of a turn detection that it has not.
        azure_voices: whether it takes an `AzureVoice`.
    """

    dialect: Dialect
    without: tuple[str, ...]
    detections: tuple[type[TurnDetection], ...]
    noise_reductions: tuple[str, ...]
    without_knobs: tuple[str, ...] = ()
    azure_voices: bool = False

    def check(self, session: Session) -> None:
        """Let pass a session that can be had.

        Raises:
            VoiceError: `bad_option`, naming what there is not here, and what there is.
        """
        defaults: Mapping[str, object] = {field.name: field.default for field in fields(session)}
        for name in self.without:
            if getattr(session, name) != defaults[name]:
                there = ", ".join(option for option in defaults if option not in self.without)
                raise self._lacking(name, there)
        if (vad := session.turn_detection) is not None:
            self._check_detection(vad)
        if session.noise_reduction not in (None, *self.noise_reductions):
            there = ", ".join(self.noise_reductions)
            raise self._lacking(f"{session.noise_reduction} as noise_reduction", there)
        if isinstance(session.voice, AzureVoice) and not self.azure_voices:
            raise self._lacking("AzureVoice as voice", "a voice's name, such as marin")

    def _check_detection(self, vad: TurnDetection) -> None:
        if not isinstance(vad, self.detections):
            kinds = ", ".join(kind.__name__ for kind in self.detections)
            raise self._lacking(f"{type(vad).__name__} as turn_detection", f"{kinds}, None")
        for knob in self.without_knobs:
            if getattr(vad, knob, None) is not None:
                there = [field.name for field in fields(vad) if field.name not in self.without_knobs]
                raise self._lacking(f"{knob} of a turn_detection", ", ".join(there))

    def _lacking(self, what: str, there: str) -> VoiceError:
        who = ", ".join(providers_of(self.dialect))
        said = f"There is no {what} with these providers: {who}. Supported there: {there}."
        return VoiceError("bad_option", said)
