"""Small facts about a running session: which call it is, and how far a response has come.

It must not know events or turns. The twin is js/src/fold/facts.ts.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any

from genmb_voice_widget.reading import count, name, record


@dataclass(frozen=True, slots=True)
class Session:
    """What is known about the call; ``expires_at`` is in Unix seconds."""

    id: str | None = None
    provider: str | None = None
    transport: str | None = None
    model: str | None = None
    voice: str | None = None
    call_id: str | None = None
    expires_at: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the members that are known."""
        known = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {member: value for member, value in known if value is not None}


def session_from_json(data: object, known: Session | None = None) -> Session:
    """Read the members that are there, over those that are known already; anything else is left out."""
    members, before = record(data), known or Session()
    return Session(
        id=name(members.get("id")) or before.id,
        provider=name(members.get("provider")) or before.provider,
        transport=name(members.get("transport")) or before.transport,
        model=name(members.get("model")) or before.model,
        voice=name(members.get("voice")) or before.voice,
        call_id=name(members.get("call_id")) or before.call_id,
        expires_at=count(members.get("expires_at")) or before.expires_at,
    )


@dataclass(frozen=True, slots=True)
class Response:
    """A response that is not over.

    ``buffered`` means that the server tells when its sound plays (output_audio_buffer events), so that the
    sound may outlast the response; otherwise it plays until the response is done. ``outside`` means that it
    runs beside the conversation and adds nothing to it (OpenAI Realtime API reference, response.create,
    ``conversation``).
    """

    playing: bool = False
    buffered: bool = False
    done: bool = False
    outside: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give every field under its own name."""
        return asdict(self)


def response_from_json(data: object) -> Response:
    """Read what ``Response.to_json`` wrote; what is not true is false."""
    members = record(data)
    return Response(*(members.get(flag) is True for flag in ("playing", "buffered", "done", "outside")))
