"""Reading JSON that somebody else wrote: each function takes anything and answers with one kind of value.

It must not know what the values mean. The twin is js/src/reading.ts: both accept exactly the same values,
which is why whole floats are integers here (JSON's ``1.0`` is ``1`` in a browser), booleans never are, and
integers end where a browser's do.
"""

import math
from typing import Any

LARGEST = 2**53 - 1
"""The largest integer that both languages hold exactly; sums stop there."""


def record(value: object) -> dict[str, Any]:
    """Give the object itself, or an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def elements(value: object) -> list[Any]:
    """Give the array itself, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def text(value: object) -> str | None:
    """Give the string, which may be empty, or None; half a surrogate pair is read as U+FFFD.

    Nothing else could be written as UTF-8.
    """
    return well_formed(value) if isinstance(value, str) else None


def piece(value: object) -> str | None:
    """Give a string that continues another and is continued, or None.

    Half a surrogate pair may stand at its ends.
    """
    return value if isinstance(value, str) else None


def name(value: object) -> str | None:
    """Give the string if it can name something (it is not empty), or None."""
    return text(value) or None


def well_formed(value: str) -> str:
    """Join the surrogate pairs that are in two halves, and put U+FFFD for every half that is alone."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def number(value: object) -> float | None:
    """Give a number from 0 to LARGEST, or None; whole numbers are given as int."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= LARGEST:  # also false for NaN
        return None
    return math.floor(value) if value == math.floor(value) else value


def count(value: object) -> int | None:
    """Give a whole number from 0 to LARGEST, or None."""
    found = number(value)
    return found if isinstance(found, int) else None
