"""Azure OpenAI as a provider: a resource and one of its deployments, opened with its key or through Entra.

An offer takes two requests: an ephemeral secret is made with the resource's credential, and the offer goes
out with that secret, because the service takes nothing else there. The secret stays here. Shapes: Azure
OpenAI how-to, realtime audio by WebRTC (GA, `/openai/v1`, without an `api-version`).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.problems import Refusal

from . import Answer, Ticket, Wire
from .azure_endpoint import azure_host
from .credential import Credential, bearer
from .exchange import BY_STATUS, WITH_A_SECRET, Link
from .realtime_http import LifeRefused, create_secret, hang_up, relay_offer
from .sideband import Sideband, attach, sees_the_caller
from .upstream import Upstream
from .wire_session import sound_model, voice_of, with_model, with_transcription

log = logging.getLogger(__name__)

SECRET_LIFE = 60
"""Seconds that an ephemeral secret opens sessions; its caller connects at once."""

TRANSCRIPTION = "gpt-realtime-whisper"
"""The deployment for transcription where none is named: as the portal calls one of that model by itself.
Without it a session goes on, and tells at each turn of the user's that it is missing."""

REQUEST_ID = "apim-request-id"

_WITH_A_NEW_ONE = {status: code for status, code in WITH_A_SECRET.items() if status != 401}


class AzureProvider:
    """Sessions with the deployments of one Azure OpenAI resource.

    Args:
        endpoint: the resource's address, as `https://NAME.openai.azure.com`.
        credential: `Key(api_key(...))` or `Entra()`.
        upstream: the connections, shared with other providers.
        deployment: the deployment for sessions that name none; its name is their `model`.
        transcription: the deployment that writes down what the user says, where a session names none; no
            deployment of the model `whisper` will do.
        event_filter: whether browsers get none of the events that tell prompt and tools.

    Raises:
        ValueError: with a sentence, when the endpoint is none of Azure's or a deployment's name is none.
    """

    def __init__(
        self,
        endpoint: str,
        credential: Credential,
        upstream: Upstream,
        *,
        deployment: str | None = None,
        transcription: str | None = None,
        event_filter: bool = False,
    ) -> None:
        self._host = azure_host(endpoint)
        self._credential = credential
        self._upstream = upstream
        self._deployment = sound_model(deployment)
        self._transcription = sound_model(transcription) or TRANSCRIPTION
        self._event_filter = event_filter
        self._takes_life = True

    async def answer(self, session: Wire, sdp: str) -> Answer:
        """See `Provider.answer`."""
        wire, model = self._wire(session)
        try:
            call_id, answer = await self._offer(wire, sdp, WITH_A_SECRET)
        except Refusal as refusal:
            if refusal.code != "secret_expired":
                raise
            call_id, answer = await self._offer(wire, sdp, _WITH_A_NEW_ONE)
        return Answer(
            "ga",
            model,
            voice_of(wire),
            call_id,
            answer,
            self._event_filter,
            transcription=self._transcription,
        )

    async def mint(self, session: Wire) -> Ticket:
        """See `Provider.mint`; the address tells the resource's name to whoever gets the ticket."""
        wire, model = self._wire(session)
        token, expires_at = await self._mint(wire)
        url = f"wss://{self._host}/openai/v1/realtime?{urlencode({'model': model})}"
        named = self._transcription
        return Ticket("ga", model, voice_of(wire), url, token, expires_at, None, self._written, named)

    async def proven(self, call_id: str) -> bool:
        """See `Provider.proven`."""
        auth = await self._credential.header()
        return await sees_the_caller(self._link(), auth, call_id, self._upstream.tls)

    @asynccontextmanager
    async def observe(self, call_id: str) -> AsyncIterator[Sideband]:
        """See `Provider.observe`."""
        auth = await self._credential.header()
        async with attach(self._link(), auth, call_id, self._upstream.tls) as call:
            yield call

    async def hang_up(self, call_id: str) -> None:
        """See `Provider.hang_up`."""
        await hang_up(self._link(), await self._credential.header(), call_id)

    async def ready(self) -> None:
        """See `Provider.ready`: has a token fetched, where one is needed."""
        self._link()
        await self._credential.header()

    async def close(self) -> None:
        """See `Provider.close`."""
        await self._credential.close()
        await self._upstream.close()

    def _wire(self, session: Wire) -> tuple[Wire, str]:
        """Make what is sent of a session; and the deployment's name."""
        return with_model(self._written(session), self._deployment)

    def _written(self, session: Wire) -> Wire:
        return with_transcription(for_azure(session), self._transcription)

    async def _offer(self, wire: Wire, sdp: str, by_status: Mapping[int, str]) -> tuple[str, str]:
        """Offer a call with a secret made for it; the call's id and the answer's SDP."""
        token, _ = await self._mint(wire)
        link = self._link(by_status)
        return await relay_offer(link, bearer(token), sdp, event_filter=self._event_filter)

    async def _mint(self, wire: Wire) -> tuple[Secret, float]:
        """Have a secret made that lives a minute, or as long as the service likes where it takes no wish.

        How long secrets live is no part of Azure's documentation, so both must work.
        """
        link, auth = self._link(), await self._credential.header()
        if self._takes_life:
            try:
                return await create_secret(link, auth, wire, SECRET_LIFE)
            except LifeRefused:
                pass
        made = await create_secret(link, auth, wire, None)
        if self._takes_life:
            self._takes_life = False
            log.warning("the service takes no expires_after: its secrets live as long as it likes")
        return made

    def _link(self, by_status: Mapping[int, str] = BY_STATUS) -> Link:
        return Link(self._upstream.way, f"https://{self._host}/openai/v1", by_status, REQUEST_ID)


def for_azure(session: Wire) -> dict[str, Any]:
    """Leave out what this service refuses: `tracing`, and a `noise_reduction` that is null, its default."""
    wire = {name: value for name, value in session.items() if name != "tracing"}
    match wire:
        case {"audio": {"input": {"noise_reduction": None, **heard}, **audio}}:
            wire["audio"] = {**audio, "input": heard}
    return wire
