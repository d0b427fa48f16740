"""The local peer as a provider: starts it with the first session, and talks to it on the loopback interface.

An offer and its session go in one multipart request with the peer's own secret. The other way, an ephemeral
secret first and the offer with it, is two requests and hides nothing here: no browser sees either.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.peer.protocol.offered import LANGUAGES
from genmb_voice_widget.peer.speaking.espeak_voices import VOICES_SAID
from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.problems import Refusal

from . import Answer, Ticket, Wire
from .credential import Header, bearer
from .exchange import Link
from .realtime_http import create_call, create_secret, hang_up
from .sideband import CallOver, Sideband, attach, sees_the_caller
from .ways import Way, to_this_machine
from .wire_session import voice_of, with_model, with_transcription

log = logging.getLogger(__name__)

SECRET_LIFE = 60
"""Seconds that an ephemeral secret opens sessions; its caller connects at once."""

DEFAULT_MODEL = "local"
TRANSCRIPTION = "local"
"""The model for transcription where it is asked for and none is named; the peer takes any name."""

MODELS_SAID = f"{DEFAULT_MODEL!r}, its script's name, or the name of a hosted model"

OFFERS = {"voice": VOICES_SAID, "language": ", ".join(map(repr, LANGUAGES)), "model": MODELS_SAID}

SCRIPT_VARIABLE = "GENMB_VOICE_SCRIPT"
"""Names the script of the packaged peer's agent; read when the peer is started."""


_LONGEST_WORDS = 300


class Address(Protocol):
    """Where a running peer is, and what opens it."""

    @property
    def url(self) -> str:
        """Its origin, as `http://127.0.0.1:50123`."""
        ...

    @property
    def secret(self) -> Secret:
        """What stands for an API key."""
        ...


class Peer(Protocol):
    """A peer program that can be started, and started again."""

    async def start(self) -> Address:
        """Start it, unless it runs, and wait until it listens."""
        ...

    async def stop(self) -> None:
        """End it."""
        ...


class LocalProvider:
    """Sessions with the local peer.

    Args:
        peer: makes the program's handle, at the first session; by default the packaged peer's.
        candid: whether callers are told the last words of a peer that does not start: where they are whoever
            runs it, as in a notebook.
    """

    def __init__(self, peer: Callable[[], Peer] | None = None, *, candid: bool = False) -> None:
        self._candid = candid
        self._make_peer = peer or _packaged_peer
        self._peer: Peer | None = None
        self._http: Way | None = None

    async def answer(self, session: Wire, sdp: str) -> Answer:
        """See `Provider.answer`."""
        wire, model = with_model(_written(session), DEFAULT_MODEL)
        call_id, answer = await create_call(*await self._service(), wire, sdp)
        return Answer("ga", model, voice_of(wire), call_id, answer, transcription=TRANSCRIPTION)

    async def mint(self, session: Wire) -> Ticket:
        """See `Provider.mint`."""
        wire, model = with_model(_written(session), DEFAULT_MODEL)
        link, auth = await self._service()
        token, expires_at = await create_secret(link, auth, wire, SECRET_LIFE)
        url = f"ws{link.base.removeprefix('http')}/realtime?{urlencode({'model': model})}"
        return Ticket(
            "ga", model, voice_of(wire), url, token, expires_at, written=_written, transcription=TRANSCRIPTION
        )

    async def hang_up(self, call_id: str) -> None:
        """See `Provider.hang_up`; a peer that was started again no longer knows the call, and says so."""
        if self._peer is not None:
            await hang_up(*await self._service(), call_id)

    async def proven(self, call_id: str) -> bool:
        """See `Provider.proven`."""
        return self._peer is not None and await sees_the_caller(*await self._service(), call_id, None)

    @asynccontextmanager
    async def observe(self, call_id: str) -> AsyncIterator[Sideband]:
        """See `Provider.observe`."""
        if self._peer is None:
            raise CallOver
        async with attach(*await self._service(), call_id, None) as call:
            yield call

    async def ready(self) -> None:
        """See `Provider.ready`: starts the peer."""
        await self._service()

    async def close(self) -> None:
        """Stop the peer."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None
        if self._peer is not None:
            await self._peer.stop()
            self._peer = None

    async def _service(self) -> tuple[Link, Header]:
        """Find the running peer; one that has died is started again."""
        if self._peer is None:
            self._peer = self._make_peer()
        try:
            address = await self._peer.start()
        except VoiceError as error:
            log.warning("the local peer did not start: %s", error)
            words = (error.detail or "").rpartition("\n")[2][:_LONGEST_WORDS]
            raise Refusal(
                error.code, words if words and self._candid else "The endpoint's log has the reason."
            ) from None
        self._http = self._http or to_this_machine()
        return Link(self._http, f"{address.url}/v1", offers=OFFERS), bearer(address.secret)


def _written(session: Wire) -> Wire:
    """Name the model for transcription, where one is asked for."""
    return with_transcription(session, TRANSCRIPTION)


def _packaged_peer() -> Peer:
    from genmb_voice_widget.peer.launch import PeerProcess

    script = os.environ.get(SCRIPT_VARIABLE)
    return PeerProcess(Path(script).expanduser().absolute() if script else None)
