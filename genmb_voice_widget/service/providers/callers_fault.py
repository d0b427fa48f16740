"""What of a caller's request a service did not take: found in what it answers, told in words of ours.

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


def callers_fault(answer: Any, offers: Mapping[str, str]) -> Refusal | None:
    """Read the JSON of an answer with status 400.

    An offer that cannot be answered has the code `invalid_offer` and a null `param` (OpenAI's, as callers
    have reported it since 2025; no API reference lists it), or is the form's member `sdp`. A 400 that shows
    neither may as well be about this endpoint's own settings.

    Args:
        answer: the JSON, whatever it is.
        offers: what the service has, as the end of a sentence, by the name of the choice.

    Returns:
        The refusal, which names what there is to choose where that is known; None when the answer is about
        something else.
    """
    match answer:
        case {"error": {"code": "invalid_value", "param": str(param)}} if param in _CHOICES:
            return _not_offered(_CHOICES[param], offers)
        case {"error": {"code": "invalid_offer"} | {"param": "sdp"}}:
            return Refusal("offer_refused", "The voice service cannot answer the offer in sdp.")
        case _:
            return None


def _not_offered(choice: str, offers: Mapping[str, str]) -> Refusal:
    detail = f"The voice service does not offer this {choice}."
    if choice not in offers:
        return Refusal("provider_refused", detail)
    return Refusal("bad_option", f"{detail} It offers {offers[choice]}.", status=_UNPROCESSABLE)
