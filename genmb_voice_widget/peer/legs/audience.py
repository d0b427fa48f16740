"""Which events each kind of client is sent. Data and lookups."""

from __future__ import annotations

FILTERED = frozenset(
    {
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "conversation.item.input_audio_transcription.completed",
        "conversation.item.added",
        "conversation.item.created",
        "response.output_text.delta",
        "response.output_text.done",
        "response.output_audio_transcript.delta",
        "response.output_audio_transcript.done",
    }
)
"""What a browser still receives under `webrtcfilter=on` (Azure OpenAI, realtime audio by WebRTC)."""


def everything(kind: str) -> bool:
    """Send every event: the session's own client."""
    return True


def filtered(kind: str) -> bool:
    """Send what the filter lets through."""
    return kind in FILTERED


def sideband(kind: str) -> bool:
    """Send all but the greeting, which an observer does not get, and sound, which goes by RTP."""
    return kind not in ("session.created", "response.output_audio.delta")


_ON_CHANNEL = (
    "input_audio_buffer.speech_",
    "output_audio_buffer.",
    "conversation.item.input_audio_transcription.",
    "response.created",
    "response.done",
    "response.text.",
    "response.audio_transcript.",
)
_ON_BOTH = ("conversation.item.created", "response.output_item.")
"""Where the documentation of Voice Live's calls says one thing in its table and another in its text."""

_SOUND = "response.audio.delta"


def call_channel(kind: str) -> bool:
    """Send what the data channel of a Voice Live call carries (documented, preview)."""
    return kind.startswith(_ON_CHANNEL + _ON_BOTH)


def call_control(kind: str) -> bool:
    """Send what the control socket of a Voice Live call carries: all the rest, and what goes on both."""
    return not kind.startswith(_ON_CHANNEL) and kind != _SOUND
