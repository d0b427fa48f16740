"""Which database the settings want: SQLite in a file, or PostgreSQL."""

from __future__ import annotations

from pathlib import Path

from genmb_voice_widget.service.settings import Settings, SettingsError, not_installed

from . import Database

_POSTGRES = ("postgresql://", "postgres://")


def is_shared(settings: Settings) -> bool:
    """Tell whether it is PostgreSQL, which is there for several nodes."""
    return settings.database is not None and settings.database.reveal().startswith(_POSTGRES)


def open_database(settings: Settings) -> Database:
    """Return the database of the settings, not yet asked.

    Raises:
        SettingsError: there is none, or its address is none.
    """
    if settings.database is None:
        raise SettingsError("Apps are kept in a database: set database, or GENMB_VOICE_DATABASE.")
    if not is_shared(settings):
        from .sqlite import SqliteDatabase

        return SqliteDatabase(Path(settings.database.reveal()))
    try:
        from .postgres import PostgresDatabase

        return PostgresDatabase(settings.database)
    except ModuleNotFoundError as missing:
        raise not_installed(missing) from None
    except ValueError as error:
        raise SettingsError(f"The setting database: {error}.") from None
