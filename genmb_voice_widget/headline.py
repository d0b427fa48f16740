"""An agent in one line, as a notebook prints it: the same in every run, so that outputs can be compared."""

from __future__ import annotations

from .state import State


def headline(state: State, provider: str) -> str:
    """Say who answers (`provider` until the state knows), how it stands, and how much was said."""
    turns = len(state.turns)
    asked = (state.session and state.session.provider) or provider
    failure = f": {state.errors[-1].code}" if state.status == "failed" and state.errors else ""
    return f"VoiceAgent({asked} · {state.status}{failure} · {turns} turn{'' if turns == 1 else 's'})"
