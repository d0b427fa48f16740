"""Azure Voice Live as a provider: a call is signalled on a control socket, which stays here for its life.

There are no short-lived secrets, so no page and no program is let in by itself; and there is no other way to
reach a call than its socket, so what is asked of another node about it is asked in vain. Shapes: Azure Voice
Live API reference (2026-06-01-preview) and Voice Live by WebRTC (preview documentation).
"""

from __future__ import annotations

import re
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from genmb_voice_widget.service.problems import Refusal

from . import Answer, Observed, Ticket, Wire
from .azure_endpoint import SUFFIXES, azure_host
from .control import Control, offered
from .credential import Credential, taken_apart
from .dial import dial
from .exchange import Link
from .sideband import CallOver
from .upstream import Upstream
from .wire_session import sound_model, with_model

SCOPE = "https://ai.azure.com/.default"
"""What an Entra token is asked for."""

API_VERSION = "2026-01-01-preview"
"""The one of which it is reported that calls take it."""

MODEL = "gpt-realtime"

_REMEMBERED = 1000
"""Calls that were hung up and may be asked to be hung up again."""

_BY_STATUS: Mapping[int, str] = {401: "provider_key_refused", 403: "provider_region"}
_VERSION = re.compile(r"20\d\d-\d\d-\d\d(-preview)?")
_SUFFIXES = tuple(suffix for suffix in SUFFIXES if not suffix.startswith("openai."))
_LOCAL = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]|localhost):[0-9]{1,5}/?")


@dataclass(frozen=True)
class Agent:
    """A Foundry agent that answers in the place of a model; it is let in by Entra alone (documented).

    Attributes:
        name: its name.
        project: the name of the Foundry project that it is in.
        version: its version; None: the newest.
    """

    name: str
    project: str
    version: str | None = None

    def query(self) -> dict[str, str]:
        """Name it in an address: with hyphens, the forms with underscores are not read."""
        named = {"agent-name": self.name, "agent-project-name": self.project}
        return named if self.version is None else {**named, "agent-version": self.version}


