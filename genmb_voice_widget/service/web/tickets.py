"""How a session is told to who asked for it: what it needs to connect, what it costs, how it stands.

The shapes are described in `answers`. It decides nothing.
"""

from __future__ import annotations

from typing import Any

from genmb_voice_widget.service.ledger import Hold
from genmb_voice_widget.service.providers import Answer
from genmb_voice_widget.service.sessions.opening import Opened


def state_of(hold: Hold) -> dict[str, Any]:
    """Say what has become of its credits."""
    return {"id": hold.session, "state": hold.money}


def charge_of(hold: Hold) -> dict[str, Any]:
    """Say what it costs."""
    return {"credits": hold.credits, "state": hold.money}


def ticket_of(opened: Opened, observable: bool) -> dict[str, Any]:
    """Say what its caller needs to connect to the voice service, and whether it may observe the call."""
    common, leg = _common(opened), opened.leg
    if leg.update is not None:
        common["update"] = leg.update
    if isinstance(leg, Answer):
        told = {"sideband": observable and leg.observable, "filtered": leg.filtered}
        return {**common, "call_id": leg.call_id, "sdp": leg.sdp, **told}
    shown = {"token": leg.token.reveal(), "expires_at": leg.expires_at, "header": leg.header}
    return {**common, "url": leg.url, **shown}


def relay_of(opened: Opened, url: str) -> dict[str, Any]:
    """Say where the socket is; the voice service's own secret stays here."""
    return {**_common(opened), "transport": "relay", "url": url}


def _common(opened: Opened) -> dict[str, Any]:
    hold, leg = opened.hold, opened.leg
    return {
        "id": hold.session,
        "provider": hold.provider,
        "dialect": leg.dialect,
        "transport": hold.transport,
        "model": leg.model,
        "voice": leg.voice,
        "transcription": leg.transcription,
        "charge": charge_of(hold),
    }
