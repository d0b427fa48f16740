"""What each step of a session's life is done with: the ports, and what all steps share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from genmb_voice_widget.service.audit import Record
from genmb_voice_widget.service.flights import Flights
from genmb_voice_widget.service.ledger import Ledger
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.service.window import Window

from .legs import Legs


@dataclass(frozen=True)
class Parts:
    """One endpoint's, for one event loop.

    Attributes:
        clock: unix seconds; only what pages are told of time is measured with it.
        watch: whether the providers are asked to prove the handshakes too, not the callers alone.
        records: are told of each decision that no request asked for.
    """

    legs: Legs
    window: Window
    ledger: Ledger
    timing: Timing
    clock: Callable[[], float]
    watch: bool = False
    records: Sequence[Record] = ()
    flights: Flights = field(default_factory=Flights)
