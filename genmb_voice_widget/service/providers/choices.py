"""Which of a caller's choices a service does not offer: found in what it answers, told in words of ours.

Of the answer only two members are looked at, and compared with what is known here: nothing of it is repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genmb_voice_widget.service.problems import Refusal

_CHOICES = {
    "session.audio.output.voice": "voice",
    "session.audio.input.transcription.language": "language",
    "session.model": "model",
    "model": "model",
}
"""By the member at fault, as an error's `param` names it (OpenAI API reference, error object)."""

_UNPROCESSABLE = 422


def refused_choice(answer: Any, offers: Mapping[str, str]) -> Refusal | None:
    """Read the JSON of an answer with status 400.

    Args:
        answer: the JSON, whatever it is.
        offers: what the service has, as the end of a sentence, by the name of the choice.

    Returns:
        The refusal, which names what there is to choose where that is known; None when the answer is about
        something else.
    """
    match answer:
        case {"error": {"code": "invalid_value", "param": str(param)}} if param in _CHOICES:
            choice = _CHOICES[param]
        case _:
            return None
    detail = f"The voice service does not offer this {choice}."
    if choice not in offers:
        return Refusal("provider_refused", detail)
    return Refusal("bad_option", f"{detail} It offers {offers[choice]}.", status=_UNPROCESSABLE)
