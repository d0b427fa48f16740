"""What events about the session as a whole do: our own, the provider's session and errors.

The twin is js/src/fold/lifecycle.ts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from genmb_voice_widget.protocol import Event, SessionStatus, load, problem
from genmb_voice_widget.reading import count, name, record, text

from .facts import Session, session_from_json
from .turn import reached

if TYPE_CHECKING:
    from genmb_voice_widget.state import State


def status_changed(state: State, event: Event) -> None:
    """Move to a status that may follow; the code says why, unless an error has said so just before."""
    status, code = text(event.get("status")), name(event.get("code"))
    if status not in load().status[state.status]:
        return
    state.status = cast(SessionStatus, status)
    if code is not None:
        why = problem(code)
        if not state.errors or state.errors[-1].code != why.code:
            state.add_error(why)
    if not load().status[state.status]:
        _close(state)


def session_described(state: State, event: Event) -> None:
    """Keep what the ticket said."""
    state.session = session_from_json({**event, "expires_at": None}, state.session)


def call_replaced(state: State, event: Event) -> None:
    """End what ran in the lost call: another has taken its place, with an id and an end of its own."""
    before = state.session or Session()
    state.session = replace(before, call_id=name(event.get("call_id")), expires_at=None)
    _close(state)


def error_of_ours(state: State, event: Event) -> None:
    """Show an error from the catalogue."""
    code, detail = name(event.get("code")) or "internal", text(event.get("detail"))
    state.add_error(problem(code, detail, name(event.get("item_id"))))


def snapshot(state: State, event: Event) -> None:
    """Replace the whole state."""
    state.restore(event.get("state"))


def session_reported(state: State, event: Event) -> None:
    """Keep what the provider says about the session; hearing from it means that the session is live."""
    reported = record(event.get("session"))
    output = record(record(reported.get("audio")).get("output"))
    known = Session(
        model=name(reported.get("model")),
        voice=_voice(output.get("voice")) or _voice(reported.get("voice")),
        expires_at=count(reported.get("expires_at")),
    )
    state.session = session_from_json(known.to_json(), state.session)
    if state.status in ("idle", "connecting"):
        state.status = "live"


def error_reported(state: State, event: Event) -> None:
    """Show the provider's error, unless it only says that a race was lost.

    One that names an item, whose id its ``conversation.item.create`` has for an ``event_id``, is about that
    item; after any other no response is on its way.
    """
    error = record(event.get("error"))
    code, refused = text(error.get("code")), state.turn(name(error.get("event_id")) or "")
    if refused is None:
        state.awaiting = False
    else:
        state.put(reached(refused, "failed"))
    if code not in load().benign_errors:
        detail = name(error.get("message")) or name(code)
        known = "session_expired" if code == "session_expired" else "provider_error"
        state.add_error(problem(known, detail, refused.id if refused else None))


def response_requested(state: State, event: Event) -> None:
    """Wait for the response that we asked for, unless it is to run beside the conversation."""
    state.awaiting = state.awaiting or record(event.get("response")).get("conversation") != "none"


def _voice(voice: object) -> str | None:
    return name(voice) or name(record(voice).get("id")) or name(record(voice).get("name"))


def _close(state: State) -> None:
    for each, response in list(state.responses.items()):
        for turn in state.of_response(each):
            state.put(reached(turn, "interrupted") if turn.status == "in_progress" else turn)
        state.set_response(each, replace(response, playing=False, done=True))
    state.drop_speech()
    state.awaiting = False


OWN: dict[str, Callable[[State, Event], None]] = {
    "genmb.status": status_changed,
    "genmb.session": session_described,
    "genmb.reopened": call_replaced,
    "genmb.error": error_of_ours,
    "genmb.snapshot": snapshot,
}
IN: dict[str, Callable[[State, Event], None]] = {
    "session.created": session_reported,
    "session.updated": session_reported,
    "error": error_reported,
}
OUT: dict[str, Callable[[State, Event], None]] = {"response.create": response_requested}
