"""The account in this process's memory, for one node; a restart forgets it.

Sessions that are over are forgotten after an hour, so that a long-lived process does not grow; their credits
and entries stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from .ledger import (
    STANDING,
    STEPS,
    Balance,
    DuplicateCall,
    Entry,
    Hold,
    Lacking,
    Renewed,
    Step,
    Wish,
)

REMEMBERED = 3600.0
"""Seconds that a session can still be found after it was over."""
_BATCH = 100


class MemoryLedger:
    """A `Ledger` in memory.

    Args:
        clock: unix seconds.
        granted: the credits that each owner begins with; `None` is without a limit.
    """

    def __init__(self, clock: Callable[[], float], granted: int | None = None) -> None:
        self._clock = clock
        self._granted = granted
        self._holds: dict[str, Hold] = {}
        self._pending: dict[str, Hold] = {}
        self._over: dict[str, float] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._calls: dict[tuple[str, str], str] = {}
        self._balances: dict[str, Balance] = {}
        self._entries: list[Entry] = []
        self._leases: dict[str, tuple[str, float]] = {}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Every entry so far, oldest first."""
        return tuple(self._entries)

    async def balance(self, owner: str) -> Balance:
        """See `Ledger.balance`."""
        return self._balance(owner)

    async def grant(self, owner: str, credits: int) -> Balance:
        """See `Ledger.grant`."""
        if credits < 1:
            raise ValueError("credits are granted by whole numbers above zero")
        balance = self._balance(owner)
        self._balances[owner] = replace(balance, granted=(balance.granted or 0) + credits)
        self._entries.append(Entry("grant", None, None, owner, credits, self._clock()))
        return self._balances[owner]

    async def hold(self, wish: Wish) -> Hold | Lacking:
        """See `Ledger.hold`."""
        self._forget()
        known = self._holds.get(wish.session)
        if known is None and wish.key is not None and (name := self._keys.get((wish.app, wish.key))):
            known = self._holds.get(name)
        if known is not None:
            return known
        if wish.max_live is not None and await self.live(wish.app) >= wish.max_live:
            return Lacking("live")
        available = self._balance(wish.owner).available
        if available is not None and available < wish.credits:
            return Lacking("credits")
        hold = Hold(
            session=wish.session,
            app=wish.app,
            owner=wish.owner,
            provider=wish.provider,
            transport=wish.transport,
            credits=wish.credits,
            due=self._clock() + wish.within,
            lasts=wish.lasts,
            key=wish.key,
        )
        if wish.key is not None:
            self._keys[wish.app, wish.key] = wish.session
        self._enter("reserve", hold)
        return self._put(hold)

    async def answered(self, session: str, call_id: str | None, within: float) -> Hold:
        """See `Ledger.answered`."""
        hold = self._holds[session]
        if hold.phase != "reserved" or hold.call_id is not None:
            return hold
        self._claim(hold, call_id)
        return self._put(replace(hold, call_id=call_id, due=self._clock() + within))

    async def renew(self, session: str, call_id: str | None, grace: float) -> Renewed | None:
        """See `Ledger.renew`."""
        hold, now = self._holds.get(session), self._clock()
        if hold is None:
            return None
        waiting = hold.phase == "reserved" and hold.call_id is not None
        if waiting or (hold.phase == "live" and (hold.due is None or hold.due > now)):
            renewed = replace(hold, call_id=call_id)
        elif hold.phase == "over" and _in_grace(hold, now, grace):
            ends = None if hold.lasts is None or hold.began is None else hold.began + hold.lasts
            renewed = replace(hold, phase="live", call_id=call_id, due=ends, ended=None)
        else:
            return None
        self._claim(hold, call_id)
        return Renewed(self._put(renewed), hold.call_id)

    async def step(self, session: str, step: Step, reason: str | None = None) -> Hold | None:
        """See `Ledger.step`."""
        hold, now = self._holds.get(session), self._clock()
        if hold is None or (phase := STEPS.get((hold.phase, step))) is None:
            return hold
        if step == "expire" and (hold.due is None or hold.due > now):
            return hold
        moved = replace(hold, phase=phase, due=None, reason=reason or hold.reason)
        if phase == "live":
            moved = replace(moved, began=now, due=None if hold.lasts is None else now + hold.lasts)
            self._enter("capture", moved)
        elif phase in ("closing", "ending"):
            moved = replace(moved, due=now)
        else:
            moved = replace(moved, ended=now)
            if phase == "released":
                self._enter("release", moved)
        return self._put(moved)

    async def find(self, session: str) -> Hold | None:
        """See `Ledger.find`."""
        return self._holds.get(session)

    async def live(self, app: str) -> int:
        """See `Ledger.live`."""
        return sum(hold.app == app and hold.phase in STANDING for hold in self._holds.values())

    async def due(self) -> tuple[Hold, ...]:
        """See `Ledger.due`."""
        now = self._clock()
        times = [(hold.due, name) for name, hold in self._pending.items() if hold.due is not None]
        return tuple(self._pending[name] for due, name in sorted(times)[:_BATCH] if due <= now)

    async def unsettled(self) -> bool:
        """See `Ledger.unsettled`."""
        return bool(self._pending)

    async def lease(self, name: str, holder: str, seconds: float) -> bool:
        """See `Ledger.lease`."""
        now = self._clock()
        owner, until = self._leases.get(name, (holder, now))
        if owner != holder and until > now:
            return False
        self._leases[name] = holder, now + seconds
        return True

    async def ready(self) -> None:
        """See `Ledger.ready`."""

    async def close(self) -> None:
        """See `Ledger.close`."""

    def _balance(self, owner: str) -> Balance:
        return self._balances.get(owner, Balance(self._granted, 0, 0))

    def _claim(self, hold: Hold, call_id: str | None) -> None:
        if call_id and self._calls.setdefault((hold.provider, call_id), hold.session) != hold.session:
            raise DuplicateCall(call_id)

    def _put(self, hold: Hold) -> Hold:
        self._holds[hold.session] = hold
        self._pending.pop(hold.session, None)
        self._over.pop(hold.session, None)
        if hold.due is not None:
            self._pending[hold.session] = hold
        if hold.ended is not None:
            self._over[hold.session] = hold.ended
        return hold

    def _forget(self) -> None:
        """Drop the sessions that were over long ago; `_over` is in the order of their ends."""
        while (
            self._over and (name := next(iter(self._over))) and self._over[name] < self._clock() - REMEMBERED
        ):
            hold = self._holds.pop(name)
            del self._over[name]
            if hold.key is not None:
                del self._keys[hold.app, hold.key]

    def _enter(self, kind: Literal["reserve", "capture", "release"], hold: Hold) -> None:
        """Add the line and move the credits that it stands for."""
        balance = self._balance(hold.owner)
        reserved = balance.reserved + (hold.credits if kind == "reserve" else -hold.credits)
        captured = balance.captured + (hold.credits if kind == "capture" else 0)
        self._balances[hold.owner] = replace(balance, reserved=reserved, captured=captured)
        self._entries.append(Entry(kind, hold.session, hold.app, hold.owner, hold.credits, self._clock()))


def _in_grace(hold: Hold, now: float, grace: float) -> bool:
    if hold.ended is None or now - hold.ended >= grace:
        return False
    return hold.lasts is None or hold.began is None or now < hold.began + hold.lasts
