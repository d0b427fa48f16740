"""Who may open a session: the peer's own secret, and the ephemeral secrets made with it.

Pure but for randomness. Owns the secrets' lives and the session settings bound to them; knows no HTTP. It
keeps digests, so nothing that shows this object shows a secret.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .shapes import Json, number, one_of, record
from .wire_error import WireError

_EXPIRES_AFTER = record({"anchor": one_of("created_at"), "seconds": number(10, 7200, whole=True)})


@dataclass(frozen=True, slots=True)
class Grant:
    """What a credential allows: `session` is what an ephemeral secret was made for, None the peer's own."""

    session: Json | None


class Secrets:
    """The credentials that open this peer. `clock` gives unix seconds."""

    def __init__(self, secret: str, clock: Callable[[], float]) -> None:
        self._own = _digest(secret)
        self._clock = clock
        self._made: dict[bytes, tuple[int, Json]] = {}

    def make(self, session: Json, expires_after: Any, default_life: int) -> tuple[str, int]:
        """Make an ephemeral secret for `session`; returns it with its expiry in unix seconds.

        It opens any number of sessions until then (OpenAI Realtime API reference, client secrets).
        """
        life = _EXPIRES_AFTER({} if expires_after is None else expires_after, "expires_after")
        self._forget_expired()
        expires_at = int(self._clock()) + life.get("seconds", default_life)
        value = f"ek_{secrets.token_hex(16)}"
        self._made[_digest(value)] = expires_at, session
        return value, expires_at

    def check(self, credential: str | None) -> Grant:
        """Return what a credential allows. Raises `WireError` for one that is absent, wrong or expired."""
        if not credential:
            raise WireError("You didn't provide an API key.", "missing_api_key")
        self._forget_expired()
        key = _digest(credential)
        if hmac.compare_digest(key, self._own):
            return Grant(None)
        if key in self._made:
            return Grant(self._made[key][1])
        raise WireError("Incorrect or expired API key provided.", "invalid_api_key")

    def _forget_expired(self) -> None:
        """Keep no settings of secrets that open nothing any more."""
        now = self._clock()
        self._made = {key: kept for key, kept in self._made.items() if kept[0] > now}


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()
