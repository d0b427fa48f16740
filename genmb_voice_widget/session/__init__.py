"""What an agent is like, in the words of whoever sets it up, whoever answers.

Owns the options, their defaults and their checks. How a dialect writes them down is in `ga` and `voice_live`.
It must not know who mints, connects or listens.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.protocol import Dialect
from genmb_voice_widget.spelling import corrected

from .azure_voice import AzureVoice
from .checks import check, check_flag, check_number, check_one_of, check_text, check_whole
from .functions import Function, check_tools
from .ga import to_ga
from .prompt import Prompt
from .turn_detection import ServerVad, TurnDetection, turn_detection

_LANGUAGE = re.compile("[a-z]{2,3}")
"""ISO 639-1; the few transcribed languages that it has no code for have three letters, as `yue`."""

_BY_PAUSES = ServerVad()
Modality = Literal["audio", "text"]
NoiseReduction = Literal["near_field", "far_field", "azure_deep_noise_suppression"]


@dataclass(frozen=True)
class Session:
    """The options of a session; None leaves the choice to the provider, unless another meaning is told.

    Attributes:
        instructions: who the agent is and how it answers.
        voice: the name of a voice, such as `marin`, or an `AzureVoice`; cannot change once it has been heard.
        model: the model's or, on Azure OpenAI, the deployment's name; cannot change during a session.
        language: the language that is spoken to the agent, as an ISO 639-1 code such as `de`.
        transcription: the model that writes down what the user says, on Azure OpenAI its deployment's name;
            `auto`: the endpoint's choice; None: nothing is written down.
        vocabulary: names and words that are likely to be said, for the transcription.
        turn_detection: how the end of the user's turn is found: a `ServerVad`, `SemanticVad` or
            `AzureSemanticVad`, the name of one, or None for push to talk.
        auto_respond: whether the agent answers as soon as the user's turn has ended.
        interruptible: whether the agent falls silent when the user begins to speak.
        noise_reduction: `near_field` (headset), `far_field` (laptop) or `azure_deep_noise_suppression`; None:
            none.
        echo_cancellation: whether the service takes its own voice out of what it hears, as browsers do.
        modality: `audio`, with a transcript, or `text` alone.
        speed: how fast the voice speaks, from 0.25 to 1.5.
        temperature: how much the answers vary, from 0 to 1.2.
        max_output_tokens: the longest reply, 1 to 4096 tokens; None: as long as it likes.
        truncation: what becomes of a conversation that is too long: `auto`, `disabled`, or the part of it to
            keep, from 0 to 1.
        prompt: a `Prompt` that is kept with the service.
        tools: the functions that the model may call, as `agent.tool` describes them.
        tool_choice: whether it may (`auto`), may not (`none`) or must (`required`), or the name of the one
            that it must call.
    """

    instructions: str = "You are a friendly voice assistant. Answer in one or two short sentences."
    voice: str | AzureVoice | None = None
    model: str | None = None
    language: str | None = None
    transcription: str | None = "auto"
    vocabulary: tuple[str, ...] = ()
    turn_detection: TurnDetection | None = _BY_PAUSES
    auto_respond: bool = True
    interruptible: bool = True
    noise_reduction: NoiseReduction | None = None
    echo_cancellation: bool = False
    modality: Modality = "audio"
    speed: float | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    truncation: Literal["auto", "disabled"] | float | None = None
    prompt: Prompt | None = None
    tools: tuple[Function, ...] = ()
    tool_choice: str = "auto"

    def __post_init__(self) -> None:
        check_text("instructions", self.instructions)
        if not isinstance(self.voice, AzureVoice):
            check_text("voice", self.voice, or_none=True)
        check_text("model", self.model, or_none=True)
        spoken = isinstance(self.language, str) and bool(_LANGUAGE.fullmatch(self.language))
        check("language", self.language is None or spoken, "an ISO 639-1 code such as de, or None")
        check_text("transcription", self.transcription, or_none=True)
        listed = isinstance(self.vocabulary, list | tuple) and all(
            isinstance(word, str) and word for word in self.vocabulary
        )
        check("vocabulary", listed, "a list of words")
        object.__setattr__(self, "vocabulary", tuple(self.vocabulary))
        object.__setattr__(self, "turn_detection", turn_detection(self.turn_detection))
        for flag in ("auto_respond", "interruptible", "echo_cancellation"):
            check_flag(flag, getattr(self, flag))
        noises = ("near_field", "far_field", "azure_deep_noise_suppression")
        check_one_of("noise_reduction", self.noise_reduction, noises, or_none=True)
        check_one_of("modality", self.modality, ("audio", "text"))
        check_number("speed", self.speed, 0.25, 1.5, or_none=True)
        check_number("temperature", self.temperature, 0, 1.2, or_none=True)
        check_whole("max_output_tokens", self.max_output_tokens, 1, 4096, or_none=True)
        if not isinstance(self.truncation, str):
            check_number("truncation", self.truncation, 0, 1, or_none=True)
        else:
            check_one_of("truncation", self.truncation, ("auto", "disabled"))
        check("prompt", self.prompt is None or isinstance(self.prompt, Prompt), "a Prompt, or None")
        check_tools(self.tools, self.tool_choice)
        object.__setattr__(self, "tools", tuple(self.tools))

    def to_wire(self, dialect: Dialect = "ga") -> dict[str, Any]:
        """Render the session object of a dialect.

        Raises:
            VoiceError: `bad_option`, for what there is not in this dialect, and what there is.
        """
        if dialect == "ga":
            return to_ga(self)
        from .voice_live import to_voice_live  # an agent that speaks the other is made sooner without

        return to_voice_live(self)


OPTIONS = tuple(field.name for field in fields(Session))


def nameless(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of an option that does not exist only its name: its value may be anything, also a secret."""
    return {name: value if name in OPTIONS else None for name, value in options.items()}


def make_session(options: Mapping[str, Any], others: tuple[str, ...] = ()) -> Session:
    """Make a session of keyword options.

    Args:
        options: by name.
        others: names that the caller takes itself, to be listed among the supported ones.

    Raises:
        VoiceError: `bad_option`, naming the option, what was probably meant, and what is supported.
    """
    supported = others + OPTIONS
    unknown = [corrected(name, supported) for name in options if name not in OPTIONS]
    if unknown:
        raise VoiceError("bad_option", f"Unknown: {', '.join(unknown)}. Supported: {', '.join(supported)}.")
    return Session(**options)
