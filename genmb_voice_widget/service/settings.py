"""The endpoint's numbers: how long it waits for whom, how much it reads. It knows no route, no provider."""

from __future__ import annotations

from dataclasses import dataclass

MAX_BODY = 64 * 1024
"""Bytes of a request body; an offer of a browser with every codec is about 8 KiB."""


@dataclass(frozen=True)
class Timing:
    """All in seconds.

    Attributes:
        body_within: the caller's time to send a request body.
        open_within: a provider's whole time to answer an offer, a local peer's first start included.
        connect_within: the caller's time, from the answer on, to prove the handshake.
        hang_up_within: a provider's time to end a call.
        sweep_every: pause between two looks for sessions whose time is over.
        grace: how long after its end a session may still be given another call.
        give_up_after: how long hanging up is tried again before a session is settled without it.
    """

    body_within: float = 10.0
    open_within: float = 15.0
    connect_within: float = 30.0
    hang_up_within: float = 5.0
    sweep_every: float = 5.0
    grace: float = 60.0
    give_up_after: float = 300.0
