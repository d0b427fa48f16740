/**
 * What events about the agent's replies do: responses, their text, calls and sound.
 *
 * Response events: OpenAI Realtime API reference, response and output_audio_buffer.
 * The twin is genmb_voice_widget/fold/replies.py.
 */
import { problem, type WireEvent } from "../protocol";
import { count, elements, type JsonRecord, name, piece, record, text } from "../reading";
import type { State } from "../state";
import { NEW_RESPONSE } from "./facts";
import { foldItem, openTurn } from "./items";
import type { Turn, TurnStatus } from "./turn";
import * as turns from "./turn";
import { ofResponse, plus } from "./usage";

const OUTCOMES: ReadonlyMap<string | null, TurnStatus> = new Map([
  ["cancelled", "interrupted"],
  ["failed", "failed"],
  ["incomplete", "failed"],
]);

/** Begin a response. One beside the conversation takes back what was told of it before, as a filtered page is. */
function responseCreated(state: State, event: WireEvent): void {
  const data = record(event.response);
  const response = name(data.id);
  const outside = data.conversation_id === null;
  state.awaiting &&= outside;
  if (response === null) return;
  if (outside) withdraw(state, response);
  state.setResponse(response, { ...(state.responses.get(response) ?? NEW_RESPONSE), done: false, outside });
}

/** End a response, whatever its outcome; one that called tools will be followed by another. */
function responseDone(state: State, event: WireEvent): void {
  const data = record(event.response);
  const response = name(data.id);
  const before = state.responses.get(response ?? "") ?? NEW_RESPONSE;
  state.usage = plus(state.usage, ofResponse(data.usage));
  if (before.outside || data.conversation_id === null) withdraw(state, response ?? "");
  else conclude(state, data, response);
  if (response === null) return;
  state.setResponse(response, { ...before, playing: before.playing && before.buffered, done: true });
}

function withdraw(state: State, response: string): void {
  for (const turn of state.ofResponse(response)) state.withdraw(turn.id);
}

/** End the turns of a response. */
function conclude(state: State, data: JsonRecord, response: string | null): void {
  const outcome = OUTCOMES.get(text(data.status)) ?? "completed";
  for (const item of elements(data.output)) foldItem(state, item, { response });
  if (outcome === "failed") state.addError(problem("response_failed", reason(data)));
  for (const turn of response === null ? [] : state.ofResponse(response)) {
    state.put(ended(turn, outcome));
    // Only a call of ours has an id; after one of the service's own (MCP) no response need follow.
    state.awaiting ||= turn.call?.call_id != null && outcome === "completed";
  }
}

function ended(turn: Turn, outcome: TurnStatus): Turn {
  if (turn.role !== "tool") return turns.needingText(turns.reached(turn, outcome));
  return turn.status === "completed" ? turn : turns.reached(turn, outcome);
}

function reason(response: JsonRecord): string | null {
  const details = record(response.status_details);
  const error = record(details.error);
  return name(error.message) ?? name(error.code) ?? name(error.type) ?? name(details.reason);
}

/** Put an item that a response is making. */
function outputItemAdded(state: State, event: WireEvent): void {
  if (!isOutside(state, event)) foldItem(state, event.item, { response: name(event.response_id) });
}

/** Finish an item that a response has made. */
function outputItemDone(state: State, event: WireEvent): void {
  if (!isOutside(state, event))
    foldItem(state, event.item, { response: name(event.response_id), done: true });
}

/** Add to what the agent says; the transcript runs ahead of the sound. */
function textDelta(state: State, event: WireEvent): void {
  const turn = reply(state, event);
  const delta = piece(event.delta);
  if (turn && delta !== null) state.put(turns.appended(turn, count(event.content_index) ?? 0, delta));
}

/** Write down what the agent says. */
function textDone(state: State, event: WireEvent): void {
  close(state, event, reply(state, event), text(event.text) ?? text(event.transcript));
}

/** Write down a part of what the agent says; Voice Live leaves it empty for text. */
function partDone(state: State, event: WireEvent): void {
  const part = record(event.part);
  close(state, event, reply(state, event), name(part.text) ?? name(part.transcript));
}

