"""Why a session is refused: one pure function of the plan, the window's slots in use and the credits.

It does no I/O and reads no clock; what it is told may be out of date by the time it is acted upon, so the
window and the ledger refuse once more, atomically, with the same arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Rate:
    """At most `sessions` in every stretch of `seconds`, wherever it begins."""

    sessions: int
    seconds: float = 3600.0

    def __post_init__(self) -> None:
        if self.sessions < 1 or self.seconds <= 0:
            raise ValueError("a rate lets at least one session through in a stretch of time")


@dataclass(frozen=True)
class Plan:
    """What an app owner has: whether voice is part of it, its price and its limits (`None`: no limit).

    Attributes:
        voice: whether sessions may be started at all.
        credits_per_session: what a session costs its app's owner, however long it lasts.
        rate: sessions that one app may start.
        attempts: requests to start one, granted or not.
        max_live: sessions of one app that may stand at the same time.
        max_seconds: how long a session may last; the endpoint hangs up.
    """

    name: str
    voice: bool = True
    credits_per_session: int = 5
    rate: Rate | None = None
    attempts: Rate | None = None
    max_live: int | None = None
    max_seconds: float | None = None


NOTEBOOK = Plan("notebook")
"""The plan of an endpoint that runs inside its user's own notebook: everything, without a limit."""

_HOURLY = Rate(20)
_ATTEMPTS = Rate(60)

PLANS = {
    plan.name: plan
    for plan in (
        Plan("free", voice=False, rate=_HOURLY, attempts=_ATTEMPTS),
        Plan("pro", rate=_HOURLY, attempts=_ATTEMPTS, max_live=5, max_seconds=1800.0),
        Plan("business", rate=_HOURLY, attempts=_ATTEMPTS, max_live=20, max_seconds=3600.0),
    )
}
"""The plans that an app can be on, by name."""


@dataclass(frozen=True)
class Allow:
    """The session may start; reserve this many credits for it."""

    credits: int


@dataclass(frozen=True)
class Deny:
    """The session may not start: a code of the catalogue, why, and the seconds to wait if that helps."""

    code: str
    why: str
    retry_after: float | None = None


def decide(plan: Plan, ages: Sequence[float], credits: int | None) -> Allow | Deny:
    """Decide whether a session may start.

    Args:
        plan: the app owner's plan.
        ages: seconds since each slot in use was taken, oldest first, by the window's own clock.
        credits: what the app owner can still spend; `None` is without a limit.
    """
    if not plan.voice:
        return Deny("plan_required", "Voice is not part of this app's plan.")
    if credits is not None and credits < plan.credits_per_session:
        return too_few_credits(plan)
    if plan.rate is not None and (wait := wait_for_slot(ages, plan.rate)) > 0:
        return too_many_sessions(plan.rate, wait)
    return Allow(plan.credits_per_session)


def wait_for_slot(ages: Sequence[float], rate: Rate) -> float:
    """Tell how many seconds from now one more session may start; 0.0 when it may at once.

    Args:
        ages: seconds since each slot was taken, oldest first, all younger than `rate.seconds`.
        rate: the limit; it lets at least one session through.
    """
    return 0.0 if len(ages) < rate.sessions else rate.seconds - ages[-rate.sessions]


def too_few_credits(plan: Plan) -> Deny:
    """Answer for when the account cannot pay for the session."""
    return Deny("credits_exhausted", f"A session costs {plan.credits_per_session} credits.")


def too_many_live(plan: Plan) -> Deny:
    """Answer for when as many sessions stand as the plan allows."""
    return Deny("too_many_live", f"The plan allows {plan.max_live} sessions at the same time.")


def too_many_attempts(rate: Rate, wait: float) -> Deny:
    """Answer for a caller that asks too often, whatever it is told."""
    limit = f"{rate.sessions} attempts in {rate.seconds / 60:g} minutes"
    return Deny("too_many_attempts", f"The limit is {limit}.", retry_after=wait)


def too_many_sessions(rate: Rate, wait: float) -> Deny:
    """Answer for when the window is full, with the seconds until it is not."""
    limit = f"{rate.sessions} sessions in {rate.seconds / 60:g} minutes"
    return Deny("rate_limited", f"The limit is {limit}.", retry_after=wait)
