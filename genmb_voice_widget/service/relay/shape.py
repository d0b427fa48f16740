"""What a page asks for with `POST /api/voice-agent`, and what it is answered; which address a relay has.

The answer has the shape of the beta's sessions (OpenAI Realtime API, beta, `POST /v1/realtime/sessions`), but
for `client_secret.value`, which is the address that a page opens its WebSocket with.

Pure. The address in `client_secret.value` leads to this endpoint and holds a ticket: a random secret that
opens one socket. Only a hash of the ticket, and of everything that the address says with it, is kept, as the
session's key in the account; so every node can check a ticket, and no part of an address can be changed.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, ValidationError

from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers import Answer, Ticket, Wire
from genmb_voice_widget.service.web.bodies import Word

from .dialect import ga_session

PATH = "/api/voice-agent"
LONGEST_NAME = 64
"""Characters of a model's or a voice's name."""
LONGEST = 3600.0
"""Seconds that the services let a session last at most."""

INSTRUCTIONS = (
    "You are a voice AI assistant. Speak as in a conversation: short, friendly and natural sentences, "
    "without Markdown, lists or code."
)


class Wish(BaseModel):
    """The body, of which every member may be left out."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    model: Word | None = None
    voice: Word = "ash"


def read_wish(body: bytes) -> Wish:
    """Read a body.

    Raises:
        Refusal: `bad_request`.
    """
    try:
        return Wish.model_validate_json(body or b"{}")
    except ValidationError:
        why = "The body must be JSON such as {model, voice}, both names."
        raise Refusal("bad_request", why) from None


@dataclass(frozen=True)
class Admission:
    """What the address of a socket says beside its session: the wish, and a secret.

    Attributes:
        model: '' if the page named none: it is the voice service's settings that say it then.
        voice: '' if the page named none.
        origin: of the page that asked, whose pages alone may use the address; '' if no page did.
        dialect: `beta`, whose names the relay translates, or `raw`: what the voice service speaks itself.
    """

    ticket: str
    model: str
    voice: str
    origin: str
    dialect: str

    @classmethod
    def new(cls, wish: Wish, origin: str | None) -> Admission:
        """Make one with a new ticket."""
        return cls(secrets.token_urlsafe(32), wish.model or "", wish.voice, origin or "", "beta")

    @classmethod
    def of_session(cls, session: Wire, origin: str | None, ticket: str | None = None) -> Admission:
        """Make one for a page that tells the rest of its session itself, in a `session.update`.

        Args:
            session: what it asked for.
            origin: the page's.
            ticket: from `keyed_ticket`; None for a new one.
        """
        audio = session.get("audio")
        output = audio.get("output") if isinstance(audio, dict) else None
        named = session.get("model"), output.get("voice") if isinstance(output, dict) else None
        model, voice = (word if isinstance(word, str) and len(word) <= LONGEST_NAME else "" for word in named)
        return cls(ticket or secrets.token_urlsafe(32), model, voice, origin or "", "raw")

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Admission:
        """Read the address that a socket was opened with; whether it is one of ours, its key tells."""
        return cls(*(query.get(name, "") for name in ("ticket", "model", "voice", "origin", "dialect")))

    @property
    def key(self) -> str:
        """What stands for it in the account."""
        said = json.dumps([self.ticket, self.model, self.voice, self.origin, self.dialect])
        return f"socket:{hashlib.sha256(said.encode()).hexdigest()}"

    def address(self, base: str, session: str, app: str | None) -> str:
        """Write the address: `base` is as `wss://voice.example`, `app` what the caller named itself by."""
        query = {"model": self.model, "voice": self.voice, "origin": self.origin}
        query |= {"dialect": self.dialect, "app": app or ""}
        given = {name: value for name, value in query.items() if value}
        return f"{base}{PATH}/{session}?{urlencode({**given, 'ticket': self.ticket})}"


def keyed_ticket(key: str) -> str:
    """Make of an idempotency key the ticket that its repetitions find again: nothing of it is kept here.

    A key is as much of a secret as its caller makes it: who guesses one gets the session by it in any case.
    """
    return hashlib.sha256(f"relay:{key}".encode()).hexdigest()


def flat_session(voice: str) -> dict[str, Any]:
    """Give the session in the beta's flat form, but for the models, which are the voice service's to say."""
    return {
        "modalities": ["text", "audio"],
        "instructions": INSTRUCTIONS,
        "voice": voice,
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": {},
        "turn_detection": {"type": "server_vad"},
        "tools": [],
    }


def wire_session(admission: Admission) -> Wire:
    """Give the session that the service is asked for."""
    named = {"model": admission.model} if admission.model else {}
    if admission.dialect == "raw":
        voiced = {"audio": {"output": {"voice": admission.voice}}} if admission.voice else {}
        return {"type": "realtime", **named, **voiced}
    return ga_session({**named, **flat_session(admission.voice)})


def answer(
    id: str,
    address: str,
    leg: Answer | Ticket,
    voice: str,
    now: float,
    good_for: float,
    lasts: float | None,
) -> dict[str, Any]:
    """Write the answer; all moments in it are whole unix seconds.

    Args:
        id: the session's.
        address: of the socket, with its ticket.
        leg: what the voice service was asked for.
        voice: that was asked for.
        now: unix seconds.
        good_for: seconds in which the socket must be opened.
        lasts: seconds that the session may last; None: as long as the service lets it.
    """
    return {
        "id": id,
        "model": leg.model,
        "expires_at": math.floor(now + min(LONGEST, lasts or LONGEST)),
        "client_secret": {"value": address, "expires_at": math.floor(now + good_for)},
        **flat_session(voice),
        # A page may send it back as it is; else a name that every page of the beta knows.
        "input_audio_transcription": {"model": leg.transcription or "whisper-1"},
    }