/** Count the sound, and take it as playing where nothing better is known. */
function audioDelta(state: State, event: WireEvent): void {
  const turn = reply(state, event);
  const response = name(event.response_id) ?? "";
  if (turn) state.put(turns.sounded(turn, count(event.delta_bytes) ?? 0));
  const known = state.responses.get(response);
  if (known && !known.buffered) state.setResponse(response, { ...known, playing: true });
}

/** Add to the arguments of a call. */
function argumentsDelta(state: State, event: WireEvent): void {
  argue(state, event, piece(event.delta), false);
}

/** Write down the arguments of a call: it can be made. */
function argumentsDone(state: State, event: WireEvent): void {
  argue(state, event, text(event.arguments), true);
}

/**
 * Note that a call which the service made itself (MCP) came to nothing; the item says why. The event names no response,
 * so an item that is not known may be of one beside the conversation.
 */
function callFailed(state: State, event: WireEvent): void {
  const turn = state.turn(name(event.item_id) ?? "");
  if (turn) state.put(turns.reached(turn, "failed"));
}

/** Begin to play a response; another one cannot play at the same time. */
function playbackStarted(state: State, event: WireEvent): void {
  const response = name(event.response_id);
  if (response === null) return;
  for (const [other, value] of [...state.responses]) {
    if (other !== response) state.setResponse(other, { ...value, playing: false });
  }
  const before = state.responses.get(response) ?? { ...NEW_RESPONSE, done: true };
  state.setResponse(response, { ...before, playing: true, buffered: true });
}

/** End the sound of a response that was played to its end. */
function playbackStopped(state: State, event: WireEvent): void {
  silence(state, event, "completed");
}

/** Cut the sound of a response, which may have been made long ago. */
function playbackCleared(state: State, event: WireEvent): void {
  silence(state, event, "interrupted");
}

/** Whether the event is of a response that runs beside the conversation: what it makes is no turn. */
function isOutside(state: State, event: WireEvent): boolean {
  return state.responses.get(name(event.response_id) ?? "")?.outside === true;
}

function reply(state: State, event: WireEvent): Turn | null {
  if (isOutside(state, event)) return null;
  const turn = openTurn(state, event.item_id, "assistant");
  return turn && turns.attributed(turn, name(event.response_id));
}

function close(state: State, event: WireEvent, turn: Turn | null, words: string | null): void {
  if (turn && words !== null) state.put(turns.closed(turn, count(event.content_index) ?? 0, words));
}

function argue(state: State, event: WireEvent, words: string | null, whole: boolean): void {
  const opened = isOutside(state, event) ? null : openTurn(state, event.item_id, "tool");
  if (!opened || words === null) return;
  const turn = turns.attributed(opened, name(event.response_id));
  state.put(turns.argued(turns.called(turn, name(event.call_id), name(event.name)), words, whole));
}

function silence(state: State, event: WireEvent, status: TurnStatus): void {
  const response = name(event.response_id) ?? "";
  for (const turn of state.ofResponse(response)) {
    if (turn.role === "assistant") state.put(turns.reached(turn, status));
  }
  const known = state.responses.get(response);
  if (known) state.setResponse(response, { ...known, playing: false, buffered: true });
}

export const IN = {
  "response.created": responseCreated,
  "response.done": responseDone,
  "response.output_item.added": outputItemAdded,
  "response.output_item.done": outputItemDone,
  "response.content_part.done": partDone,
  "response.output_text.delta": textDelta,
  "response.output_text.done": textDone,
  "response.output_audio_transcript.delta": textDelta,
  "response.output_audio_transcript.done": textDone,
  "response.output_audio.delta": audioDelta,
  "response.function_call_arguments.delta": argumentsDelta,
  "response.function_call_arguments.done": argumentsDone,
  "response.mcp_call_arguments.delta": argumentsDelta,
  "response.mcp_call_arguments.done": argumentsDone,
  "response.mcp_call.failed": callFailed,
  "output_audio_buffer.started": playbackStarted,
  "output_audio_buffer.stopped": playbackStopped,
  "output_audio_buffer.cleared": playbackCleared,
};
