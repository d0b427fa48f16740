"""What events about items do: the user's speech and its transcription, items put, cut and deleted.

Item events: OpenAI Realtime API reference, conversation.item and input_audio_buffer. The twin is
js/src/fold/items.ts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, cast, get_args

from genmb_voice_widget.protocol import Event, problem
from genmb_voice_widget.reading import count, elements, name, piece, record, text

from .turn import (
    Role,
    Turn,
    answered,
    appended,
    argued,
    attributed,
    called,
    closed,
    cut,
    filled,
    needing_text,
    reached,
)
from .usage import of_transcription

if TYPE_CHECKING:
    from genmb_voice_widget.state import State


CALLS = ("function_call", "mcp_call")
"""Both are turns of a tool: ours are called by the page or the kernel, those of MCP by the service."""

SEED = "seed_"
"""How the id of an item begins that only tells another call what a turn of an earlier one said."""


def open_turn(state: State, item: object, role: Role) -> Turn | None:
    """Give the turn of an item, made if the item is new; None for an item that is not a turn."""
    item_id = name(item)
    if item_id is None:
        return None
    if not state.known(item_id):
        state.place(item_id, None)
        state.put(Turn(item_id, role))
    return state.turn(item_id)


def fold_item(state: State, data: object, previous: str | None, response: str | None, done: bool) -> None:
    """Put an item as an event shows it.

    Args:
        state: changes.
        data: the item.
        previous: the id of the item that it follows, if the event says so.
        response: the id of the response that made it, if the event says so.
        done: whether the event says that the item is finished, even if its own status does not.
    """
    item = record(data)
    kind, role, item_id = item.get("type"), item.get("role"), name(item.get("id"))
    if item_id is not None and item_id.startswith(SEED):
        return
    output = text(item.get("output"))
    if kind == "function_call_output" and output is not None:
        for turn in state.of_call(name(item.get("call_id")) or ""):
            state.put(answered(turn, output))
    if item_id is None:
        return
    if kind in CALLS:
        role = "tool"
    elif kind == "message" and role not in get_args(Role):
        return
    if kind in (*CALLS, "message"):
        opened = open_turn(state, item_id, cast(Role, role))
        if opened is not None:
            whole = item.get("status") == "completed" or (done and item.get("status") is None)
            state.put(_described(opened, item, cast(Role, role), response, whole))
    state.place(item_id, previous)


def _described(turn: Turn, item: Event, role: Role, response: str | None, whole: bool) -> Turn:
    turn = attributed(turn, response)
    if role == "tool":
        arguments = name(item.get("arguments"))
        turn = called(turn, name(item.get("call_id")), name(item.get("name")))
        if arguments is not None and (whole or (turn.call and turn.call.arguments == "")):
            turn = argued(turn, arguments, whole)
    elif turn.call is None and turn.role != role:
        turn = replace(turn, role=role)
    for index, part in enumerate(map(record, elements(item.get("content")))):
        words = name(part.get("text")) or name(part.get("transcript"))
        if words is not None:
            turn = closed(turn, index, words) if whole else filled(turn, index, words)
    if item.get("type") == "mcp_call":
        turn = _served(turn, item)
    return reached(turn, "completed") if whole else turn


def _served(turn: Turn, item: Event) -> Turn:
    """Note what came of a call that the service made itself; an error is told like an output."""
    error, output = record(item.get("error")), text(item.get("output"))
    if output is None:
        output = name(error.get("message")) or name(error.get("type"))
    turn = turn if output is None else answered(turn, output)
    return reached(turn, "failed") if isinstance(item.get("error"), dict) else turn


def item_sent(state: State, event: Event) -> None:
    """Put an item that the conversation is to get."""
    fold_item(state, event.get("item"), name(event.get("previous_item_id")), None, done=False)


def item_added(state: State, event: Event) -> None:
    """Put an item that the conversation has got; what was typed is whole, and some services never say so."""
    item = event.get("item")
    fold_item(state, item, name(event.get("previous_item_id")), None, done=_typed(record(item)))


def _typed(item: Event) -> bool:
    content = elements(item.get("content"))
    return bool(content) and all(record(part).get("type") == "input_text" for part in content)


def item_done(state: State, event: Event) -> None:
    """Finish an item."""
    fold_item(state, event.get("item"), name(event.get("previous_item_id")), None, done=True)


def item_deleted(state: State, event: Event) -> None:
    """Take a turn away; its place stays, so that what follows it stands where it stood."""
    state.withdraw(name(event.get("item_id")) or "")


def item_truncated(state: State, event: Event) -> None:
    """Cut a reply where its playback ended."""
    turn, end = state.turn(name(event.get("item_id")) or ""), count(event.get("audio_end_ms"))
    if turn is not None and turn.role == "assistant":
        state.put(reached(turn, "interrupted") if end is None else cut(turn, end))


def transcription_delta(state: State, event: Event) -> None:
    """Add to what the user said."""
    turn, delta = open_turn(state, event.get("item_id"), "user"), piece(event.get("delta"))
    if turn is not None and delta is not None:
        state.put(appended(turn, count(event.get("content_index")) or 0, delta))


def transcription_completed(state: State, event: Event) -> None:
    """Write down what the user said."""
    turn, words = open_turn(state, event.get("item_id"), "user"), text(event.get("transcript"))
    if turn is not None and words is not None:
        state.put(reached(closed(turn, count(event.get("content_index")) or 0, words), "completed"))
    state.usage += of_transcription(event.get("usage"))


def transcription_failed(state: State, event: Event) -> None:
    """Mark the turn, and show each kind of failure once: it comes again with every turn."""
    turn, error = open_turn(state, event.get("item_id"), "user"), record(event.get("error"))
    if turn is not None:
        state.put(reached(turn, "failed"))
    missing = error.get("code") == "DeploymentNotFound"
    code = "transcription_deployment_missing" if missing else "transcription_failed"
    if all(shown.code != code for shown in state.errors):
        state.add_error(problem(code, name(error.get("message")), name(event.get("item_id"))))


def speech_started(state: State, event: Event) -> None:
    """Make the place of what the user is about to say; the item itself comes later."""
    turn = open_turn(state, event.get("item_id"), "user")
    if turn is not None:
        state.speech = turn.id
        state.awaiting = False


def speech_stopped(state: State, event: Event) -> None:
    """Wait for the reply."""
    state.speech = None
    state.awaiting = True


def buffer_committed(state: State, event: Event) -> None:
    """Put what the user said where the provider puts it. Told late, it may come behind its own reply.

    It is where the end of the user's speech has been told, which has made us wait.
    """
    item_id = name(event.get("item_id")) or ""
    before = state.turn(item_id)
    news = before is None or before.needs_text or state.speech == item_id
    turn = open_turn(state, item_id, "user")
    if turn is not None:
        state.place(turn.id, name(event.get("previous_item_id")))
        state.speech = None if state.speech == turn.id else state.speech
        answered = any(not each.done and not each.outside for each in state.responses.values())
        state.awaiting = state.awaiting or (news and not answered)


def buffer_cleared(state: State, event: Event) -> None:
    """Forget what the user was saying."""
    state.drop_speech()


def idle_timeout(state: State, event: Event) -> None:
    """Expect an item in which the user says nothing; the reply asks whether they are still there."""
    turn = open_turn(state, event.get("item_id"), "user")
    if turn is not None:
        state.put(needing_text(turn))


IN: dict[str, Callable[[State, Event], None]] = {
    "conversation.item.added": item_added,
    "conversation.item.done": item_done,
    "conversation.item.deleted": item_deleted,
    "conversation.item.truncated": item_truncated,
    "conversation.item.input_audio_transcription.delta": transcription_delta,
    "conversation.item.input_audio_transcription.completed": transcription_completed,
    "conversation.item.input_audio_transcription.failed": transcription_failed,
    "input_audio_buffer.speech_started": speech_started,
    "input_audio_buffer.speech_stopped": speech_stopped,
    "input_audio_buffer.committed": buffer_committed,
    "input_audio_buffer.cleared": buffer_cleared,
    "input_audio_buffer.timeout_triggered": idle_timeout,
}
OUT: dict[str, Callable[[State, Event], None]] = {"conversation.item.create": item_sent}
