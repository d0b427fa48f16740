"""The phases that a session's hold goes through, the steps between them, and what each means in money."""

from __future__ import annotations

from typing import Literal

Phase = Literal["reserved", "live", "ending", "over", "closing", "released"]
Money = Literal["reserved", "captured", "released"]
Step = Literal["capture", "close", "expire", "settle"]

STEPS: dict[tuple[Phase, Step], Phase] = {
    ("reserved", "capture"): "live",
    ("reserved", "close"): "closing",
    ("reserved", "expire"): "closing",
    ("live", "close"): "ending",
    ("live", "expire"): "ending",
    ("closing", "settle"): "released",
    ("ending", "settle"): "over",
}
"""Every step there is; any other changes nothing, which makes each safe to repeat."""

MONEY: dict[Phase, Money] = {
    "reserved": "reserved",
    "closing": "reserved",
    "live": "captured",
    "ending": "captured",
    "over": "captured",
    "released": "released",
}

STANDING: tuple[Phase, ...] = ("reserved", "live", "closing", "ending")
"""The phases of a session that may still have a call."""

REVOKED = "app_revoked"
"""Why the sessions of an app end that is let in no more; none of them may be renewed."""
