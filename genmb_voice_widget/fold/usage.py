"""What a session has used: the sums that the provider bills by.

It must not know prices, nor which events carry the numbers. The twin is js/src/fold/usage.ts.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any

from genmb_voice_widget.reading import LARGEST, count, number, record


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over the session: tokens, except ``responses`` (a count) and ``transcription_seconds``.

    Transcription of the user's speech is billed by tokens or by seconds, depending on its model, and apart
    from the responses.
    """

    responses: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    cached_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0
    transcription_tokens: int = 0
    transcription_seconds: float = 0

    def to_json(self) -> dict[str, Any]:
        """Give every field under its own name."""
        return asdict(self)

    def __add__(self, other: "Usage") -> "Usage":
        """Add field by field; a sum stops at the largest integer that both languages hold."""
        return Usage(*(min(getattr(self, each) + getattr(other, each), LARGEST) for each in _NAMES))


_NAMES = tuple(field.name for field in fields(Usage))


def usage_from_json(data: object) -> Usage:
    """Read what ``Usage.to_json`` wrote; members that are missing or not numbers are 0."""
    members = record(data)
    read = {each: count(members.get(each)) or 0 for each in _NAMES if each != "transcription_seconds"}
    return Usage(**read, transcription_seconds=number(members.get("transcription_seconds")) or 0)


def of_response(usage: object) -> Usage:
    """Read ``response.usage`` of response.done (OpenAI Realtime API reference); it may be absent."""
    members = record(usage)
    given, made = record(members.get("input_token_details")), record(members.get("output_token_details"))
    return Usage(
        responses=1,
        input_tokens=count(members.get("input_tokens")) or 0,
        output_tokens=count(members.get("output_tokens")) or 0,
        total_tokens=count(members.get("total_tokens")) or 0,
        input_text_tokens=count(given.get("text_tokens")) or 0,
        input_audio_tokens=count(given.get("audio_tokens")) or 0,
        cached_tokens=count(given.get("cached_tokens")) or 0,
        output_text_tokens=count(made.get("text_tokens")) or 0,
        output_audio_tokens=count(made.get("audio_tokens")) or 0,
    )


def of_transcription(usage: object) -> Usage:
    """Read ``usage`` of a transcription: ``{type: "tokens", …}`` or ``{type: "duration", seconds}``."""
    members = record(usage)
    return Usage(
        transcription_tokens=count(members.get("total_tokens")) or 0,
        transcription_seconds=number(members.get("seconds")) or 0,
    )