class VoiceLiveProvider:
    """Calls with the Voice Live service of one Azure resource.

    Args:
        endpoint: the resource's address, as `https://NAME.services.ai.azure.com`; a local peer's, as
            `http://127.0.0.1:50123`, where there is no TLS.
        credential: `Key(api_key(...))` or `Entra(SCOPE)`.
        upstream: the connections, shared with other providers.
        model: the model for sessions that name none.
        api_version: the version of the API that is asked for.
        agent: who answers, in the place of a model.
        gives_key: whether who asks for a socket may have what opens the resource, as the kernel of a notebook
            whose it is.

    Raises:
        ValueError: with a sentence, when the endpoint is none of Azure's, or a name or the version is none.
    """

    def __init__(
        self,
        endpoint: str,
        credential: Credential,
        upstream: Upstream,
        *,
        model: str | None = None,
        api_version: str = API_VERSION,
        agent: Agent | None = None,
        gives_key: bool = False,
    ) -> None:
        if not _VERSION.fullmatch(api_version):
            raise ValueError(f"An API version looks like {API_VERSION}.")
        self._base = _base(endpoint)
        self._credential = credential
        self._upstream = upstream
        self._model = sound_model(model) or MODEL
        self._version = api_version
        self._agent = agent
        self._gives_key = gives_key
        self._calls: dict[str, Control] = {}
        self._ended: deque[str] = deque(maxlen=_REMEMBERED)

    async def answer(self, session: Wire, sdp: str) -> Answer:
        """See `Provider.answer`; the offer must hold all its candidates."""
        wire, model, query = self._wire(session)
        auth = await self._credential.header()
        link = Link(self._upstream.way, self._base, _BY_STATUS)
        control = Control(await dial(link, f"/calls?{urlencode(query)}", auth, self._tls, ["realtime"]))
        call_id, answer = await offered(control, wire, sdp)
        self._calls[call_id] = control
        return Answer("beta", model, _voice(wire), call_id, answer, filtered=True, held=True)

    async def mint(self, session: Wire) -> Ticket:
        """See `Provider.mint`: the ticket's secret is what opens the resource, for there is no other.

        Raises:
            Refusal: `bad_option` for who may not have that; else as `answer`.
        """
        if not self._gives_key:
            why = "Voice Live has no short-lived secrets, so a session needs a page: press Start in one."
            raise Refusal("bad_option", why, status=422)
        wire, model, query = self._wire(session)
        auth = await self._credential.header()
        url = f"ws{self._base.removeprefix('http')}/realtime?{urlencode(query)}"
        field, token = taken_apart(auth)
        return Ticket("beta", model, _voice(wire), url, token, None, wire, header=field)

    async def proven(self, call_id: str) -> bool:
        """See `Provider.proven`: by the caller's voice, where the service tells of it on the control socket.

        It is documented to tell of that on the page's channel alone, so the proof is the caller's as a rule.
        """
        return call_id in self._calls and await self._calls[call_id].spoken()

    @asynccontextmanager
    async def observe(self, call_id: str) -> AsyncIterator[Observed]:
        """See `Provider.observe`: from the session's beginning on, for who attaches first.

        Raises:
            Refusal: `provider_unreachable`, as for `hang_up`: who asks again may come to the right node.
        """
        yield self._held(call_id)

    async def hang_up(self, call_id: str) -> None:
        """See `Provider.hang_up`.

        Raises:
            Refusal: `provider_unreachable`: the socket is another node's, or was one's that has died, and the
                call with it.
        """
        with suppress(CallOver):
            await self._held(call_id).close()
            self._calls.pop(call_id, None)
            self._ended.append(call_id)

    async def ready(self) -> None:
        """See `Provider.ready`: has a token fetched, where one is needed."""
        await self._credential.header()

    async def close(self) -> None:
        """See `Provider.close`; the calls end."""
        for control in self._calls.values():
            await control.close()
        self._calls.clear()
        await self._credential.close()
        await self._upstream.close()

    def _held(self, call_id: str) -> Control:
        if call_id in self._ended:
            raise CallOver
        if call_id not in self._calls:
            raise Refusal("provider_unreachable", "The call's control socket is not here.")
        return self._calls[call_id]

    @property
    def _tls(self) -> ssl.SSLContext | None:
        return self._upstream.tls if self._base.startswith("https") else None

    def _wire(self, session: Wire) -> tuple[Wire, str, dict[str, str]]:
        """Make what is sent of a session, who answers, and the query; the model stands in the query alone.

        Raises:
            Refusal: `bad_option` for a model beside an agent; `not_for_pages` for a session in GA words,
                as plain pages send it; or the model's name is none.
        """
        if "type" in session:
            why = "Voice Live takes a session and events in words of its own, events from a server alone."
            raise Refusal("not_for_pages", why)
        query = {"api-version": self._version}
        if self._agent is None:
            wire, model = with_model(session, self._model)
            del wire["model"]
            return wire, model, query | {"model": model}
        if session.get("model") is not None:
            why = "Here a Foundry agent answers, with a model of its own: name no model."
            raise Refusal("bad_option", why, status=422)
        # What it is and does is set up in Foundry.
        own = ("model", "instructions", "tools", "tool_choice")
        wire = {name: value for name, value in session.items() if name not in own}
        return wire, self._agent.name, query | self._agent.query()


def _base(endpoint: str) -> str:
    """Read what stands before `/realtime` in the service's addresses.

    Raises:
        ValueError: with a sentence that does not repeat the endpoint.
    """
    if endpoint.isascii() and _LOCAL.fullmatch(endpoint):
        return f"{endpoint.rstrip('/')}/voice-live"
    try:
        host = azure_host(endpoint)
    except ValueError:
        host = ""
    if not host.endswith(_SUFFIXES):
        raise ValueError(
            "A Voice Live endpoint is the resource's address alone, as https://NAME.services.ai.azure.com or "
            "https://NAME.cognitiveservices.azure.com."
        )
    return f"https://{host}/voice-live"


def _voice(wire: Mapping[str, Any]) -> str | None:
    match wire.get("voice"):
        case str(name) | {"name": str(name)}:
            return name
        case _:
            return None
