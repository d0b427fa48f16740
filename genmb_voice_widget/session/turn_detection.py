"""How a service finds the end of what somebody says: the kinds there are, and the knobs of each.

The members keep their wire names (OpenAI Realtime API reference, `turn_detection`; Azure Voice Live API
reference). All of their numbers are written out on the wire: what a service takes for an absent one differs
from its own documentation and between services. No kind at all, None, is push to talk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from genmb_voice_widget.errors import VoiceError

from .checks import check, check_flag, check_number, check_one_of, check_whole

Eagerness = Literal["low", "medium", "high", "auto"]


@dataclass(frozen=True)
class ServerVad:
    """A turn ends with a pause.

    Attributes:
        threshold: how sure it must be that a sound is speech, from 0 to 1.
        prefix_padding_ms: how much of the sound before the speech belongs to it.
        silence_duration_ms: how long the pause is.
        idle_timeout_ms: after how long a silence the agent asks whether somebody is there, 5000 to 30000;
            None: never.
    """

    type: ClassVar = "server_vad"
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    idle_timeout_ms: int | None = None

    def __post_init__(self) -> None:
        _check_pause(self.threshold, self.prefix_padding_ms, self.silence_duration_ms)
        check_whole("idle_timeout_ms", self.idle_timeout_ms, 5_000, 30_000, "milliseconds", or_none=True)


@dataclass(frozen=True)
class SemanticVad:
    """A turn ends when what was said sounds finished.

    Attributes:
        eagerness: how soon it takes a turn for finished: it waits at most 8 s (low), 4 s (medium, auto) or
            2 s (high).
    """

    type: ClassVar = "semantic_vad"
    eagerness: Eagerness = "auto"

    def __post_init__(self) -> None:
        check_one_of("eagerness", self.eagerness, ("low", "medium", "high", "auto"))


@dataclass(frozen=True)
class AzureSemanticVad:
    """A turn ends with a pause in speech that is told from noise by its sense (Azure Voice Live only).

    Attributes:
        threshold: how sure it must be that a sound is speech, from 0 to 1.
        prefix_padding_ms: how much of the sound before the speech belongs to it.
        speech_duration_ms: how long a sound must be to be taken for speech.
        silence_duration_ms: how long the pause is.
        remove_filler_words: whether an "um" alone does not interrupt the agent.
        languages: what is spoken, as codes such as `en`; none: the service finds out.
    """

    type: ClassVar = "azure_semantic_vad"
    threshold: float = 0.5
    prefix_padding_ms: int = 300
    speech_duration_ms: int = 80
    silence_duration_ms: int = 500
    remove_filler_words: bool = False
    languages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_pause(self.threshold, self.prefix_padding_ms, self.silence_duration_ms)
        check_whole("speech_duration_ms", self.speech_duration_ms, 0, 10_000, "milliseconds")
        check_flag("remove_filler_words", self.remove_filler_words)
        listed = isinstance(self.languages, list | tuple) and all(
            isinstance(language, str) and language for language in self.languages
        )
        check("languages", listed, "a list of codes such as en")
        object.__setattr__(self, "languages", tuple(self.languages))


TurnDetection = ServerVad | SemanticVad | AzureSemanticVad

_ALL = (ServerVad, SemanticVad, AzureSemanticVad)
_BY_NAME: dict[str, type[TurnDetection]] = {kind.type: kind for kind in _ALL}


def turn_detection(value: object) -> TurnDetection | None:
    """Read what somebody chose: a kind with its knobs, a kind's name alone, or None for push to talk.

    Raises:
        VoiceError: `bad_option`.
    """
    if value is None or isinstance(value, ServerVad | SemanticVad | AzureSemanticVad):
        return value
    if isinstance(value, str) and value in _BY_NAME:
        return _BY_NAME[value]()
    kinds = ", ".join(f"{kind.__name__}(…)" for kind in _ALL)
    wanted = f"{kinds}, the name of one such as server_vad, or None, which is push to talk"
    raise VoiceError("bad_option", f"turn_detection must be {wanted}.")


def _check_pause(threshold: object, prefix_padding_ms: object, silence_duration_ms: object) -> None:
    check_number("threshold", threshold, 0, 1)
    check_whole("prefix_padding_ms", prefix_padding_ms, 0, 10_000, "milliseconds")
    check_whole("silence_duration_ms", silence_duration_ms, 1, 10_000, "milliseconds")
