"""App keys: `gvk_{app id}_{secret}`, the secret 256 random bits in base64url, 43 characters.

The prefix lets people and secret scanners recognise one; the id inside says which hash to compare with. Keys
are random, so a plain hash of one cannot be searched, unlike a password's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

from genmb_voice_widget.secret import Secret

PREFIX = "gvk_"
APP_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
"""What an app may be called: it stands in addresses, so it needs no escape there."""

_KEY = re.compile(rf"{PREFIX}({APP_ID.pattern})_[A-Za-z0-9_-]{{43}}")
_NOBODYS = hashlib.sha256(secrets.token_bytes(32)).hexdigest()


def new_key(app: str) -> Secret:
    """Make a key for the app."""
    return Secret(f"{PREFIX}{app}_{secrets.token_urlsafe(32)}")


def hash_key(key: Secret) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(key.reveal().encode()).hexdigest()


def mark_of(key_hash: str) -> str:
    """Return what a token says of the key that it was made with; it tells neither the key nor its hash."""
    return hashlib.sha256(f"token of {key_hash}".encode()).hexdigest()[:16]


def app_of(key: str) -> str | None:
    """Read which app a key is for; `None`: it is no key."""
    match = _KEY.fullmatch(key)
    return match and match[1]


def opens(key: str, key_hash: str | None) -> bool:
    """Compare a key with what is kept of the app's; an app that does not exist takes as long and says no."""
    hashed = hashlib.sha256(key.encode()).hexdigest()
    return hmac.compare_digest(hashed, key_hash or _NOBODYS) and key_hash is not None
