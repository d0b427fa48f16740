"""What each step makes of a hold: pure functions of the hold and of the moment, the same for every ledger.

It knows no account; the credits that a new phase moves are told by `MOVED_BY` and `MOVES`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from . import Hold, Renewed, Wish
from .phases import STEPS, Phase, Step

Move = Literal["reserve", "capture", "release"]

MOVES: dict[Move, tuple[int, int]] = {"reserve": (1, 0), "capture": (-1, 1), "release": (-1, 0)}
"""How often each adds a hold's credits to what its owner has reserved, and to what was captured."""

MOVED_BY: dict[Phase, Move] = {"reserved": "reserve", "live": "capture", "released": "release"}
"""What moves when a hold is first in this phase."""


def begun(wish: Wish, now: float) -> Hold:
    """Make a wish that is granted into a hold."""
    return Hold(
        session=wish.session,
        app=wish.app,
        owner=wish.owner,
        provider=wish.provider,
        transport=wish.transport,
        credits=wish.credits,
        due=now + wish.within,
        lasts=wish.lasts,
        key=wish.key,
    )


def answered(hold: Hold, call_id: str | None, within: float, now: float) -> Hold | None:
    """Note the call; `None` when there is nothing to note any more."""
    if hold.phase != "reserved" or hold.answered is not None:
        return None
    return replace(hold, call_id=call_id, answered=now, due=now + within)


def renewed(hold: Hold, call_id: str | None, grace: float, now: float) -> Renewed | None:
    """Put another call in the place of the one there was; `None` when it is too late or too early."""
    former = hold.call_id if hold.call_id != call_id else None
    if hold.phase == "live" or (hold.phase == "reserved" and hold.answered is not None):
        in_time = hold.due is None or hold.due > now
        return Renewed(replace(hold, call_id=call_id), former) if in_time else None
    if hold.phase != "over" or hold.ended is None or hold.began is None or now - hold.ended >= grace:
        return None
    ends = None if hold.lasts is None else hold.began + hold.lasts
    if ends is not None and ends <= now:
        return None
    return Renewed(replace(hold, phase="live", call_id=call_id, due=ends, ended=None, reason=None), former)


def stepped(hold: Hold, step: Step, reason: str | None, now: float) -> Hold | None:
    """Take the step; `None` when it changes nothing."""
    phase = STEPS.get((hold.phase, step))
    if phase is None or (step == "expire" and (hold.due is None or hold.due > now)):
        return None
    reason = reason or hold.reason
    match phase:
        case "live":
            due = None if hold.lasts is None else now + hold.lasts
            return replace(hold, phase=phase, reason=reason, began=now, due=due)
        case "closing" | "ending":
            return replace(hold, phase=phase, reason=reason, due=now)
        case _:
            return replace(hold, phase=phase, reason=reason, ended=now, due=None)
