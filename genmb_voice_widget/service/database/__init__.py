"""The port to a database: short transactions of portable SQL, for SQLite and for PostgreSQL.

The statements are written once, with `?` for values and in the words that both understand (`RETURNING`,
`ON CONFLICT`); what differs is in `sqlite` and `postgres`. It knows no table.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from genmb_voice_widget.service.problems import Refusal

T = TypeVar("T")

Row = tuple[Any, ...]

FOR_UPDATE = " FOR UPDATE"
"""What a `SELECT` ends with that locks its rows until the transaction is over."""


class Transaction(Protocol):
    """What work inside a transaction can do. It must await nothing else: SQLite's has no event loop."""

    now: float
    """Unix seconds by the database's clock, the same throughout the transaction."""

    async def rows(self, statement: str, *values: object) -> list[Row]:
        """Run one statement, and return the rows that it gives.

        Text that a database cannot keep (NUL, half a surrogate pair) is written and looked for with U+FFFD
        in that place.
        """
        ...


Work = Callable[[Transaction], Coroutine[Any, Any, T]]


class Database(Protocol):
    """A database. Work that raises is rolled back.

    SQLite does one transaction after the other. PostgreSQL does several at a time, and each statement sees
    what was committed before it (READ COMMITTED): work that decides by what it has read reads it with
    `FOR_UPDATE`. A transaction that lost a race is done again from its start, so work has no other effects.

    Raises:
        Refusal: `service_unavailable`, soon, when the database cannot be asked.
    """

    async def transact(self, work: Work[T]) -> T:
        """Run the work in one transaction; when this returns, what it wrote is on the disk.

        Work that has begun comes to its end even if its caller is cancelled.
        """
        ...

    async def ready(self) -> None:
        """Return if the database can be asked now; creates the tables that are missing."""
        ...

    async def close(self) -> None:
        """Free what it holds, once what is under way is done."""
        ...


def unavailable() -> Refusal:
    """Answer for a database that cannot be asked just now."""
    return Refusal("service_unavailable", "The account cannot be asked just now.", retry_after=5.0)


def storable(value: object) -> object:
    """Make text such that both databases can keep it; anything else stays as it is."""
    if not isinstance(value, str) or (value.isascii() and "\0" not in value):
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
