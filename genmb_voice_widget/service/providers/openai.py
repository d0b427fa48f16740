"""OpenAI as a provider: an offer and its session go out in one request, with a key that stays here.

Shapes: OpenAI Realtime API reference, unified interface and client secrets.
"""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from urllib.parse import urlencode

from genmb_voice_widget.secret import Secret

from . import Answer, Ticket, Wire
from .credential import bearer
from .exchange import BY_STATUS, Link
from .realtime_http import create_call, create_secret, hang_up
from .sideband import Sideband, attach, sees_the_caller
from .upstream import Upstream
from .wire_session import sound_model, voice_of, with_model, with_transcription

SECRET_LIFE = 60
"""Seconds that an ephemeral secret opens sessions; its caller connects at once."""

MODEL = "gpt-realtime-2.1-mini"
TRANSCRIPTION = "gpt-realtime-whisper"
"""The models where none is named. OpenAI has announced the end of `gpt-realtime`, `gpt-realtime-mini` and
`whisper-1` (January and February 2027, deprecations page)."""

BASE = "https://api.openai.com/v1"
REQUEST_ID = "x-request-id"

_SAFETY_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{1,64}")


class OpenAIProvider:
    """Sessions with OpenAI.

    Args:
        key: an API key of a project.
        upstream: the connections, shared with other providers.
        model: the model for sessions that name none.
        safety_identifier: a hash that stands for this endpoint's users (OpenAI safety best practices).

    Raises:
        ValueError: with a sentence, when the model's name or the safety identifier is none.
    """

    def __init__(
        self,
        key: Secret,
        upstream: Upstream,
        *,
        model: str | None = None,
        safety_identifier: str | None = None,
    ) -> None:
        if safety_identifier is not None and not _SAFETY_IDENTIFIER.fullmatch(safety_identifier):
            raise ValueError("A safety identifier is up to 64 letters, digits, '-' and '_'.")
        self._auth = bearer(key)
        self._upstream = upstream
        self._model = sound_model(model)
        self._headers = {} if safety_identifier is None else {"OpenAI-Safety-Identifier": safety_identifier}

    async def answer(self, session: Wire, sdp: str) -> Answer:
        """See `Provider.answer`."""
        wire, model = with_model(_written(session), self._model)
        call_id, answer = await create_call(self._link(), self._auth, wire, sdp)
        return Answer("ga", model, voice_of(wire), call_id, answer, transcription=TRANSCRIPTION)

    async def mint(self, session: Wire) -> Ticket:
        """See `Provider.mint`."""
        wire, model = with_model(_written(session), self._model)
        token, expires_at = await create_secret(self._link(), self._auth, wire, SECRET_LIFE)
        url = f"wss{BASE.removeprefix('https')}/realtime?{urlencode({'model': model})}"
        return Ticket(
            "ga", model, voice_of(wire), url, token, expires_at, written=_written, transcription=TRANSCRIPTION
        )

    async def proven(self, call_id: str) -> bool:
        """See `Provider.proven`."""
        return await sees_the_caller(self._link(), self._auth, call_id, self._upstream.tls)

    def observe(self, call_id: str) -> AbstractAsyncContextManager[Sideband]:
        """See `Provider.observe`."""
        return attach(self._link(), self._auth, call_id, self._upstream.tls)

    async def hang_up(self, call_id: str) -> None:
        """See `Provider.hang_up`."""
        await hang_up(self._link(), self._auth, call_id)

    async def ready(self) -> None:
        """See `Provider.ready`."""
        self._link()

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._upstream.close()

    def _link(self) -> Link:
        return Link(self._upstream.way, BASE, BY_STATUS, REQUEST_ID, self._headers)


def _written(session: Wire) -> Wire:
    """Name the model for transcription, where one is asked for."""
    return with_transcription(session, TRANSCRIPTION)
