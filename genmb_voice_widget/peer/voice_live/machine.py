"""The machine of a Voice Live session: the GA machine inside, Voice Live's words outside.

Pure. Owns the flat session and the offer of a call on the control socket (`rtc.call.*`; preview
documentation, and azure-ai-voicelive 1.3.0b1).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from genmb_voice_widget.peer.facts import Configure, Effect, Emit, Fact, Offered
from genmb_voice_widget.peer.protocol import Protocol
from genmb_voice_widget.peer.protocol.client_events import own_id
from genmb_voice_widget.peer.protocol.offered import check_voice
from genmb_voice_widget.peer.protocol.quirks import Quirks
from genmb_voice_widget.peer.protocol.session_config import DEFAULT_INSTRUCTIONS, update_session
from genmb_voice_widget.peer.shapes import Json, anything, record, shallow, text
from genmb_voice_widget.peer.stages import Transport
from genmb_voice_widget.peer.wire_error import WireError

from .events import inward, outward
from .session import new_flat, to_ga, update_flat

CREATE = "rtc.call.sdp.create"
_CREATE = record({"type": text, "event_id": text, "sdp_offer": anything, "session": anything})
_QUIRKS = Quirks(tells_limits=False)


class VoiceLive(Protocol):
    """One session. On a control socket (`transport` is "webrtc") a client may offer a call."""

    def __init__(
        self,
        session: Json,
        transport: Transport,
        new_id: Callable[[str], str],
        pad: Callable[[str], str],
    ) -> None:
        super().__init__(session, transport, new_id, pad, _QUIRKS)
        self._flat = new_flat(session)
        self._own_voice = session["audio"]["output"]["voice"]

    def open(self) -> list[Effect]:
        """See `Protocol.open`."""
        opened = Emit({"type": "session.created", "session": copy.deepcopy(self._flat)})
        return self._stamp([Configure(self.session), opened])

    def client(self, event: Any) -> list[Effect]:
        """See `Protocol.client`."""
        if isinstance(event, dict) and event.get("type") == CREATE and self._server_plays:
            return self._stamp(self._offer(event))
        try:
            if isinstance(event, dict) and shallow(event):
                event = inward(event, self._own_voice)
        except WireError as refused:
            return self._stamp([Emit(refused.event(own_id(event)))])
        return self._told(super().client(event))

    def fact(self, fact: Fact) -> list[Effect]:
        """See `Protocol.fact`."""
        return self._told(super().fact(fact))

    def _told(self, effects: list[Effect]) -> list[Effect]:
        told: list[Effect] = []
        for effect in effects:
            if not isinstance(effect, Emit):
                told.append(effect)
            elif (event := outward(effect.event, self._flat)) is not None:
                told.append(Emit(event))
        return told

    def _update(self, patch: Any) -> list[Effect]:
        flat = update_flat(self._flat, patch)
        flat["instructions"] = flat["instructions"] or DEFAULT_INSTRUCTIONS
        if self._responses.spoke:
            check_voice(str(flat["voice"]), str(self._flat["voice"]), "session.voice")
        self.session = update_session(self.session, to_ga(flat, self._own_voice))
        self._flat = flat
        updated = Emit({"type": "session.updated", "session": copy.deepcopy(flat)})
        return [Configure(self.session), updated]

    def _silence(self) -> tuple[list[Effect], list[str], list[tuple[str, int]]]:
        """Clear the output; without `auto_truncate` what was not heard stays in the conversation."""
        silence, silenced, cut = super()._silence()
        return silence, silenced, cut if (self._flat["turn_detection"] or {}).get("auto_truncate") else []

    def _offer(self, event: Json) -> list[Effect]:
        """Take the offer of a call: the session first, so that its sound is as was asked."""
        try:
            if not shallow(event):
                raise WireError("The event is nested too deeply.", "invalid_event")
            _CREATE(event, "")
            offer = event.get("sdp_offer")
            if not isinstance(offer, str) or not offer.strip():
                raise WireError("SDP offer is required", "missing_sdp")
            updated = self._update(event["session"]) if event.get("session") is not None else []
        except WireError as refused:
            return [Emit(call_error(refused))]
        return [*updated, Offered(offer)]


def call_error(refused: WireError) -> Json:
    """Return `rtc.call.error`; a voice that there is not has a code of its own here (reported)."""
    wrong_voice = refused.code == "invalid_value" and (refused.param or "").startswith("session.voice")
    code = "invalid_voice_type" if wrong_voice else refused.code
    error = {"type": refused.type, "code": code, "message": refused.message}
    return {"type": "rtc.call.error", "operation": CREATE, "error": error}
