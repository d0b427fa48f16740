"""A credential that does not show itself in a repr, a log line or a verbose traceback.

It must not know what it opens.
"""

from __future__ import annotations

import re

_SENDABLE = re.compile(r"[!-~]{1,8192}")


class Secret:
    """Holds a string; only `reveal()`, where it is sent, gives it out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the credential."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(****)"


def is_sendable(value: str) -> bool:
    """Tell whether a header can carry it: visible ASCII, so no blank and no line end, and not too long."""
    return bool(_SENDABLE.fullmatch(value))
