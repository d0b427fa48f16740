"""Ids, and the padding of deltas: what of the wire is random."""

from __future__ import annotations

import random
import secrets
import string


def new_id(kind: str) -> str:
    """Return an id of the wire's shape: `sess_`, `item_`, `resp_`, `call_`, `rtc_` … and 32 hex digits."""
    return f"{kind}_{secrets.token_hex(16)}"


def padding(delta: str) -> str:
    """Return an `obfuscation` that brings a delta to a multiple of 16 characters, as recorded."""
    letters = string.ascii_letters + string.digits
    return "".join(random.choices(letters, k=16 - len(delta) % 16))  # noqa: S311
