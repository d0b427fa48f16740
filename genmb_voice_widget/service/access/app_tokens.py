"""App tokens: signed, short-lived leave to ask for an app, which its server gives to a page or a user.

JSON Web Tokens (RFC 7519) with `gvt_` before them, signed with the service's own key by HS256 and nothing
else; the claims are exactly the ones below (RFC 8725 §3). They need no look-up, but the app of one is looked
up, so a token dies with its app, and with the key that it was made with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from genmb_voice_widget.secret import Secret

PREFIX = "gvt_"
LONGEST = 3600
"""Seconds that a token may be good for."""
TO_END = 2 * 3600
"""Seconds after its time in which a token may still end a session: no plan's lasts longer than an hour."""
SHORTEST_KEY = 32
"""Bytes of a signing key (RFC 7518 §3.2: as long as the hash)."""

_ALGORITHM = "HS256"
_AUDIENCE = "genmb-voice"
_MEMBERS = {"aud", "sub", "iat", "exp", "key"}
_OPTIONAL = {"origin"}
_LONGEST_TOKEN = 2048
_AHEAD = 60
"""Seconds by which the clocks of two nodes may differ."""


@dataclass(frozen=True)
class Leave:
    """What a token says.

    Attributes:
        app: who may be asked for.
        key: the mark of the app's key that it was made with (`app_keys.mark_of`).
        expires_at: until when, in unix seconds.
        origin: the only origin whose pages may use it; `None`: any of the app's, and servers.
    """

    app: str
    key: str
    expires_at: int
    origin: str | None = None


class AppTokens:
    """Makes tokens and reads them.

    Args:
        key: the signing key, the same on every node.
        clock: unix seconds.
    """

    def __init__(self, key: Secret, clock: Callable[[], float]) -> None:
        if len(key.reveal().encode()) < SHORTEST_KEY:
            raise ValueError(f"the signing key must have at least {SHORTEST_KEY} bytes")
        import jwt

        self._jwt = jwt
        self._key = key
        self._clock = clock

    def issue(self, app: str, key: str, seconds: int, origin: str | None = None) -> tuple[Secret, Leave]:
        """Make a token for `seconds`, which is at most `LONGEST`."""
        now = int(self._clock())
        leave = Leave(app, key, now + min(seconds, LONGEST), origin)
        claims = {"aud": _AUDIENCE, "sub": app, "iat": now, "exp": leave.expires_at, "key": key}
        claims |= {} if origin is None else {"origin": origin}
        token = self._jwt.encode(claims, self._key.reveal(), algorithm=_ALGORITHM)
        return Secret(PREFIX + token), leave

    def read(self, token: str, late: int = 0) -> Leave | None:
        """Read a token, up to `late` seconds after its time; `None`: no token of ours, or not good now."""
        jwt = self._jwt
        if len(token) > _LONGEST_TOKEN or not token.startswith(PREFIX):
            return None
        try:
            decoded = jwt.decode_complete(
                token.removeprefix(PREFIX),
                self._key.reveal(),
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                # Times are checked below, by the clock that the service was given.
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "strict_aud": True},
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        return self._leave(decoded["payload"], late) if set(decoded["header"]) == {"alg", "typ"} else None

    def _leave(self, claims: dict[str, Any], late: int) -> Leave | None:
        if not _MEMBERS <= set(claims) <= _MEMBERS | _OPTIONAL:
            return None
        now = self._clock()
        match claims:
            case {"sub": str(app), "iat": int(issued), "exp": int(expires), "key": str(key)} if (
                issued - _AHEAD <= now < expires + late and expires <= issued + LONGEST
            ):
                origin = claims.get("origin")
                if isinstance(origin, str | None):
                    return Leave(app, key, expires, origin)
        return None
