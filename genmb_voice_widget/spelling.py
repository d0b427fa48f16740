"""What somebody who misspelt a name probably meant.

It must not know what the names are of.
"""

from __future__ import annotations

from collections.abc import Iterable


def meant(name: str, names: Iterable[str]) -> str | None:
    """Return the name that is closest to `name`, or None when none is close."""
    from difflib import get_close_matches  # an agent is made sooner without

    return next(iter(get_close_matches(name.lower(), list(names), n=1)), None)


def corrected(name: str, names: Iterable[str]) -> str:
    """Write a name that is none, with what was probably meant: `voise (did you mean voice?)`."""
    closest = meant(name, names)
    return f"{name} (did you mean {closest}?)" if closest else name
