"""What of an exception may stand in a log: its kind and its places, for its text may hold what was said."""

from __future__ import annotations

import traceback


def places(error: BaseException) -> str:
    """Name its kind and the lines of code that it came through, the innermost last."""
    return f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"
