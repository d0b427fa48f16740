"""Which handler an event goes to.

The twin is js/src/fold/reduce.ts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from genmb_voice_widget.protocol import Direction, Event, canonical
from genmb_voice_widget.reading import name

from . import items, lifecycle, replies

if TYPE_CHECKING:
    from genmb_voice_widget.state import State

HANDLERS = {
    "own": lifecycle.OWN,
    "in": lifecycle.IN | items.IN | replies.IN,
    "out": lifecycle.OUT | items.OUT,
}


def reduce(state: State, direction: Direction, event: Event) -> None:
    """Change the state as the event says, whichever of its names (GA, beta, Voice Live) it bears."""
    event = canonical(event)
    handler = HANDLERS[direction].get(name(event.get("type")) or "")
    if handler is not None:
        handler(state, event)
