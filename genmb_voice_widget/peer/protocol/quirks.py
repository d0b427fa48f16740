"""How the events of the services that speak the GA wire differ: values. Why is said with the personas."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quirks:
    """Differences of one service.

    `part_twice`: `response.content_part.*` carry the part a second time, as `content`. `tells_limits`:
    `rate_limits.updated` follows each response. `without`: members of `session` that are unknown there.
    """

    part_twice: bool = False
    tells_limits: bool = True
    without: frozenset[str] = frozenset()


NONE = Quirks()
