"""Voice Live as a persona: where it is served, what opens it, and how a session on its sockets begins.

Owns its two sockets' admission (documented: the paths, the query, where a credential may stand; reported:
which `api-version` calls take). There are no ephemeral secrets and there is no HTTP signalling. Knows neither
events nor audio.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from genmb_voice_widget.peer.admission import credential, refusal, subprotocols
from genmb_voice_widget.peer.calls import begin_session
from genmb_voice_widget.peer.ephemeral import Secrets
from genmb_voice_widget.peer.faults import Faults
from genmb_voice_widget.peer.faults.requests import demanded, faults_of
from genmb_voice_widget.peer.ids import new_id
from genmb_voice_widget.peer.legs.control import serve_control
from genmb_voice_widget.peer.legs.ws import serve_session
from genmb_voice_widget.peer.personas import Place, gateway_body
from genmb_voice_widget.peer.protocol.offered import HOSTED_MODELS, check_model
from genmb_voice_widget.peer.protocol.session_config import new_session
from genmb_voice_widget.peer.shapes import Json
from genmb_voice_widget.peer.stages import Stages
from genmb_voice_widget.peer.wire_error import WireError, invalid_value, missing_parameter

from .machine import VoiceLive

PATH = "/voice-live"
KEY_PLACES: frozenset[Place] = frozenset({"api-key header", "api-key query", "authorization query"})
MODELS = (*HOSTED_MODELS, "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-5", "phi4-mm-realtime")
"""Names of hosted models that are taken, besides those of the peer."""

VERSIONS = frozenset(
    {
        *("2025-10-01", "2026-04-10", "2026-07-15"),
        *("2026-01-01-preview", "2026-06-01-preview", "2026-07-31-preview"),
    }
)
"""What there has been of Voice Live's API (documented)."""

CALL_VERSIONS = frozenset({"2026-01-01-preview"})
"""Which of them a call takes, unless the peer is told otherwise (reported; documented are others as well)."""


@dataclass(frozen=True, slots=True)
class VoiceLiveService:
    """What its sockets share. `clock` gives unix seconds; `call_versions` are those that calls take."""

    stages: Stages
    secrets: Secrets
    clock: Callable[[], float]
    faults: Faults
    call_versions: frozenset[str]

    def routes(self) -> list[WebSocketRoute]:
        """Return the two sockets: the one with the sound in it, and a call's control."""
        return [WebSocketRoute("/realtime", self._session), WebSocketRoute("/realtime/calls", self._call)]

    async def _session(self, socket: WebSocket) -> None:
        if (admitted := await self._admit(socket, VERSIONS)) is not None:
            session, faults = admitted
            await serve_session(socket, session, self.stages, self.clock, VoiceLive, faults)

    async def _call(self, socket: WebSocket) -> None:
        if (admitted := await self._admit(socket, self.call_versions)) is not None:
            session, faults = admitted
            await serve_control(socket, session, self.stages, self.clock, VoiceLive, faults)

    async def _admit(self, socket: WebSocket, versions: frozenset[str]) -> tuple[Json, Faults] | None:
        """Accept a socket and return its session and its faults; None where it was refused."""
        try:
            faults = faults_of(socket, self.faults)
            if (demand := demanded(faults)) is not None:
                await socket.send_denial_response(refusal(gateway_body(*demand), demand[1]))
                return None
            self._check_credential(socket)
            session = self._settings(socket, versions)
        except WireError as error:
            status = 401 if error.code in ("missing_api_key", "invalid_api_key") else 400
            await socket.send_denial_response(refusal(gateway_body(error, status), status))
            return None
        await socket.accept("realtime" if "realtime" in subprotocols(socket) else None)
        return begin_session(session, self.clock()), faults

    def _check_credential(self, socket: HTTPConnection) -> None:
        if self.secrets.check(credential(socket, KEY_PLACES)).session is not None:
            raise WireError("Voice Live has no ephemeral secrets.", "invalid_api_key")

    def _settings(self, socket: WebSocket, versions: frozenset[str]) -> Json:
        query = socket.query_params
        if "api-version" not in query:
            raise missing_parameter("api-version")
        if query["api-version"] not in versions:
            raise invalid_value("api-version", f"supported here are {', '.join(sorted(versions))}")
        if "agent-name" in query:
            raise invalid_value("agent-name", "the local peer has no Foundry agents")
        if "model" not in query:
            raise missing_parameter("model")
        model = check_model(query["model"], "model", self.stages.model, MODELS)
        return new_session(new_id("sess"), model, voice=self.stages.voice)
