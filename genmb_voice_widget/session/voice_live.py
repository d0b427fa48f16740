"""A session in the words of Azure Voice Live: the flat, older form with members of its own.

Pure. Protocol facts: Azure Voice Live API reference (2026-06-01-preview), `session.update`.
"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .azure_voice import AzureVoice
from .functions import tools_to_wire
from .offers import Offer
from .transcription import transcription
from .turn_detection import AzureSemanticVad, ServerVad

if TYPE_CHECKING:
    from . import Session

OFFER = Offer(
    "beta",
    without=("speed", "truncation", "prompt"),
    detections=(ServerVad, AzureSemanticVad),  # the reference has semantic_vad, the SDK's types have not
    noise_reductions=("azure_deep_noise_suppression", "near_field", "far_field"),
    without_knobs=("idle_timeout_ms",),
    azure_voices=True,
)
TRANSCRIPTION = "azure-speech"
"""The model for transcription where the choice is left open; it needs no deployment."""
_OF_AZURE = re.compile("[a-z]{2,3}-[A-Z]{2}-.+")
"""How the names of Azure's voices look, as `en-US-AvaNeural`; OpenAI's are a word."""


def to_voice_live(session: Session) -> dict[str, Any]:
    """Render the whole session object; members that are left to the service are absent.

    Raises:
        VoiceError: `bad_option`, for what there is not in this dialect, and what there is.
    """
    OFFER.check(session)
    wire: dict[str, Any] = {
        "model": session.model,
        "instructions": session.instructions,
        "modalities": ["text", "audio"] if session.modality == "audio" else ["text"],
        "voice": _voice(session.voice),
        "temperature": session.temperature,
        "max_response_output_tokens": session.max_output_tokens,
        "input_audio_noise_reduction": session.noise_reduction and {"type": session.noise_reduction},
        "input_audio_echo_cancellation": {"type": "server_echo_cancellation"}
        if session.echo_cancellation
        else None,
        **tools_to_wire(session.tools, session.tool_choice),
    }
    return {name: value for name, value in wire.items() if value is not None} | {
        "input_audio_format": "pcm16",
        "input_audio_sampling_rate": 24_000,
        "output_audio_format": "pcm16",
        "input_audio_transcription": transcription(session, TRANSCRIPTION, "phrase_list"),
        "turn_detection": _turn_detection(session),
    }


def _voice(voice: str | AzureVoice | None) -> Any:
    if isinstance(voice, AzureVoice):
        return voice.to_wire()
    if voice is not None and _OF_AZURE.fullmatch(voice):
        return AzureVoice(voice).to_wire()
    return voice


def _turn_detection(session: Session) -> dict[str, Any] | None:
    """Render it with `auto_truncate`: without, the model remembers what the user did not hear."""
    vad = session.turn_detection
    if vad is None:
        return None
    knobs = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(vad).items()
        if value not in (None, ())
    }
    return {"type": vad.type, **knobs} | {
        "create_response": session.auto_respond,
        "interrupt_response": session.interruptible,
        "auto_truncate": session.interruptible,
    }
