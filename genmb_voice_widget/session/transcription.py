"""How what the user says is to be written down, in the words of any dialect: which model, language and words.

Pure. Protocol facts: OpenAI Realtime API reference, `audio.input.transcription`; Azure Voice Live API
reference, `input_audio_transcription`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import Session


def transcription(session: Session, auto: str | None, words: str) -> dict[str, Any] | None:
    """Render the member; None: nothing is written down.

    Args:
        session: the options.
        auto: the model where the choice is left open; None: the endpoint names it.
        words: what the dialect calls the words that are likely to be said.
    """
    if session.transcription is None:
        return None
    model = auto if session.transcription == "auto" else session.transcription
    wire = {"model": model, "language": session.language, words: list(session.vocabulary) or None}
    return {name: value for name, value in wire.items() if value is not None}
