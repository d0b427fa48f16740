"""Any server of the GA realtime protocol as a provider: OpenAI's paths under an address of your own.

How an offer is taken differs (seen in the servers' sources, November 2026), and only LiteLLM makes ephemeral
secrets, for offers alone. So a socket is opened with the server's own key, and where nothing has told the
server the session, its caller does: `update`. Such servers have no sideband that could prove a call.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, get_args
from urllib.parse import urlencode, urlsplit

from genmb_voice_widget.address import is_loopback, web_address
from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.problems import Refusal

from . import Answer, Observed, Ticket, Wire
from .credential import bearer
from .exchange import Link
from .realtime_http import create_secret, hang_up, offer_as_json, relay_offer
from .upstream import Upstream
from .ways import Way, to_this_machine
from .wire_session import sound_model, voice_of, with_model, with_transcription

SECRET_LIFE = 60
"""Seconds that an ephemeral secret opens sessions; it is used at once."""

Signaling = Literal["secret", "sdp", "json", "none"]
"""How a server takes an offer.

`secret`: as SDP, with an ephemeral secret that was made for the session (OpenAI; LiteLLM).
`sdp`: as SDP, with nothing of the session (Hugging Face's speech-to-speech).
`json`: as `{sdp, model}`, answered with `{sdp, session_id}` (LocalAI).
`none`: not at all, it has WebSockets alone (vLLM-Omni).
"""
SIGNALING: tuple[str, ...] = get_args(Signaling)

_BY_STATUS = {401: "provider_key_refused", 404: "deployment_missing"}
_WITH_A_SECRET = {401: "secret_expired"}
_NO_KEY = Secret("none")
"""What is shown to a server that asks for no key; OpenAI's clients must show something too."""


class CompatibleProvider:
    """Sessions with one server.

    Args:
        base_url: its address up to `/realtime`, as `http://127.0.0.1:8080/v1`.
        upstream: the connections, shared with other providers.
        key: what it asks for, as a bearer token; None: nothing.
        model: the model for sessions that name none; without one such a session leaves it to the server.
        transcription: the model that writes down what the user says, where a session names none; likewise,
            for the others transcribe without being asked.
        signaling: how it takes an offer.
        gives_key: whether who asks for a socket may have the key, as the kernel of a notebook whose it is.

    Raises:
        ValueError: with a sentence, when the address or a name is none.
    """

    def __init__(
        self,
        base_url: str,
        upstream: Upstream,
        *,
        key: Secret | None = None,
        model: str | None = None,
        transcription: str | None = None,
        signaling: Signaling = "secret",
        gives_key: bool = False,
    ) -> None:
        self._base = compatible_base(base_url)
        self._upstream = upstream
        self._here: Way | None = None
        self._key = key or _NO_KEY
        self._model = sound_model(model)
        self._transcription = sound_model(transcription)
        self._signaling = signaling
        self._gives_key = gives_key or key is None

    async def answer(self, session: Wire, sdp: str) -> Answer:
        """See `Provider.answer`."""
        wire, model = self._wire(session, required=self._signaling in ("secret", "json"))
        link, auth, voice = self._link(), bearer(self._key), voice_of(wire)
        match self._signaling:
            case "secret":
                try:
                    call_id, answer = await self._offer(wire, sdp)
                except Refusal as refusal:
                    if refusal.code != "secret_expired":
                        raise
                    call_id, answer = await self._offer(wire, sdp)
                return Answer(
                    "ga", model, voice, call_id, answer, observable=False, transcription=self._transcription
                )
            case "sdp":
                call_id, answer = await relay_offer(link, auth, sdp)
            case "json":
                call_id, answer = await offer_as_json(link, auth, model or "", sdp)
            case "none":
                raise Refusal("provider_refused", "This server takes no offers: it has WebSockets alone.")
        named = self._transcription
        return Answer(
            "ga", model, voice, call_id, answer, observable=False, update=_untold(wire), transcription=named
        )

    async def mint(self, session: Wire) -> Ticket:
        """See `Provider.mint`: the ticket's secret is the server's own key."""
        if not self._gives_key:
            raise Refusal("provider_refused", "This server's sockets open with its key, which stays here.")
        wire, model = self._wire(session, required=False)
        query = f"?{urlencode({'model': model})}" if model else ""
        url = f"ws{self._base.removeprefix('http')}/realtime{query}"
        return Ticket(
            "ga",
            model,
            voice_of(wire),
            url,
            self._key,
            None,
            _untold(wire),
            self._written,
            self._transcription,
        )

    async def proven(self, call_id: str) -> bool:
        """See `Provider.proven`: it cannot show that."""
        return False

    def observe(self, call_id: str) -> AbstractAsyncContextManager[Observed]:
        """See `Provider.observe`: there is nothing to observe it by."""
        raise Refusal("provider_refused", "This server shows its calls to nobody.")

    async def hang_up(self, call_id: str) -> None:
        """See `Provider.hang_up`; a server that knows no hanging up says 404: calls end with their media."""
        await hang_up(self._link(), bearer(self._key), call_id)

    async def ready(self) -> None:
        """See `Provider.ready`."""
        self._link()

    async def close(self) -> None:
        """See `Provider.close`."""
        if self._here is not None:
            await self._here.aclose()
            self._here = None
        await self._upstream.close()

    async def _offer(self, wire: Wire, sdp: str) -> tuple[str, str]:
        token, _ = await create_secret(self._link(), bearer(self._key), wire, SECRET_LIFE)
        return await relay_offer(self._link(_WITH_A_SECRET), bearer(token), sdp)

    def _wire(self, session: Wire, required: bool) -> tuple[Wire, str | None]:
        asked = self._written(session)
        if required or session.get("model") is not None or self._model is not None:
            return with_model(asked, self._model)
        return asked, None

    def _written(self, session: Wire) -> Wire:
        # To some a transcription without a model is an error that voids the whole update.
        return with_transcription(session, self._transcription)

    def _link(self, by_status: dict[int, str] = _BY_STATUS) -> Link:
        return Link(self._way(), self._base, by_status)

    def _way(self) -> Way:
        """Choose the way: to this machine it leads past the environment's proxies."""
        if self._base.startswith("https:"):
            return self._upstream.way
        self._here = self._here or to_this_machine()
        return self._here


def compatible_base(base_url: str) -> str:
    """Read a server's address up to `/realtime`; over plain http it must be on this machine.

    Raises:
        ValueError: with a sentence that does not repeat it.
    """
    try:
        parts = urlsplit(web_address(base_url))
    except VoiceError:
        parts = urlsplit("")
    if not parts.hostname or parts.path.endswith("/realtime"):
        raise ValueError(
            "A base_url is an http(s) address up to and without /realtime, as http://127.0.0.1:8080/v1."
        )
    if parts.scheme != "https" and not is_loopback(parts.hostname):
        raise ValueError(
            "A base_url of another machine begins with https://: all would travel unencrypted, the key too."
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def _untold(wire: Wire) -> dict[str, Any]:
    """Give what the caller must tell: all but the model, which no update can change."""
    return {name: value for name, value in wire.items() if name != "model"}
