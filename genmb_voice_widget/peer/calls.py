"""The calls in progress, by id: begun by an offer, observed by sidebands, ended by a hang-up.

Owns the registry and each call's session and connection together. Knows no HTTP and no credentials. aiortc is
imported with the first call, or before it by `warm_up`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .faults import Faults
from .ids import new_id
from .live import LiveSession, Wants
from .personas import Persona
from .protocol.offered import DEFAULT_MODEL, check_model
from .protocol.quirks import NONE, Quirks
from .protocol.session_config import new_session, update_session
from .shapes import Json
from .stages import Stages
from .wire_error import WireError

if TYPE_CHECKING:
    from .legs.rtc import RtcLeg

SESSION_SECONDS = 3600
"""The longest a session lasts, as on the hosted services."""


def warm_up() -> None:
    """Import what the first call needs; takes a few tenths of a second."""
    from .legs import rtc  # noqa: F401


def begin_session(settings: Json, now: float) -> Json:
    """Return the session that a call with these settings begins with; it ends in an hour."""
    return {**settings, "expires_at": int(now) + SESSION_SECONDS}


def settings_from(wanted: Any, stages: Stages, model: str | None, quirks: Quirks = NONE) -> Json:
    """Return a full session object for what a client asked for. Raises `WireError`.

    `model` is the query's; one that the session names goes before it.
    """
    fresh = new_session(new_id("sess"), DEFAULT_MODEL, voice=stages.voice)
    session = update_session(fresh, wanted, without=quirks.without)
    path = "session.model" if "model" in wanted else "model"
    chosen = wanted.get("model", DEFAULT_MODEL if model is None else model)
    return {**session, "model": check_model(chosen, path, stages.model)}


@dataclass
class _Call:
    live: LiveSession
    leg: RtcLeg


class Calls:
    """All calls of this peer. `clock` gives unix seconds."""

    def __init__(self, stages: Stages, clock: Callable[[], float]) -> None:
        self._stages = stages
        self._clock = clock
        self._calls: dict[str, _Call] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}

    async def begin(
        self, offer: str, settings: Json, wants: Wants, persona: Persona, faults: Faults
    ) -> tuple[str, str]:
        """Answer an SDP offer; returns the call's id and the answer. The page gets the events it `wants`."""
        from .legs.rtc import RtcLeg

        call_id = new_id(persona.call_kind)
        session = begin_session(settings, self._clock())

        def end() -> None:
            self._end(call_id)

        live = LiveSession(session, self._stages, "webrtc", self._clock, end, persona.protocol, faults)
        leg = RtcLeg(live, wants, end)
        self._calls[call_id] = _Call(live, leg)
        try:
            return call_id, await leg.answer(offer)
        except BaseException:
            self._end(call_id)
            raise

    def find(self, call_id: str) -> LiveSession:
        """Return a call's session. Raises `WireError` for a call that is not (or no longer) there."""
        call = self._calls.get(call_id)
        if call is None:
            raise WireError(f"No session found for call_id '{call_id}'.", "call_id_not_found", "call_id")
        return call.live

    async def hang_up(self, call_id: str) -> None:
        """End a call. Raises `WireError` for one that is not there."""
        self.find(call_id)
        self._end(call_id)
        await asyncio.shield(self._ending[call_id])

    async def close(self) -> None:
        """End all calls, and wait for those that are ending."""
        for call_id in list(self._calls):
            self._end(call_id)
        await asyncio.gather(*self._ending.values(), return_exceptions=True)

    def _end(self, call_id: str) -> None:
        call = self._calls.pop(call_id, None)
        if call is not None:
            task = self._ending[call_id] = asyncio.create_task(_close(call))
            task.add_done_callback(lambda _: self._ending.pop(call_id))


async def _close(call: _Call) -> None:
    """End a call's session and its connection, whatever becomes of the one before the other."""
    try:
        await call.live.close()
    finally:
        await call.leg.close()
