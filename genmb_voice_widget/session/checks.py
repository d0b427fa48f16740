"""Whether an option's value is one that it can have; who gave another is told which it can have.

It must not know the options.
"""

from __future__ import annotations

from typing import Any

from genmb_voice_widget.errors import VoiceError


def check(name: str, good: bool, wanted: str) -> None:
    """Let pass what is good.

    Raises:
        VoiceError: `bad_option`, naming the option and what is wanted; not the value, which may be a secret.
    """
    if not good:
        raise VoiceError("bad_option", f"{name} must be {wanted}.")


def check_text(name: str, value: object, or_none: bool = False) -> None:
    """Check for a text that is not blank."""
    good = isinstance(value, str) and bool(value.strip())
    check(name, good or (or_none and value is None), "a text that is not empty" + ", or None" * or_none)


def check_number(name: str, value: object, least: float, most: float, or_none: bool = False) -> None:
    """Check for a number from `least` to `most`."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most
    wanted = f"a number from {least} to {most}" + ", or None" * or_none
    check(name, good or (or_none and value is None), wanted)


def check_whole(
    name: str, value: object, least: int, most: int, unit: str = "", or_none: bool = False
) -> None:
    """Check for a whole number from `least` to `most`; `unit` says of what, as "milliseconds"."""
    good = type(value) is int and least <= value <= most
    kind = f"whole {unit}" if unit else "a whole number"
    check(name, good or (or_none and value is None), f"{kind} from {least} to {most}" + ", or None" * or_none)


def check_flag(name: str, value: object) -> None:
    """Check for True or False."""
    check(name, type(value) is bool, "True or False")


def check_one_of(name: str, value: Any, known: tuple[str, ...], or_none: bool = False) -> None:
    """Check for one of some words."""
    good = isinstance(value, str) and value in known
    said = [repr(word) for word in known] + ["None"] * or_none
    check(name, good or (or_none and value is None), f"{', '.join(said[:-1])} or {said[-1]}")
