"""How one setting is read: from a TOML value, or from the text of an environment variable.

Each reader returns the value or raises `ValueError` with the rest of a sentence that begins with the
setting's name, as "must be a whole number from 0 to 65535". It never repeats what it was given: that may be a
secret.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any

from genmb_voice_widget.secret import Secret, is_sendable
from genmb_voice_widget.service.access.app_tokens import SHORTEST_KEY
from genmb_voice_widget.service.access.origins import is_origin

Reader = Callable[[Any], Any]

_HOST = re.compile(r"[a-z0-9_.-]+|\[[0-9a-f:.]+\]")
_HOOK = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def text(value: Any) -> str:
    """Read text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that is not empty")
    return value.strip()


def flag(value: Any) -> bool:
    """Read a yes or no."""
    match value:
        case bool():
            return value
        case "true" | "false":
            return bool(value == "true")
    raise ValueError("must be true or false")


def port(value: Any) -> int:
    """Read a port; 0 is any that is free."""
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{1,5}", value) else value
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 65535:
        raise ValueError("must be a port, a whole number from 0 to 65535")
    return number


def drain_seconds(value: Any) -> float:
    """Read the time for the end: two steps fit into it, and a supervisor waits for it."""
    number = float(value) if isinstance(value, str) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", value) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not 4 <= number <= 300:
        raise ValueError("must be seconds, a number from 4 to 300")
    return float(number)


def words(each: Callable[[Any], str]) -> Reader:
    """Read a list: a TOML array, or text with commas."""

    def read(value: Any) -> tuple[str, ...]:
        parts = (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )
        if not isinstance(parts, list):
            raise ValueError("must be a list, in the environment with commas between")
        return tuple(each(part) for part in parts)

    return read


def host(value: Any) -> str:
    """Read a name that requests are sent to (RFC 9110 §7.2): capitals and ports make no difference there."""
    name = bracketed(text(value).lower())
    if not _HOST.fullmatch(name):
        raise ValueError("must be a name without a port, such as app.example")
    return name


def bracketed(name: str) -> str:
    """Write an address as a URL has it: IPv6 in brackets (RFC 3986 §3.2.2)."""
    return f"[{name}]" if name.count(":") > 1 and not name.startswith("[") else name


def origin(value: Any) -> str:
    """Read a web origin: it is compared exactly (RFC 6454 §6.2), so a path or a capital never matches."""
    if not isinstance(value, str) or not is_origin(value):
        raise ValueError(
            "must be an origin such as https://app.example: small letters, punycode, no path, no usual port"
        )
    return value


def one_of(*names: str) -> Reader:
    """Read one of these names."""

    def read(value: Any) -> str:
        if value not in names:
            raise ValueError(f"must be one of {', '.join(names)}")
        return str(value)

    return read


def access(value: Any) -> str:
    """Read who may ask."""
    if value not in ("open", "apps"):
        raise ValueError('must be "open" or "apps"')
    return str(value)


def database(value: Any) -> Secret:
    """Read where the tables are: a file, or PostgreSQL's address."""
    address = text(value)
    scheme, found, _ = address.partition("://")
    if found and scheme not in ("postgresql", "postgres"):
        raise ValueError("must be a file's path, or postgresql://USER:PASSWORD@HOST/NAME")
    return Secret(address)


def redis(value: Any) -> Secret:
    """Read where Redis is."""
    address = text(value)
    if not address.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must be redis://HOST:PORT/NUMBER, or rediss:// for TLS")
    return Secret(address)


def signing_key(value: Any) -> Secret:
    """Read what tokens are signed with."""
    if not isinstance(value, str) or not is_sendable(value) or len(value) < SHORTEST_KEY:
        raise ValueError(
            f"must have at least {SHORTEST_KEY} characters and no blanks: "
            'python -c "import secrets; print(secrets.token_urlsafe(32))" makes one'
        )
    return Secret(value)


def key(value: Any) -> Secret:
    """Read a key of a service."""
    if not isinstance(value, str) or not is_sendable(value):
        raise ValueError("must be a key: visible characters, without blanks or line ends")
    return Secret(value)


def hook(value: Any) -> str:
    """Read where a function is."""
    if not isinstance(value, str) or not _HOOK.fullmatch(value):
        raise ValueError("must name a function as module:function")
    return value


def option(reader: Reader) -> Reader:
    """Have a reader speak as a command line's options do; what was typed there is shown."""

    def checked(given: str) -> Any:
        try:
            return reader(given)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{given!r} {error}") from None

    return checked
