"""The port to a database: short transactions of portable SQL, for SQLite and for PostgreSQL.

The statements are written once, with `?` for values and in the words that both understand (`RETURNING`,
`ON CONFLICT`); what differs is in `database_sqlite` and `database_postgres`. It knows no table.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

Row = tuple[Any, ...]


class Transaction(Protocol):
    """What work inside a transaction can do. It must await nothing else: SQLite's has no event loop."""

    now: float
    """Unix seconds by the database's clock, the same throughout the transaction."""

    async def rows(self, statement: str, *values: object) -> list[Row]:
        """Run one statement, and return the rows that it gives."""
        ...


Work = Callable[[Transaction], Coroutine[Any, Any, T]]


class Database(Protocol):
    """A database. Work that raises is rolled back.

    Raises:
        Refusal: `service_unavailable`, soon, when the database cannot be asked.
    """

    async def transact(self, work: Work[T]) -> T:
        """Run the work in one serialised transaction; when this returns, what it wrote is on the disk."""
        ...

    async def ready(self) -> None:
        """Return if the database can be asked now; creates the tables that are missing."""
        ...

    async def close(self) -> None:
        """Free what it holds, once what is under way is done."""
        ...
