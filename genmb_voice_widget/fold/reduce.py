"""Which handler an event goes to.

The twin is js/src/fold/reduce.ts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from genmb_voice_widget.protocol import Direction, Event, canonical
from genmb_voice_widget.reading import name

if TYPE_CHECKING:
    from genmb_voice_widget.state import State


@cache
def handlers() -> Mapping[Direction, Mapping[str, Callable[[State, Event], None]]]:
    """Load what handles events when the first one comes: an agent is made sooner without."""
    from . import items, lifecycle, replies

    return {
        "own": lifecycle.OWN,
        "in": lifecycle.IN | items.IN | replies.IN,
        "out": lifecycle.OUT | items.OUT,
    }


def reduce(state: State, direction: Direction, event: Event) -> None:
    """Change the state as the event says, whichever of its names (GA, beta, Voice Live) it bears."""
    event = canonical(event)
    handler = handlers()[direction].get(name(event.get("type")) or "")
    if handler is not None:
        handler(state, event)
