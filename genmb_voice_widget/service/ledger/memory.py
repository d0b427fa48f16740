"""The account in this process's memory, for one node; a restart forgets it.

Sessions that are over are forgotten after an hour, and of the entries only the newest are kept, so that a
long-lived process does not grow; the balances stay exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import replace

from . import Balance, DuplicateCall, Entry, Hold, Lacking, Wish, steps
from .phases import REVOKED, STANDING, Step

REMEMBERED = 3600.0
"""Seconds that a session can still be found after it was over."""
ENTRIES = 10_000
"""How many entries are kept."""
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
        self._sessions: dict[tuple[str, str], str] = {}
        self._calls: dict[str, list[tuple[str, str]]] = {}
        self._balances: dict[str, Balance] = {}
        self._entries: deque[Entry] = deque(maxlen=ENTRIES)
        self._leases: dict[str, tuple[str, float]] = {}

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The newest entries, oldest first."""
        return tuple(self._entries)

    async def balance(self, owner: str) -> Balance:
        """See `Ledger.balance`."""
        return self._balance(owner)

    async def grant(self, owner: str, credits: int) -> Balance:
        """See `Ledger.grant`."""
        if credits < 1:
            raise ValueError("credits are granted by whole numbers above zero")
        balance = self._balance(owner)
        granted = None if balance.granted is None else balance.granted + credits
        self._balances[owner] = replace(balance, granted=granted)
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
        if wish.key is not None:
            self._keys[wish.app, wish.key] = wish.session
        return self._move(steps.begun(wish, self._clock()))

    async def answered(self, session: str, call_id: str | None, within: float) -> Hold:
        """See `Ledger.answered`."""
        hold = self._holds[session]
        answered = steps.answered(hold, call_id, within, self._clock())
        return hold if answered is None else self._put(self._claim(answered))

    async def renew(
        self, session: str, call_id: str | None, grace: float, max_live: int | None = None
    ) -> Hold | Lacking | None:
        """See `Ledger.renew`."""
        hold = self._holds.get(session)
        renewed = steps.renewed(hold, call_id, grace, self._clock()) if hold else None
        if hold is None or renewed is None:
            return None
        if hold.phase not in STANDING and max_live is not None and await self.live(hold.app) >= max_live:
            return Lacking("live")
        return self._put(self._claim(renewed))

    async def step(self, session: str, step: Step, reason: str | None = None) -> Hold | None:
        """See `Ledger.step`."""
        hold = self._holds.get(session)
        stepped = steps.stepped(hold, step, reason, self._clock()) if hold else None
        return hold if stepped is None else self._move(stepped)

    async def leave(self, session: str, call_id: str) -> Hold | None:
        """See `Ledger.leave`."""
        hold = self._holds.get(session)
        return None if hold is None else self._put(steps.left(hold, call_id, self._clock()))

    async def tried(self, session: str, hung_up: Collection[str], give_up_after: float) -> Hold | None:
        """See `Ledger.tried`."""
        hold = self._holds.get(session)
        tried = steps.tried(hold, hung_up, give_up_after, self._clock()) if hold else None
        if hold is None or tried is None:
            return None
        return self._put(tried) if tried.phase == hold.phase else self._move(tried)

    async def close_app(self, app: str) -> int:
        """See `Ledger.close_app`."""
        mine = [hold for hold in self._holds.values() if hold.app == app]
        closed = [each for hold in mine if (each := steps.stepped(hold, "close", REVOKED, self._clock()))]
        for hold in closed:
            self._move(hold)
        for hold in mine:
            if hold.phase in ("ending", "over"):
                self._put(replace(hold, reason=REVOKED))
        return len(closed)

    async def find(self, session: str) -> Hold | None:
        """See `Ledger.find`."""
        return self._holds.get(session)

    async def live(self, app: str) -> int:
        """See `Ledger.live`."""
        return sum(hold.app == app and hold.phase in STANDING for hold in self._holds.values())

    async def standing(self) -> int:
        """See `Ledger.standing`."""
        return sum(hold.phase in STANDING for hold in self._holds.values())

    async def due(self) -> tuple[Hold, ...]:
        """See `Ledger.due`."""
        now = self._clock()
        times = ((steps.next_look(hold), name) for name, hold in self._pending.items())
        late = sorted((at, name) for at, name in times if at is not None and at <= now)
        return tuple(self._pending[name] for _, name in late[:_BATCH])

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

    def _claim(self, hold: Hold) -> Hold:
        """Enter the hold's call as this session's, unless it is another's."""
        if hold.call_id is not None:
            call = hold.provider, hold.call_id
            if call not in self._sessions:
                self._sessions[call] = hold.session
                self._calls.setdefault(hold.session, []).append(call)
            elif self._sessions[call] != hold.session:
                raise DuplicateCall(hold.call_id)
        return hold

    def _put(self, hold: Hold) -> Hold:
        known = self._holds.get(hold.session)
        if known is not None and known.key is not None and hold.key is None:
            del self._keys[known.app, known.key]
        self._holds[hold.session] = hold
        self._pending.pop(hold.session, None)
        self._over.pop(hold.session, None)
        if steps.next_look(hold) is not None:
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
            self._pending.pop(name, None)
            if hold.key is not None:
                del self._keys[hold.app, hold.key]
            for call in self._calls.pop(name, ()):
                del self._sessions[call]

    def _move(self, hold: Hold) -> Hold:
        """Keep the hold; add the line that its phase gives, and move the credits that it stands for."""
        kind = steps.MOVED_BY.get(hold.phase)
        if kind is not None:
            reserved, captured = (sign * hold.credits for sign in steps.MOVES[kind])
            balance = self._balance(hold.owner)
            self._balances[hold.owner] = replace(
                balance, reserved=balance.reserved + reserved, captured=balance.captured + captured
            )
            self._entries.append(Entry(kind, hold.session, hold.app, hold.owner, hold.credits, self._clock()))
        return self._put(hold)
