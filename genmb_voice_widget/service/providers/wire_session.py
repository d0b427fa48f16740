"""What the providers read of a session object, and the two members that they may fill in. Pure."""

from __future__ import annotations

import re
from typing import Any

from genmb_voice_widget.service.problems import Refusal

from . import Wire


class NoModel(Refusal):
    """Neither the session nor the endpoint names a model."""


_NAME = re.compile(r"[!-~]{1,128}")


def with_model(session: Wire, default: str | None) -> tuple[dict[str, Any], str]:
    """Give a session its model, where it names none.

    Returns:
        The session, to be sent, and the model's name.

    Raises:
        NoModel: `bad_request`, when neither it nor the endpoint names a model.
        Refusal: `bad_request`, when what it names is no name.
    """
    model = session.get("model")
    if model is None:
        model = default
    if model is None:
        raise NoModel("bad_request", "session.model is missing, and this endpoint has no model of its own.")
    if not isinstance(model, str) or not _NAME.fullmatch(model):
        raise Refusal("bad_request", "session.model is not a model's name.")
    return {**session, "model": model}, model


def with_transcription(session: Wire, default: str | None) -> Wire:
    """Give a session that asks for transcription without naming a model this one; None: it asks no more."""
    match session:
        case {"audio": {"input": {"transcription": dict(asked), **heard}, **audio}} if "model" not in asked:
            chosen = {} if default is None else {"transcription": {**asked, "model": default}}
            return {**session, "audio": {**audio, "input": {**heard, **chosen}}}
        case _:
            return session


def sound_model(name: str | None) -> str | None:
    """Check the name of a model, or of a deployment, that the settings give.

    Raises:
        ValueError: with a sentence that does not repeat it.
    """
    if name is not None and not _NAME.fullmatch(name):
        raise ValueError("The name of a model or a deployment has no blanks and at most 128 signs.")
    return name


def voice_of(session: Wire) -> str | None:
    """Read the voice that a session names, if it names one."""
    match session:
        case {"audio": {"output": {"voice": str(voice)}}}:
            return voice
        case _:
            return None
