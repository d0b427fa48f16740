"""Which events each kind of client is sent. Data and two lookups."""

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
