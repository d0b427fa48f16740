"""What events about the agent's replies do: responses, their text, calls and sound.

Response events: OpenAI Realtime API reference, response and output_audio_buffer. The twin is
js/src/fold/replies.ts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from genmb_voice_widget.protocol import Event, problem
from genmb_voice_widget.reading import count, elements, name, piece, record, text

from .facts import Response
from .items import fold_item, open_turn
from .turn import (
    Turn,
    TurnStatus,
    appended,
    argued,
    attributed,
    called,
    closed,
    needing_text,
    reached,
    sounded,
)
from .usage import of_response

if TYPE_CHECKING:
    from genmb_voice_widget.state import State

OUTCOMES: dict[object, TurnStatus] = {"cancelled": "interrupted", "failed": "failed", "incomplete": "failed"}


def response_created(state: State, event: Event) -> None:
    """Begin a response.

    One beside the conversation takes back what was told of it before, as a filtered page is.
    """
    data = record(event.get("response"))
    response, outside = name(data.get("id")), data.get("conversation_id", "") is None
    state.awaiting = state.awaiting and outside
    if response is not None:
        if outside:
            _withdraw(state, response)
        before = state.responses.get(response, Response())
        state.set_response(response, replace(before, done=False, outside=outside))


def response_done(state: State, event: Event) -> None:
    """End a response, whatever its outcome; one that called tools will be followed by another."""
    data = record(event.get("response"))
    response = name(data.get("id"))
    before = state.responses.get(response or "", Response())
    state.usage += of_response(data.get("usage"))
    if before.outside or data.get("conversation_id", "") is None:
        _withdraw(state, response or "")
    else:
        _conclude(state, data, response)
    if response is not None:
        state.set_response(response, replace(before, playing=before.playing and before.buffered, done=True))


def _withdraw(state: State, response: str) -> None:
    for turn in state.of_response(response):
        state.withdraw(turn.id)


def _conclude(state: State, data: Event, response: str | None) -> None:
    """End the turns of a response."""
    outcome = OUTCOMES.get(text(data.get("status")), "completed")
    for item in elements(data.get("output")):
        fold_item(state, item, None, response, done=False)
    if outcome == "failed":
        state.add_error(problem("response_failed", reason_of(data)))
    for turn in [] if response is None else state.of_response(response):
        state.put(_ended(turn, outcome))
        # Only a call of ours has an id; after one of the service's own (MCP) no response need follow.
        ours = turn.call is not None and turn.call.call_id is not None
        state.awaiting = state.awaiting or (ours and outcome == "completed")


def _ended(turn: Turn, outcome: TurnStatus) -> Turn:
    if turn.role == "tool":
        return turn if turn.status == "completed" else reached(turn, outcome)
    return needing_text(reached(turn, outcome))


def reason_of(response: Mapping[Any, Any]) -> str | None:
    """Say why a response failed or is incomplete, in the service's words; None: it does not say."""
    details = record(response.get("status_details"))
    error = record(details.get("error"))
    return (
        name(error.get("message"))
        or name(error.get("code"))
        or name(error.get("type"))
        or name(details.get("reason"))
    )


def output_item_added(state: State, event: Event) -> None:
    """Put an item that a response is making."""
    if not _is_outside(state, event):
        fold_item(state, event.get("item"), None, name(event.get("response_id")), done=False)


def output_item_done(state: State, event: Event) -> None:
    """Finish an item that a response has made."""
    if not _is_outside(state, event):
        fold_item(state, event.get("item"), None, name(event.get("response_id")), done=True)


def text_delta(state: State, event: Event) -> None:
    """Add to what the agent says; the transcript runs ahead of the sound."""
    turn, delta = _reply(state, event), piece(event.get("delta"))
    if turn is not None and delta is not None:
        state.put(appended(turn, count(event.get("content_index")) or 0, delta))


def text_done(state: State, event: Event) -> None:
    """Write down what the agent says."""
    turn, words = _reply(state, event), text(event.get("text"))
    _close(state, event, turn, text(event.get("transcript")) if words is None else words)


def part_done(state: State, event: Event) -> None:
    """Write down a part of what the agent says; Voice Live leaves it empty for text."""
    part = record(event.get("part"))
    _close(state, event, _reply(state, event), name(part.get("text")) or name(part.get("transcript")))


