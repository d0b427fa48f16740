"""When money moves: each session's hold, the steps it may take, and the entries that they leave.

    reserved ── capture ──▶ live ── close / expire ──▶ ending ── settle ──▶ over        5 credits spent
        └────── close / expire ──▶ closing ── settle ──▶ released                      nothing spent

`close` and `expire` say that the call must be ended, `settle` that it has been; from `closing` nothing can be
captured any more, so a call is never charged while it is being hung up, nor released while it may still live.
A session that is `live`, or has been `over` for less than the grace, may be renewed: another call takes the
place of the one it had and nothing is spent; one that was over stands again, if one more may. It knows no
provider and no plan. Entries are only ever added. Where the account is kept is told by `memory` and `sql`,
which one conformance suite holds to this page.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from .phases import MONEY, Money, Phase, Step

Transport = Literal["webrtc", "websocket"]


@dataclass(frozen=True)
class Wish:
    """A session that somebody wants to start, and what is asked of the account for it.

    Attributes:
        within: seconds until the sweeper looks at it.
        lasts: seconds that the session may last once it is live; `None`: no limit.
        max_live: how many sessions of the app may stand at once, this one included.
        key: the caller's idempotency key: an app's same key is the same session.
    """

    session: str
    app: str
    owner: str
    provider: str
    transport: Transport
    credits: int
    within: float
    lasts: float | None = None
    max_live: int | None = None
    key: str | None = None


class Former(NamedTuple):
    """A call that is not the session's any more and is not known to have ended, and since when it is not."""

    call_id: str
    since: float


@dataclass(frozen=True)
class Hold:
    """One session's place in the account. All moments are unix seconds by the ledger's own clock.

    Attributes:
        due: when the sweeper must look at it: the end of the caller's time while `reserved`, of the session's
            while `live`, the moment of closing while `closing` or `ending`, otherwise `None`.
        answered: when the provider's answer was noted; from then on the session can be renewed.
        began: when the credits were captured.
        ended: when it was over or released.
        again: when the sweeper is to try again what did not go through, or to hang up what is `former`.
        former: calls that are to be hung up, whatever the session's phase is.
    """

    session: str
    app: str
    owner: str
    provider: str
    transport: Transport
    credits: int
    due: float | None
    lasts: float | None = None
    key: str | None = None
    call_id: str | None = None
    phase: Phase = "reserved"
    reason: str | None = None
    answered: float | None = None
    began: float | None = None
    ended: float | None = None
    again: float | None = None
    former: tuple[Former, ...] = ()

    @property
    def money(self) -> Money:
        """What has become of the credits."""
        return MONEY[self.phase]


@dataclass(frozen=True)
class Lacking:
    """Why a session may not stand: too few credits, or too many that stand."""

    what: Literal["credits", "live"]


@dataclass(frozen=True)
class Entry:
    """One line of the account: credits granted, set aside, spent or given back, and when."""

    kind: Literal["grant", "reserve", "capture", "release"]
    session: str | None
    app: str | None
    owner: str
    credits: int
    at: float


@dataclass(frozen=True)
class Balance:
    """An owner's credits: `granted = available + reserved + captured`; `None` is without a limit."""

    granted: int | None
    reserved: int
    captured: int

    @property
    def available(self) -> int | None:
        """What can still be reserved."""
        return None if self.granted is None else self.granted - self.reserved - self.captured


class DuplicateCall(ValueError):
    """A provider gave the same call id to two sessions."""


class Ledger(Protocol):
    """The account, and its own clock. Every method is atomic and, but for `grant`, safe to repeat.

    A ledger may forget a session, and with it its key and its calls, an hour after it was over.

    Raises:
        Refusal: `service_unavailable`, when the account cannot be asked; then nothing has been written, or
            what has been written is found by repeating the call.
    """

    async def balance(self, owner: str) -> Balance:
        """Tell an owner's credits."""
        ...

    async def grant(self, owner: str, credits: int) -> Balance:
        """Add credits to an owner's account; where there is no limit, only the entry is added.

        Raises:
            ValueError: the credits are fewer than one.
        """
        ...

    async def hold(self, wish: Wish) -> Hold | Lacking:
        """Reserve a session's credits; for a session or a key that is known, return the hold that has it.

        A hold that is released gives up its key: what is asked with it then is another session.
        An app has one owner at a time.
        """
        ...

    async def answered(self, session: str, call_id: str | None, within: float) -> Hold:
        """Note the call and begin the caller's time, once, and only while the hold is `reserved`.

        Raises:
            KeyError: there is no such session.
            DuplicateCall: another session of that provider has or had this call id.
        """
        ...

    async def renew(
        self, session: str, call_id: str | None, grace: float, max_live: int | None = None
    ) -> Hold | Lacking | None:
        """Put another call in the place of the one there was, now a `former`; its `due` stays what it was.

        For a hold that is `live`, or `over` for less than `grace` seconds, which is `live` again if fewer
        than `max_live` of its app's sessions stand; or `reserved` and answered. Any other, and one that has
        had its whole time, returns `None`.

        Raises:
            DuplicateCall: another session of that provider has or had this call id.
        """
        ...

    async def step(self, session: str, step: Step, reason: str | None = None) -> Hold | None:
        """Take the step if `STEPS` has it (`expire` only when due), and return the hold as it now is.

        Returns:
            `None`: no such session.
        """
        ...

    async def leave(self, session: str, call_id: str) -> Hold | None:
        """Note a call that was made for the session and that nobody is to have; `None`: no such session."""
        ...

    async def tried(self, session: str, hung_up: Collection[str], give_up_after: float) -> Hold | None:
        """Note which calls have been hung up, and that the rest, or the end, is to be tried again.

        That is later each time. After `give_up_after` seconds in vain, since it was due or left, a session is
        settled as it is, and a `former` call is forgotten.

        Returns:
            `None`: no such session.
        """
        ...

    async def close_app(self, app: str) -> int:
        """Close every session of an app that is let in no more (`REVOKED`); those that stand are due at once.

        What was captured stays so, and what is over cannot be renewed any more either.

        Returns:
            How many were `reserved` or `live` until now.
        """
        ...

    async def find(self, session: str) -> Hold | None:
        """Look a session up."""
        ...

    async def live(self, app: str) -> int:
        """Count the app's sessions that stand."""
        ...

    async def standing(self) -> int:
        """Count the sessions that stand, of all apps."""
        ...

    async def due(self) -> tuple[Hold, ...]:
        """List the holds whose time has come (`again`, or else `due`), the longest waiting first.

        Not more than a sweep can manage; whoever cannot end one says so with `tried`, to reach the others.
        """
        ...

    async def unsettled(self) -> bool:
        """Whether any hold will ever be due."""
        ...

    async def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Let one holder at a time have a task to itself; asking again prolongs it."""
        ...

    async def ready(self) -> None:
        """Return if the account can be asked now."""
        ...

    async def close(self) -> None:
        """Free what the ledger holds."""
        ...
