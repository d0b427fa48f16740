"""What is left at a token endpoint: sessions of its window, and credits. A value, and how it reads.

Owns the form (`GET /v1/allowance`) and the words that Python shows; the page's are in js/src/allowance.ts. It
must not know who asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from math import ceil
from typing import Any

from .errors import VoiceError

_STRETCHES = {3600: "this hour", 86_400: "in these 24 hours"}


@dataclass(frozen=True)
class Slots:
    """The window: how many sessions may start in any stretch of so many seconds.

    Attributes:
        limit: how many in all.
        seconds: how long the stretch is.
        remaining: how many may start now.
        reset: seconds until one more may start; 0 when all may.
    """

    limit: int
    seconds: float
    remaining: int
    reset: int


@dataclass(frozen=True, repr=False)
class Allowance:
    """What is left before a session is started; None is without a limit.

    Attributes:
        plan: the plan's name.
        voice: whether it has voice sessions at all.
        credits: what can still be spent; None also for who shows a token, who is not told.
        credits_per_session: what a session costs, however long it lasts.
        sessions: the window.
        enough_credits: whether what can be spent is enough for one more session.
    """

    plan: str
    voice: bool
    credits: int | None
    credits_per_session: int
    sessions: Slots | None
    enough_credits: bool = True

    def to_json(self) -> dict[str, Any]:
        """Return it in the endpoint's own form."""
        return asdict(self)

    def __repr__(self) -> str:
        return f"Allowance({self.plan} · {' · '.join(self._said()) or 'no limit'})"

    def _said(self) -> list[str]:
        if not self.voice:
            return ["voice is not part of the plan"]
        said = []
        if (slots := self.sessions) is not None:
            stretch = _STRETCHES.get(int(slots.seconds), f"in these {_minutes(slots.seconds)}")
            said.append(f"{slots.remaining} of {slots.limit} sessions left {stretch}")
            if slots.remaining == 0:
                said.append(f"room again in {_minutes(slots.reset)}")
        if self.credits is not None:
            said.append(f"{self.credits} credits, {self.credits_per_session} a session")
        elif not self.enough_credits:
            said.append("too few credits for a session")
        return said


def read_allowance(answer: Mapping[str, Any]) -> Allowance:
    """Read the endpoint's answer.

    Raises:
        VoiceError: `endpoint_unreachable`, when it is none: another server answers there.
    """
    try:
        slots = answer["sessions"]
        return Allowance(
            plan=str(answer["plan"]),
            voice=bool(answer["voice"]),
            credits=None if answer.get("credits") is None else int(answer["credits"]),
            credits_per_session=int(answer["credits_per_session"]),
            sessions=None
            if slots is None
            else Slots(**{each.name: slots[each.name] for each in fields(Slots)}),
            enough_credits=bool(answer["enough_credits"]),
        )
    except (KeyError, TypeError, ValueError):
        raise VoiceError("endpoint_unreachable", "The endpoint's answer is no allowance.") from None


def _minutes(seconds: float) -> str:
    return f"{ceil(seconds)} s" if seconds < 90 else f"{ceil(seconds / 60)} min"