def audio_delta(state: State, event: Event) -> None:
    """Count the sound, and take it as playing where nothing better is known."""
    turn, response = _reply(state, event), name(event.get("response_id")) or ""
    if turn is not None:
        state.put(sounded(turn, count(event.get("delta_bytes")) or 0))
    known = state.responses.get(response)
    if known is not None and not known.buffered:
        state.set_response(response, replace(known, playing=True))


def arguments_delta(state: State, event: Event) -> None:
    """Add to the arguments of a call."""
    _argue(state, event, piece(event.get("delta")), whole=False)


def arguments_done(state: State, event: Event) -> None:
    """Write down the arguments of a call: it can be made."""
    _argue(state, event, text(event.get("arguments")), whole=True)


def call_failed(state: State, event: Event) -> None:
    """Note that a call which the service made itself (MCP) came to nothing; the item says why.

    The event names no response, so an item that is not known may be of one beside the conversation.
    """
    turn = state.turn(name(event.get("item_id")) or "")
    if turn is not None:
        state.put(reached(turn, "failed"))


def playback_started(state: State, event: Event) -> None:
    """Begin to play a response; another one cannot play at the same time."""
    response = name(event.get("response_id"))
    if response is None:
        return
    for other, value in list(state.responses.items()):
        if other != response:
            state.set_response(other, replace(value, playing=False))
    before = state.responses.get(response, Response(done=True))
    state.set_response(response, replace(before, playing=True, buffered=True))


def playback_stopped(state: State, event: Event) -> None:
    """End the sound of a response that was played to its end."""
    _silence(state, event, "completed")


def playback_cleared(state: State, event: Event) -> None:
    """Cut the sound of a response, which may have been made long ago."""
    _silence(state, event, "interrupted")


def _is_outside(state: State, event: Event) -> bool:
    """Tell whether the event is of a response that runs beside the conversation: what it makes is no turn."""
    response = state.responses.get(name(event.get("response_id")) or "")
    return response is not None and response.outside


def _reply(state: State, event: Event) -> Turn | None:
    if _is_outside(state, event):
        return None
    turn = open_turn(state, event.get("item_id"), "assistant")
    return turn and attributed(turn, name(event.get("response_id")))


def _close(state: State, event: Event, turn: Turn | None, words: str | None) -> None:
    if turn is not None and words is not None:
        state.put(closed(turn, count(event.get("content_index")) or 0, words))


def _argue(state: State, event: Event, arguments: str | None, whole: bool) -> None:
    turn = None if _is_outside(state, event) else open_turn(state, event.get("item_id"), "tool")
    if turn is not None and arguments is not None:
        turn = attributed(turn, name(event.get("response_id")))
        turn = called(turn, name(event.get("call_id")), name(event.get("name")))
        state.put(argued(turn, arguments, whole))


def _silence(state: State, event: Event, status: TurnStatus) -> None:
    response = name(event.get("response_id")) or ""
    for turn in state.of_response(response):
        if turn.role == "assistant":
            state.put(reached(turn, status))
    known = state.responses.get(response)
    if known is not None:
        state.set_response(response, replace(known, playing=False, buffered=True))


IN: dict[str, Callable[[State, Event], None]] = {
    "response.created": response_created,
    "response.done": response_done,
    "response.output_item.added": output_item_added,
    "response.output_item.done": output_item_done,
    "response.content_part.done": part_done,
    "response.output_text.delta": text_delta,
    "response.output_text.done": text_done,
    "response.output_audio_transcript.delta": text_delta,
    "response.output_audio_transcript.done": text_done,
    "response.output_audio.delta": audio_delta,
    "response.function_call_arguments.delta": arguments_delta,
    "response.function_call_arguments.done": arguments_done,
    "response.mcp_call_arguments.delta": arguments_delta,
    "response.mcp_call_arguments.done": arguments_done,
    "response.mcp_call.failed": call_failed,
    "output_audio_buffer.started": playback_started,
    "output_audio_buffer.stopped": playback_stopped,
    "output_audio_buffer.cleared": playback_cleared,
}
