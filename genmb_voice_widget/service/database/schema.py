"""The tables: makes them where there are none, and refuses those of another version of this package.

The tables themselves are in `schema.sql`, what the two databases say differently in `schema_sqlite.sql` and
`schema_postgres.sql`. It knows no connection.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Literal

from genmb_voice_widget.service.problems import Refusal

from . import Transaction

VERSION = 3
"""The version of these tables; a change to the files makes it the next."""

_NOT_CARRIED_OVER = (
    "Before 1.0 tables are not carried over: name a new database and enter the apps and their credits again, "
    "or run the release that made this one"
)

Dialect = Literal["sqlite", "postgres"]

_FIND: dict[Dialect, str] = {
    "sqlite": "SELECT name FROM sqlite_master WHERE name = 'schema_version'",
    "postgres": "SELECT 1 WHERE to_regclass('schema_version') IS NOT NULL",
}
_NUMBERED: dict[Dialect, str] = {
    "sqlite": "INTEGER PRIMARY KEY",
    "postgres": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
}


async def prepare(tx: Transaction, dialect: Dialect) -> None:
    """Make the tables if there are none; of all who want that, one at a time may be in here.

    Raises:
        Refusal: `database_of_another_release`, when the tables are of another version.
    """
    if not await tx.rows(_FIND[dialect]):
        for statement in statements(dialect):
            await tx.rows(statement)
        await tx.rows("INSERT INTO schema_version (version) VALUES (?)", VERSION)
    match await tx.rows("SELECT version FROM schema_version"):
        case [(int(version),)] if version == VERSION:
            return
        case [(int(version),)] if version > VERSION:
            why = f"a newer release's (version {version}); this one knows {VERSION}. Run that release"
        case [(int(version),)]:
            why = f"an older release's (version {version}); this one needs {VERSION}. {_NOT_CARRIED_OVER}"
        case _:
            why = "of no release that is known here. Use a database of this service's own"
    raise Refusal("database_of_another_release", f"The database's tables are {why}.")


def statements(dialect: Dialect) -> Iterator[str]:
    """Give the statements that make the tables, in order."""
    for name in ("schema.sql", f"schema_{dialect}.sql"):
        text = files(__package__).joinpath(name).read_text(encoding="utf-8")
        yield from _split(text.replace("INTEGER PRIMARY KEY", _NUMBERED[dialect]))


def _split(text: str) -> Iterator[str]:
    """Take statements apart: each ends with a line that ends in a semicolon."""
    statement: list[str] = []
    for line in text.splitlines():
        if line and not line.startswith("--"):
            statement.append(line)
            if line.endswith(";"):
                yield "\n".join(statement)
                statement = []
