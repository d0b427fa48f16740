"""The account in a database, for one node or several; always with a limit.

An owner without an account has no credits. What depends on a row is decided after that row was locked: first
the session's, then its owner's account. That an app has too many sessions standing is decided under its
owner's lock, so an app has one owner at a time.
"""

from __future__ import annotations

from collections.abc import Collection

from genmb_voice_widget.service.database import FOR_UPDATE, Database, Transaction

from . import Balance, DuplicateCall, Hold, Lacking, Wish, steps
from . import statements as ask
from .phases import REVOKED, STANDING, Step


class SqlLedger:
    """A `Ledger` in a database, which is closed with it: of those who share it, the ledger is closed last."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def balance(self, owner: str) -> Balance:
        """See `Ledger.balance`."""
        return await self._database.transact(lambda tx: _balance(tx, owner))

    async def grant(self, owner: str, credits: int) -> Balance:
        """See `Ledger.grant`."""
        if credits < 1:
            raise ValueError("credits are granted by whole numbers above zero")
        return await self._database.transact(lambda tx: _grant(tx, owner, credits))

    async def hold(self, wish: Wish) -> Hold | Lacking:
        """See `Ledger.hold`."""
        return await self._database.transact(lambda tx: _hold(tx, wish))

    async def answered(self, session: str, call_id: str | None, within: float) -> Hold:
        """See `Ledger.answered`."""
        return await self._database.transact(lambda tx: _answered(tx, session, call_id, within))

    async def renew(
        self, session: str, call_id: str | None, grace: float, max_live: int | None = None
    ) -> Hold | Lacking | None:
        """See `Ledger.renew`."""
        return await self._database.transact(lambda tx: _renew(tx, session, call_id, grace, max_live))

    async def step(self, session: str, step: Step, reason: str | None = None) -> Hold | None:
        """See `Ledger.step`."""
        return await self._database.transact(lambda tx: _step(tx, session, step, reason))

    async def leave(self, session: str, call_id: str) -> Hold | None:
        """See `Ledger.leave`."""
        return await self._database.transact(lambda tx: _leave(tx, session, call_id))

    async def tried(self, session: str, hung_up: Collection[str], give_up_after: float) -> Hold | None:
        """See `Ledger.tried`."""
        return await self._database.transact(lambda tx: _tried(tx, session, hung_up, give_up_after))

    async def close_app(self, app: str) -> int:
        """See `Ledger.close_app`."""
        return await self._database.transact(lambda tx: _close_app(tx, app))

    async def find(self, session: str) -> Hold | None:
        """See `Ledger.find`."""
        return await self._database.transact(lambda tx: _find(tx, ask.FIND, session))

    async def live(self, app: str) -> int:
        """See `Ledger.live`."""
        return await self._database.transact(lambda tx: _live(tx, app))

    async def standing(self) -> int:
        """See `Ledger.standing`."""
        return await self._database.transact(_standing)

    async def due(self) -> tuple[Hold, ...]:
        """See `Ledger.due`."""
        return await self._database.transact(_due)

    async def unsettled(self) -> bool:
        """See `Ledger.unsettled`."""
        return await self._database.transact(_unsettled)

    async def lease(self, name: str, holder: str, seconds: float) -> bool:
        """See `Ledger.lease`."""
        return await self._database.transact(lambda tx: _lease(tx, name, holder, seconds))

    async def ready(self) -> None:
        """See `Ledger.ready`."""
        await self._database.ready()

    async def close(self) -> None:
        """See `Ledger.close`."""
        await self._database.close()


async def _balance(tx: Transaction, owner: str) -> Balance:
    rows = await tx.rows(ask.BALANCE, owner)
    return Balance(*rows[0]) if rows else Balance(0, 0, 0)


async def _grant(tx: Transaction, owner: str, credits: int) -> Balance:
    [row] = await tx.rows(ask.GRANT, owner, credits)
    await tx.rows(ask.ENTRY, "grant", None, None, owner, credits, tx.now)
    return Balance(*row)


async def _hold(tx: Transaction, wish: Wish) -> Hold | Lacking:
    [account] = await tx.rows(ask.LOCK, wish.owner)
    if known := await _known(tx, wish):
        return known
    if wish.max_live is not None and await _live(tx, wish.app) >= wish.max_live:
        return Lacking("live")
    if (Balance(*account).available or 0) < wish.credits:
        return Lacking("credits")
    hold = steps.begun(wish, tx.now)
    while not await tx.rows(ask.ADD, *ask.values(hold)):
        # The same key came under another owner's lock; its hold may have given it up since.
        if known := await _known(tx, wish):
            return known
    await _move(tx, hold)
    return hold


async def _known(tx: Transaction, wish: Wish) -> Hold | None:
    return await _find(tx, ask.KNOWN, wish.session, wish.app, wish.key, wish.session)


async def _answered(tx: Transaction, session: str, call_id: str | None, within: float) -> Hold:
    hold = await _find(tx, ask.FIND + FOR_UPDATE, session)
    if hold is None:
        raise KeyError(session)
    answered = steps.answered(hold, call_id, within, tx.now)
    if answered is None:
        return hold
    await _claim(tx, answered)
    return await _change(tx, answered)


async def _renew(
    tx: Transaction, session: str, call_id: str | None, grace: float, max_live: int | None
) -> Hold | Lacking | None:
    hold = await _find(tx, ask.FIND + FOR_UPDATE, session)
    renewed = steps.renewed(hold, call_id, grace, tx.now) if hold else None
    if hold is None or renewed is None:
        return None
    if hold.phase not in STANDING and max_live is not None:
        await tx.rows(ask.LOCK, hold.owner)
        if await _live(tx, hold.app) >= max_live:
            return Lacking("live")
    await _claim(tx, renewed)
    return await _change(tx, renewed)


async def _step(tx: Transaction, session: str, step: Step, reason: str | None) -> Hold | None:
    hold = await _find(tx, ask.FIND + FOR_UPDATE, session)
    stepped = steps.stepped(hold, step, reason, tx.now) if hold else None
    if stepped is None:
        return hold
    await _move(tx, stepped)
    return await _change(tx, stepped)


async def _leave(tx: Transaction, session: str, call_id: str) -> Hold | None:
    hold = await _find(tx, ask.FIND + FOR_UPDATE, session)
    return None if hold is None else await _change(tx, steps.left(hold, call_id, tx.now))


async def _tried(
    tx: Transaction, session: str, hung_up: Collection[str], give_up_after: float
) -> Hold | None:
    hold = await _find(tx, ask.FIND + FOR_UPDATE, session)
    tried = steps.tried(hold, hung_up, give_up_after, tx.now) if hold else None
    if hold is None or tried is None:
        return None
    if tried.phase != hold.phase:
        await _move(tx, tried)
    return await _change(tx, tried)


async def _close_app(tx: Transaction, app: str) -> int:
    mine = [ask.hold(row) for row in await tx.rows(ask.OF_APP + FOR_UPDATE, app)]
    closed = [each for hold in mine if (each := steps.stepped(hold, "close", REVOKED, tx.now))]
    for hold in closed:
        await _change(tx, hold)
    await tx.rows(ask.BAR, REVOKED, app, tx.now - steps.RENEWABLE)
    return len(closed)


async def _live(tx: Transaction, app: str) -> int:
    [(count,)] = await tx.rows(ask.LIVE, app)
    return int(count)


async def _standing(tx: Transaction) -> int:
    [(count,)] = await tx.rows(ask.STANDING)
    return int(count)


async def _due(tx: Transaction) -> tuple[Hold, ...]:
    return tuple(ask.hold(row) for row in await tx.rows(ask.DUE, tx.now))


async def _unsettled(tx: Transaction) -> bool:
    return bool(await tx.rows(ask.UNSETTLED))


async def _lease(tx: Transaction, name: str, holder: str, seconds: float) -> bool:
    return bool(await tx.rows(ask.LEASE, name, holder, tx.now + seconds, tx.now))


async def _find(tx: Transaction, statement: str, *by: str | None) -> Hold | None:
    rows = await tx.rows(statement, *by)
    return ask.hold(rows[0]) if rows else None


async def _change(tx: Transaction, hold: Hold) -> Hold:
    await tx.rows(ask.CHANGE, *ask.changing(hold), hold.session)
    return hold


async def _claim(tx: Transaction, hold: Hold) -> None:
    """Enter the hold's call as this session's, unless it is another's."""
    if hold.call_id is None or await tx.rows(ask.CLAIM, hold.provider, hold.call_id, hold.session):
        return
    if await tx.rows(ask.CLAIMED, hold.provider, hold.call_id) != [(hold.session,)]:
        raise DuplicateCall(hold.call_id)


async def _move(tx: Transaction, hold: Hold) -> None:
    """Add the line that a new phase gives, and move the credits that it stands for."""
    kind = steps.MOVED_BY.get(hold.phase)
    if kind is not None:
        reserved, captured = steps.MOVES[kind]
        await tx.rows(ask.MOVE, reserved * hold.credits, captured * hold.credits, hold.owner)
        await tx.rows(ask.ENTRY, kind, hold.session, hold.app, hold.owner, hold.credits, tx.now)
