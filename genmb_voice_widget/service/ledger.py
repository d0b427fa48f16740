"""When money moves: each session's hold, the steps it may take, and the entries that they leave.

    reserved ── capture ──▶ live ── close ──▶ ending ── settle ──▶ over          5 credits spent
        └────── close / expire ──▶ closing ── settle ──▶ released                nothing spent

`close` and `expire` say that the call must be ended, `settle` that it has been; from `closing` nothing can be
captured any more, so a call is never charged while it is being hung up, nor released while it may still live.
It knows no provider and no plan. Entries are only ever added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

Phase = Literal["reserved", "live", "ending", "over", "closing", "released"]
Money = Literal["reserved", "captured", "released"]
Step = Literal["capture", "close", "expire", "settle"]
Transport = Literal["webrtc", "websocket"]

STEPS: dict[tuple[Phase, Step], Phase] = {
    ("reserved", "capture"): "live",
    ("reserved", "close"): "closing",
    ("reserved", "expire"): "closing",
    ("live", "close"): "ending",
    ("closing", "settle"): "released",
    ("ending", "settle"): "over",
}
"""Every step there is; any other changes nothing, which makes each safe to repeat."""

MONEY: dict[Phase, Money] = {
    "reserved": "reserved",
    "closing": "reserved",
    "live": "captured",
    "ending": "captured",
    "over": "captured",
    "released": "released",
}


@dataclass(frozen=True)
class Hold:
    """One session's place in the account.

    `due` is when the sweeper must look at it (unix seconds): the end of the caller's time while `reserved`,
    the moment of closing while `closing` or `ending`, otherwise `None`.
    """

    session: str
    app: str
    provider: str
    transport: Transport
    credits: int
    due: float | None
    call_id: str | None = None
    phase: Phase = "reserved"
    reason: str | None = None

    @property
    def money(self) -> Money:
        """What has become of the credits."""
        return MONEY[self.phase]


@dataclass(frozen=True)
class Entry:
    """One line of the account: credits set aside, spent, or given back, for which session and when."""

    kind: Literal["reserve", "capture", "release"]
    session: str
    app: str
    credits: int
    at: float


@dataclass(frozen=True)
class Balance:
    """An app's credits: `granted = available + reserved + captured`; `None` is without a limit."""

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
    """The account. Every method is atomic, and safe to repeat."""

    async def balance(self, app: str) -> Balance:
        """Tell the app's credits."""
        ...

    async def hold(self, hold: Hold) -> bool:
        """Reserve a new session's credits; False when the app has too few."""
        ...

    async def answered(self, session: str, call_id: str | None, due: float) -> Hold:
        """Note the call and the caller's new time limit, once, and only while the hold is `reserved`.

        Raises:
            DuplicateCall: another session of that provider has this call id.
        """
        ...

    async def step(self, session: str, step: Step, reason: str | None = None) -> Hold | None:
        """Take the step if `STEPS` has it, and return the hold as it now is; `None`: no such session."""
        ...

    async def find(self, session: str) -> Hold | None:
        """Look a session up."""
        ...

    async def due(self) -> tuple[Hold, ...]:
        """List the holds whose time has come, the longest due first."""
        ...

    async def unsettled(self) -> bool:
        """Whether any hold will ever be due."""
        ...


class MemoryLedger:
    """A `Ledger` in this process's memory, for one node; a restart forgets it.

    Args:
        clock: unix seconds.
        granted: the credits that each app begins with; `None` is without a limit.
    """

    def __init__(self, clock: Callable[[], float], granted: int | None = None) -> None:
        self._clock = clock
        self._granted = granted
        self._holds: dict[str, Hold] = {}
        self._pending: dict[str, Hold] = {}
        self._calls: dict[tuple[str, str], str] = {}
        self._balances: dict[str, Balance] = {}
        self._entries: list[Entry] = []

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry so far, oldest first."""
        return tuple(self._entries)

    async def balance(self, app: str) -> Balance:
        """See `Ledger.balance`."""
        return self._balances.get(app, Balance(self._granted, 0, 0))

    async def hold(self, hold: Hold) -> bool:
        """See `Ledger.hold`."""
        if hold.session in self._holds:
            return True
        available = (await self.balance(hold.app)).available
        if available is not None and available < hold.credits:
            return False
        self._put(hold)
        self._enter("reserve", hold)
        return True

    async def answered(self, session: str, call_id: str | None, due: float) -> Hold:
        """See `Ledger.answered`."""
        hold = self._holds[session]
        if hold.phase != "reserved" or hold.call_id is not None:
            return hold
        if call_id and self._calls.setdefault((hold.provider, call_id), session) != session:
            raise DuplicateCall(call_id)
        return self._put(replace(hold, call_id=call_id, due=due))

    async def step(self, session: str, step: Step, reason: str | None = None) -> Hold | None:
        """See `Ledger.step`."""
        hold = self._holds.get(session)
        if hold is None or (phase := STEPS.get((hold.phase, step))) is None:
            return hold
        if step == "expire" and (hold.due is None or hold.due > self._clock()):
            return hold
        due = self._clock() if phase in ("closing", "ending") else None
        moved = self._put(replace(hold, phase=phase, due=due, reason=reason or hold.reason))
        if phase == "live":
            self._enter("capture", moved)
        elif phase == "released":
            self._enter("release", moved)
        return moved

    async def find(self, session: str) -> Hold | None:
        """See `Ledger.find`."""
        return self._holds.get(session)

    async def due(self) -> tuple[Hold, ...]:
        """See `Ledger.due`."""
        now = self._clock()
        times = [(hold.due, name) for name, hold in self._pending.items() if hold.due is not None]
        return tuple(self._pending[name] for due, name in sorted(times) if due <= now)

    async def unsettled(self) -> bool:
        """See `Ledger.unsettled`."""
        return bool(self._pending)

    def _put(self, hold: Hold) -> Hold:
        self._holds[hold.session] = hold
        if hold.due is None:
            self._pending.pop(hold.session, None)
        else:
            self._pending[hold.session] = hold
        return hold

    def _enter(self, kind: Literal["reserve", "capture", "release"], hold: Hold) -> None:
        """Add the line and move the credits that it stands for."""
        balance = self._balances.get(hold.app, Balance(self._granted, 0, 0))
        reserved = balance.reserved + (hold.credits if kind == "reserve" else -hold.credits)
        captured = balance.captured + (hold.credits if kind == "capture" else 0)
        self._balances[hold.app] = replace(balance, reserved=reserved, captured=captured)
        self._entries.append(Entry(kind, hold.session, hold.app, hold.credits, self._clock()))
