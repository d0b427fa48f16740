"""What a ledger in a database asks it, in words that SQLite and PostgreSQL both know.

Question marks stand for values. The tables are in `service/database/schema.sql`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from . import Former, Hold

_BATCH = 100
_NAMES = [field.name for field in fields(Hold)]
_COLUMNS = ", ".join(_NAMES)
_MARKS = ", ".join("?" for _ in _NAMES)
_CHANGING = ("due", "key", "call_id", "phase", "reason", "answered", "began", "ended", "again", "former")

BALANCE = "SELECT granted, reserved, captured FROM accounts WHERE owner = ?"
GRANT = """
INSERT INTO accounts (owner, granted, reserved, captured) VALUES (?, ?, 0, 0)
ON CONFLICT (owner) DO UPDATE SET granted = accounts.granted + excluded.granted
RETURNING granted, reserved, captured"""
LOCK = """
INSERT INTO accounts (owner, granted, reserved, captured) VALUES (?, 0, 0, 0)
ON CONFLICT (owner) DO UPDATE SET granted = accounts.granted
RETURNING granted, reserved, captured"""
MOVE = "UPDATE accounts SET reserved = reserved + ?, captured = captured + ? WHERE owner = ?"
ENTRY = "INSERT INTO entries (kind, session, app, owner, credits, at) VALUES (?, ?, ?, ?, ?, ?)"

FIND = f"SELECT {_COLUMNS} FROM holds WHERE session = ?"  # noqa: S608
KNOWN = f"""
SELECT {_COLUMNS} FROM holds WHERE session = ? OR (app = ? AND key = ?)
ORDER BY CASE session WHEN ? THEN 0 ELSE 1 END LIMIT 1"""  # noqa: S608
DUE = f"""
SELECT {_COLUMNS} FROM holds WHERE coalesce(again, due) <= ?
ORDER BY coalesce(again, due), session LIMIT {_BATCH}"""  # noqa: S608
OF_APP = f"SELECT {_COLUMNS} FROM holds WHERE app = ? AND ended IS NULL ORDER BY session"  # noqa: S608
LIVE = "SELECT count(*) FROM holds WHERE app = ? AND ended IS NULL"
STANDING = "SELECT count(*) FROM holds WHERE ended IS NULL"
UNSETTLED = "SELECT 1 FROM holds WHERE coalesce(again, due) IS NOT NULL LIMIT 1"
ADD = f"INSERT INTO holds ({_COLUMNS}) VALUES ({_MARKS}) ON CONFLICT DO NOTHING RETURNING session"  # noqa: S608
CHANGE = f"UPDATE holds SET {', '.join(f'{name} = ?' for name in _CHANGING)} WHERE session = ?"  # noqa: S608

CLAIM = (
    "INSERT INTO calls (provider, call_id, session) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING session"
)
CLAIMED = "SELECT session FROM calls WHERE provider = ? AND call_id = ?"

BAR = "UPDATE holds SET reason = ? WHERE app = ? AND (phase = 'ending' OR phase = 'over' AND ended > ?)"

LEASE = """
INSERT INTO leases (name, holder, until) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE leases.holder = excluded.holder OR leases.until <= ?
RETURNING name"""


def values(hold: Hold) -> list[Any]:
    """Give what `ADD` stores of a hold."""
    return [_stored(hold, name) for name in _NAMES]


def changing(hold: Hold) -> list[Any]:
    """Give what `CHANGE` stores of a hold."""
    return [_stored(hold, name) for name in _CHANGING]


def hold(row: Sequence[Any]) -> Hold:
    """Read what `values` stored."""
    former = tuple(Former(*each) for each in json.loads(row[-1]))
    return Hold(*(*row[:-1], former))


def _stored(hold: Hold, name: str) -> Any:
    return json.dumps(hold.former) if name == "former" else getattr(hold, name)
