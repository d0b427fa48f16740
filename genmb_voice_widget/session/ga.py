"""A session in the words of the GA dialect: OpenAI, Azure OpenAI, and what is compatible with them.

Pure. Protocol facts: OpenAI Realtime API reference, `session` (client secrets, `session.update`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .azure_voice import AzureVoice
from .functions import tools_to_wire
from .offers import Offer
from .transcription import transcription
from .turn_detection import SemanticVad, ServerVad

if TYPE_CHECKING:
    from . import Session

OFFER = Offer(
    "ga",
    without=("temperature", "echo_cancellation"),
    detections=(ServerVad, SemanticVad),
    noise_reductions=("near_field", "far_field"),
)
_PCM = {"type": "audio/pcm", "rate": 24_000}


def to_ga(session: Session) -> dict[str, Any]:
    """Render the whole session object; members that are left to the service are absent.

    Raises:
        VoiceError: `bad_option`, for what there is not in this dialect, and what there is.
    """
    OFFER.check(session)
    wire: dict[str, Any] = {
        "type": "realtime",
        "model": session.model,
        "instructions": session.instructions,
        "output_modalities": [session.modality],
        "max_output_tokens": session.max_output_tokens,
        "truncation": _truncation(session.truncation),
        "prompt": None if session.prompt is None else session.prompt.to_wire(),
        **tools_to_wire(session.tools, session.tool_choice),
    }
    return {name: value for name, value in wire.items() if value is not None} | {
        "audio": {"input": _input(session), "output": _output(session)}
    }


def _input(session: Session) -> dict[str, Any]:
    wire: dict[str, Any] = {
        "format": _PCM,
        "transcription": transcription(session, None, "keywords"),
        "turn_detection": _turn_detection(session),
    }
    if session.noise_reduction is not None:  # Azure refuses a null (some versions)
        wire["noise_reduction"] = {"type": session.noise_reduction}
    return wire


def _turn_detection(session: Session) -> dict[str, Any] | None:
    flags = {"create_response": session.auto_respond, "interrupt_response": session.interruptible}
    match session.turn_detection:
        case ServerVad() as vad:
            wire: dict[str, Any] = {
                "type": vad.type,
                "threshold": vad.threshold,
                "prefix_padding_ms": vad.prefix_padding_ms,
                "silence_duration_ms": vad.silence_duration_ms,
            }
            idle = {} if vad.idle_timeout_ms is None else {"idle_timeout_ms": vad.idle_timeout_ms}
            return wire | idle | flags
        case SemanticVad() as vad:
            return {"type": vad.type, "eagerness": vad.eagerness} | flags
        case _:
            return None


def _output(session: Session) -> dict[str, Any]:
    wire: dict[str, Any] = {"format": _PCM, "voice": session.voice, "speed": session.speed}
    assert not isinstance(session.voice, AzureVoice), "the offer has been checked"
    return {name: value for name, value in wire.items() if value is not None}


def _truncation(chosen: str | float | None) -> Any:
    if isinstance(chosen, int | float):
        return {"type": "retention_ratio", "retention_ratio": chosen}
    return chosen
