"""The register of apps in a database: the tables `apps` and `app_origins`. It knows no key, only hashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from genmb_voice_widget.service.database import Database, Row, Transaction

from .apps import App

_SELECT = (
    "SELECT a.id, a.owner, a.plan, a.key_hash, a.tokens_only, a.revoked, o.origin"
    " FROM apps a LEFT JOIN app_origins o ON o.app = a.id"
)
"""A row for each origin of an app, and one for an app that has none."""


class SqlApps:
    """`Apps` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, id: str) -> App | None:
        """See `Apps.find`."""
        return next(_apps(await self._rows(f"{_SELECT} WHERE a.id = ? ORDER BY o.place", id)), None)

    async def add(self, app: App) -> bool:
        """See `Apps.add`."""

        async def work(transaction: Transaction) -> bool:
            rows = await transaction.rows(
                "INSERT INTO apps (id, owner, plan, key_hash, tokens_only, revoked, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING id",
                app.id,
                app.owner,
                app.plan,
                app.key_hash,
                int(app.tokens_only),
                int(app.revoked),
                transaction.now,
            )
            if rows:
                await _enter(transaction, app.id, app.origins)
            return bool(rows)

        return await self._database.transact(work)

    async def change(self, app: App) -> bool:
        """See `Apps.change`."""

        async def work(transaction: Transaction) -> bool:
            rows = await transaction.rows(
                "UPDATE apps SET plan = ?, key_hash = ?, tokens_only = ?"
                " WHERE id = ? AND revoked = 0 RETURNING id",
                app.plan,
                app.key_hash,
                int(app.tokens_only),
                app.id,
            )
            if rows:
                await transaction.rows("DELETE FROM app_origins WHERE app = ?", app.id)
                await _enter(transaction, app.id, app.origins)
            return bool(rows)

        return await self._database.transact(work)

    async def revoke(self, id: str) -> bool:
        """See `Apps.revoke`."""
        return bool(await self._rows("UPDATE apps SET revoked = 1 WHERE id = ? RETURNING id", id))

    async def all(self) -> tuple[App, ...]:
        """See `Apps.all`."""
        return tuple(_apps(await self._rows(f"{_SELECT} ORDER BY a.n, o.place")))

    async def origin_known(self, origin: str) -> bool:
        """See `Apps.origin_known`."""
        statement = (
            "SELECT 1 FROM app_origins o JOIN apps a ON a.id = o.app"
            " WHERE o.origin = ? AND a.revoked = 0 LIMIT 1"
        )
        return bool(await self._rows(statement, origin))

    async def _rows(self, statement: str, *values: object) -> list[Row]:
        async def work(transaction: Transaction) -> list[Row]:
            return await transaction.rows(statement, *values)

        return await self._database.transact(work)


async def _enter(transaction: Transaction, app: str, origins: Iterable[str]) -> None:
    for place, origin in enumerate(origins):
        await transaction.rows(
            "INSERT INTO app_origins (origin, app, place) VALUES (?, ?, ?)", origin, app, place
        )


def _apps(rows: Iterable[Row]) -> Iterator[App]:
    """Make apps of the rows of `_SELECT`, where an app's stand together."""
    for (id, owner, plan, key_hash, tokens_only, revoked), own in groupby(rows, lambda row: row[:6]):
        origins = tuple(origin for *_, origin in own if origin is not None)
        yield App(id, owner, plan, origins, key_hash, bool(tokens_only), bool(revoked))
