"""What each step makes of a hold: pure functions of the hold and of the moment, the same for every ledger.

It knows no account; the credits that a new phase moves are told by `MOVED_BY` and `MOVES`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Literal

from . import Former, Hold, Wish
from .phases import REVOKED, STEPS, Phase, Step

Move = Literal["reserve", "capture", "release"]

MOVES: dict[Move, tuple[int, int]] = {"reserve": (1, 0), "capture": (-1, 1), "release": (-1, 0)}
"""How often each adds a hold's credits to what its owner has reserved, and to what was captured."""

MOVED_BY: dict[Phase, Move] = {"reserved": "reserve", "live": "capture", "released": "release"}
"""What moves when a hold is first in this phase."""


RENEWABLE = 3600.0
"""No grace after a session's end is longer, in seconds."""

_SOONEST = 2.0
"""Seconds to the second try; each later pause is as long as it has been tried so far."""
_LATEST = 60.0
"""No pause is longer, in seconds."""
_SOON = 10.0
"""Seconds that whoever left a call has to hang it up, before the sweeper does."""


def next_look(hold: Hold) -> float | None:
    """Tell when the sweeper is to look at it."""
    return hold.due if hold.again is None else hold.again


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


def renewed(hold: Hold, call_id: str | None, grace: float, now: float) -> Hold | None:
    """Put another call in the place of the one there was; `None` when it is too late or too early."""
    if hold.phase == "live" or (hold.phase == "reserved" and hold.answered is not None):
        in_time = hold.due is None or hold.due > now
        return _replaced(hold, call_id, now) if in_time else None
    if hold.phase != "over" or hold.ended is None or hold.began is None or now - hold.ended >= grace:
        return None
    if hold.reason == REVOKED:
        return None
    ends = None if hold.lasts is None else hold.began + hold.lasts
    if ends is not None and ends <= now:
        return None
    return _replaced(replace(hold, phase="live", due=ends, ended=None, reason=None), call_id, now)


def left(hold: Hold, call_id: str, now: float) -> Hold:
    """Add a call that is to be hung up; the session's own is hung up when that ends."""
    if call_id == hold.call_id or any(each.call_id == call_id for each in hold.former):
        return hold
    return _soon(replace(hold, former=(*hold.former, Former(call_id, now))), now)


def stepped(hold: Hold, step: Step, reason: str | None, now: float) -> Hold | None:
    """Take the step; `None` when it changes nothing."""
    phase = STEPS.get((hold.phase, step))
    if phase is None or (step == "expire" and (hold.due is None or hold.due > now)):
        return None
    reason = reason or hold.reason
    match phase:
        case "live":
            due = None if hold.lasts is None else now + hold.lasts
            return _soon(replace(hold, phase=phase, reason=reason, began=now, due=due, again=None), now)
        case "closing" | "ending":
            return replace(hold, phase=phase, reason=reason, due=now, again=None)
        case _:
            key = None if phase == "released" else hold.key
            ended = replace(hold, phase=phase, reason=reason, key=key, ended=now, due=None, again=None)
            return _soon(ended, now)


def tried(hold: Hold, hung_up: Collection[str], give_up_after: float, now: float) -> Hold:
    """Note which calls have been hung up, and put off the rest, or give it up."""
    former = tuple(
        each for each in hold.former if each.call_id not in hung_up and now - each.since < give_up_after
    )
    some, hold = bool(hold.former), replace(hold, former=former)
    left = [each.since for each in former]
    until = [since + give_up_after for since in left]
    if hold.due is not None and hold.due > now:
        until.append(hold.due)
    elif hold.due is not None:
        left.append(hold.due)
        if (hold.phase, "settle") in STEPS:
            if now - hold.due >= give_up_after:
                return stepped(hold, "settle", None, now) or hold
            until.append(hold.due + give_up_after)
        elif some:
            return replace(hold, again=None)  # Its former calls were tried, not its end, which is due.
    if not left:
        return replace(hold, again=None)
    pause = min(max(now - min(left), _SOONEST), _LATEST)
    return replace(hold, again=min([now + pause, *until]))


def _replaced(hold: Hold, call_id: str | None, now: float) -> Hold:
    """Put a call in the place of the one there was, which is then to be hung up."""
    former = tuple(each for each in hold.former if each.call_id != call_id)
    if hold.call_id is not None and hold.call_id != call_id:
        former += (Former(hold.call_id, now),)
    return _soon(replace(hold, call_id=call_id, former=former), now)


def _soon(hold: Hold, now: float) -> Hold:
    """Have the sweeper look soon if a call is left to be hung up, and not later than it would anyway."""
    if not hold.former:
        return replace(hold, again=None)
    look = next_look(hold)
    return replace(hold, again=now + _SOON if look is None else min(now + _SOON, look))
