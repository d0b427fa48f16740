"""The register of apps in a database: the table `apps`. It knows no key, only hashes."""

from __future__ import annotations

import json

from genmb_voice_widget.service.database import Database, Row, Transaction

from .apps import App

_COLUMNS = "id, owner, plan, origins, key_hash, revoked"


class SqlApps:
    """`Apps` in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, id: str) -> App | None:
        """See `Apps.find`."""
        rows = await self._rows(f"SELECT {_COLUMNS} FROM apps WHERE id = ?", id)  # noqa: S608
        return _app(rows[0]) if rows else None

    async def add(self, app: App) -> bool:
        """See `Apps.add`."""

        async def work(transaction: Transaction) -> bool:
            rows = await transaction.rows(
                "INSERT INTO apps (id, owner, plan, origins, key_hash, revoked, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING id",
                app.id,
                app.owner,
                app.plan,
                json.dumps(app.origins),
                app.key_hash,
                int(app.revoked),
                transaction.now,
            )
            return bool(rows)

        return await self._database.transact(work)

    async def change(self, app: App) -> bool:
        """See `Apps.change`."""
        statement = (
            "UPDATE apps SET plan = ?, origins = ?, key_hash = ? WHERE id = ? AND revoked = 0 RETURNING id"
        )
        return bool(await self._rows(statement, app.plan, json.dumps(app.origins), app.key_hash, app.id))

    async def revoke(self, id: str) -> bool:
        """See `Apps.revoke`."""
        return bool(await self._rows("UPDATE apps SET revoked = 1 WHERE id = ? RETURNING id", id))

    async def all(self) -> tuple[App, ...]:
        """See `Apps.all`."""
        rows = await self._rows(f"SELECT {_COLUMNS} FROM apps ORDER BY n")  # noqa: S608
        return tuple(map(_app, rows))

    async def origin_known(self, origin: str) -> bool:
        """See `Apps.origin_known`."""
        # The text holds the origin as JSON writes it, in quotes; an origin has nothing that LIKE would read.
        rows = await self._rows(
            "SELECT origins FROM apps WHERE revoked = 0 AND origins LIKE ?", f'%"{origin}"%'
        )
        return any(origin in json.loads(origins) for (origins,) in rows)

    async def _rows(self, statement: str, *values: object) -> list[Row]:
        async def work(transaction: Transaction) -> list[Row]:
            return await transaction.rows(statement, *values)

        return await self._database.transact(work)


def _app(row: Row) -> App:
    id, owner, plan, origins, key_hash, revoked = row
    return App(id, owner, plan, tuple(json.loads(origins)), key_hash, bool(revoked))
