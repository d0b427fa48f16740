"""One live session: the protocol with its ear and its mouth, and the clients that listen to it.

Owns the wiring, the clock's ticks and the order in which effects happen. Runs on one event loop; knows no
transport: those call `receive`, `hear` and `pull`, and `attach` what is to be sent to.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .facts import (
    Abort,
    Answer,
    AwaitUser,
    ClearOutput,
    Close,
    Configure,
    DropInput,
    Effect,
    Emit,
    Expired,
    Fact,
    Hear,
    Offered,
    Transcribe,
)
from .faults import NO_FAULTS, Faults
from .faults.stream import Stream, Told
from .hearing.ear import Ear
from .ids import new_id, padding
from .legs.audio_out import AudioOut
from .protocol import Protocol
from .protocol.client_events import own_id
from .protocol.responses import active_already
from .shapes import Json
from .speaking.mouth import Mouth
from .stages import Pcm, Stages, Transport
from .wire_error import WireError

TICK = 0.05
"""Seconds between two looks at the clock."""

IN_A_ROW = 1.0
"""Faults of one kind that are less than so many seconds apart are one fault that lasts."""

_FAULT = WireError("The server had an error while processing an event.", type="server_error")
_log = logging.getLogger(__name__)

Send = Callable[[str], None]
Wants = Callable[[str], bool]

MakeProtocol = Callable[[Json, Transport, Callable[[str], str], Callable[[str], str]], Protocol]


@dataclass(frozen=True, slots=True)
class _Listener:
    wants: Wants
    on_end: Callable[[], None] | None


class LiveSession:
    """A session with `session` as its settings.

    `on_close` is called once, when the session itself ends; `make` makes the machine that speaks its wire;
    `faults` are what goes wrong in it; `on_offer` takes the SDP of a call that a client offers by an event.
    """

    def __init__(
        self,
        session: Json,
        stages: Stages,
        transport: Transport,
        clock: Callable[[], float],
        on_close: Callable[[], None],
        make: MakeProtocol = Protocol,
        faults: Faults = NO_FAULTS,
        on_offer: Callable[[str], None] | None = None,
    ) -> None:
        self.faults = faults
        self._clock = clock
        self._on_close = on_close
        self._on_offer = on_offer
        self._expires_at = session["expires_at"] if faults.cap is None else clock() + faults.cap
        self._stream = Stream(faults)
        self._busy = faults.busy_response
        self._later: list[tuple[float, Callable[[], None]]] = []
        self._audience: dict[Send, _Listener] = {}
        self._closed = False
        self._faults: dict[str, float] = {}
        self._protocol = make(session, transport, new_id, padding)
        self._ear = Ear(stages, clock, self._tell, session)
        out = AudioOut() if transport == "webrtc" else None
        form = session["audio"]["output"]["format"]
        self._mouth = Mouth(stages, self._tell, self._protocol.speaking_item, out, form)
        self._ticker = asyncio.create_task(self._tick())

    def attach(self, send: Send, wants: Wants, on_end: Callable[[], None] | None = None) -> None:
        """Send events, as JSON text, to one more client: those whose type it wants.

        `on_end` is called when the session is over before the client leaves, at once if it is over already.
        """
        if not self._closed:
            self._audience[send] = _Listener(wants, on_end)
        elif on_end is not None:
            on_end()

    def detach(self, send: Send) -> None:
        """Stop sending to a client."""
        self._audience.pop(send, None)

    def open(self) -> None:
        """Begin: `session.created` goes to the clients attached so far."""
        self.after(self.faults.hangup, self._on_close)
        self._perform(self._protocol.open())

    def after(self, seconds: float | None, do: Callable[[], None]) -> None:
        """Do something so much later, while the session lasts; None is never."""
        if seconds is not None:
            self._later.append((self._clock() + seconds, do))

    async def receive(self, text: str | bytes) -> None:
        """Take a client event as it came; one client waits for it before it gives the next."""
        try:
            event = json.loads(text)
        except (ValueError, RecursionError):
            refused = WireError("The event is not valid JSON.", "invalid_event")
            self._send({"event_id": new_id("event"), **refused.event(None)})
        else:
            with self._going_on(own_id(event)):
                for effect in self._protocol.client(event):
                    if isinstance(effect, Hear):
                        await self._ear.hear_bytes(effect.audio)
                    else:
                        self._perform([effect])
                self._interfere(event)

    def hear(self, pcm: Pcm) -> None:
        """Take the user's sound (16 kHz)."""
        if not self._closed:
            with self._going_on(None, "hearing"):
                self._ear.hear(pcm)

    def pull(self, samples: int) -> Pcm:
        """Take the next sound to play (48 kHz)."""
        sound: Pcm = np.zeros(samples, np.int16)
        with self._going_on(None, "playing"):
            sound = self._mouth.pull(samples)
        return sound

    async def close(self) -> None:
        """End all that runs; what still arrives is ignored. Idempotent."""
        self._closed = True
        audience, self._audience = self._audience, {}
        for listener in audience.values():
            if listener.on_end is not None:
                listener.on_end()
        self._ticker.cancel()
        await asyncio.gather(self._ticker, return_exceptions=True)
        await self._ear.close()
        await self._mouth.close()

    def _interfere(self, event: Any) -> None:
        """Say of the first response that is asked for that it came too late: one was created just before."""
        if self._busy and isinstance(event, dict) and event.get("type") == "response.create":
            self._busy = False
            error = active_already(new_id("resp")).event(own_id(event))
            self._send({"event_id": new_id("event"), **error})

    def _tell(self, fact: Fact) -> None:
        with self._going_on(None):
            self._perform(self._protocol.fact(fact))

    @contextmanager
    def _going_on(self, event_id: str | None, again: str = "") -> Iterator[None]:
        """Keep a bug from ending the session: it is logged, and the clients get an `error`.

        `again` names what is done many times a second; of its faults in a row only the first is told.
        """
        try:
            yield
        except Exception:
            now, before = self._clock(), self._faults.get(again, -IN_A_ROW)
            if not again or now - before >= IN_A_ROW:
                _log.exception("%s failed", again or "processing an event")
                self._send({"event_id": new_id("event"), **_FAULT.event(event_id)})
            self._faults[again] = now

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            if not self._closed:
                self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Emit(event):
                self._send(event)
            case Transcribe(item_id):
                self._ear.transcribe(item_id)
            case DropInput():
                self._ear.drop()
            case Configure(session):
                self._ear.configure(session)
                self._mouth.configure(session)
            case Answer():
                self._mouth.answer(effect)
            case Abort(response_id):
                self._mouth.abort(response_id)
            case ClearOutput():
                self._mouth.clear()
            case AwaitUser(after_ms):
                self._ear.await_user(after_ms)
            case Offered(sdp):
                assert self._on_offer is not None, "a machine that takes offers was given nowhere to put them"
                self._on_offer(sdp)
            case Close():
                self._tell_clients(self._stream.rest())
                self._on_close()

    def _send(self, event: Json) -> None:
        self._tell_clients(self._stream.take(event))

    def _tell_clients(self, told: list[Told]) -> None:
        for kind, text in told:
            for send in [send for send, listener in self._audience.items() if listener.wants(kind)]:
                send(text)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            if self._clock() >= self._expires_at:
                self._tell(Expired())
                return
            with self._going_on(None, "looking at the clock"):
                self._ear.poll()
                self._tell_clients(self._stream.rest())
                self._do_what_is_due(self._clock())

    def _do_what_is_due(self, now: float) -> None:
        due = [do for at, do in self._later if at <= now]
        self._later = [(at, do) for at, do in self._later if at > now]
        for do in due:
            do()
