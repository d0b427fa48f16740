/**
 * What events about items do: the user's speech and its transcription, items put, cut and deleted.
 *
 * Item events: OpenAI Realtime API reference, conversation.item and input_audio_buffer.
 * The twin is genmb_voice_widget/fold/items.py.
 */
import { problem, type WireEvent } from "../protocol";
import { count, elements, isRecord, type JsonRecord, name, piece, record, text } from "../reading";
import type { State } from "../state";
import type { Role, Turn } from "./turn";
import * as turns from "./turn";
import { ofTranscription, plus } from "./usage";

/** What an event says about an item beside the item itself. */
interface Context {
  /** The id of the item that it follows. */
  readonly previous?: string | null;
  /** The id of the response that made it. */
  readonly response?: string | null;
  /** Whether the event says that the item is finished, even if its own status does not. */
  readonly done?: boolean;
}

/** Both are turns of a tool: ours are called by the page or the kernel, those of MCP by the service. */
const CALLS = new Set<unknown>(["function_call", "mcp_call"]);

/** How the id of an item begins that only tells another call what a turn of an earlier one said. */
export const SEED = "seed_";

/** The turn of an item, made if the item is new; null for an item that is not a turn. */
export function openTurn(state: State, item: unknown, role: Role): Turn | null {
  const id = name(item);
  if (id === null) return null;
  if (!state.known(id)) {
    state.place(id, null);
    state.put(turns.newTurn(id, role));
  }
  return state.turn(id);
}

/** Put an item as an event shows it. */
export function foldItem(state: State, data: unknown, context: Context): void {
  const item = record(data);
  const id = name(item.id);
  if (id?.startsWith(SEED)) return;
  const output = text(item.output);
  if (item.type === "function_call_output" && output !== null) {
    for (const turn of state.ofCall(name(item.call_id) ?? "")) state.put(turns.answered(turn, output));
  }
  if (id === null) return;
  if (CALLS.has(item.type) || item.type === "message") {
    const role = CALLS.has(item.type) ? "tool" : item.role;
    if (!turns.isRole(role)) return;
    const turn = openTurn(state, id, role);
    if (turn) state.put(described(turn, item, role, context));
  }
  state.place(id, context.previous ?? null);
}

function described(before: Turn, item: JsonRecord, role: Role, { response, done }: Context): Turn {
  const whole = item.status === "completed" || (done === true && (item.status ?? null) === null);
  let turn = turns.attributed(before, response ?? null);
  if (role === "tool") {
    const given = name(item.arguments);
    turn = turns.called(turn, name(item.call_id), name(item.name));
    if (given !== null && (whole || turn.call?.arguments === "")) turn = turns.argued(turn, given, whole);
  } else if (turn.call === null && turn.role !== role) {
    turn = { ...turn, role };
  }
  elements(item.content).forEach((content, index) => {
    const part = record(content);
    const words = name(part.text) ?? name(part.transcript);
    if (words !== null) turn = whole ? turns.closed(turn, index, words) : turns.filled(turn, index, words);
  });
  if (item.type === "mcp_call") turn = served(turn, item);
  return whole ? turns.reached(turn, "completed") : turn;
}

/** What came of a call that the service made itself; an error is told like an output. */
function served(turn: Turn, item: JsonRecord): Turn {
  const error = record(item.error);
  const output = text(item.output) ?? name(error.message) ?? name(error.type);
  const after = output === null ? turn : turns.answered(turn, output);
  return isRecord(item.error) ? turns.reached(after, "failed") : after;
}

/** Put an item that the conversation is to get. */
function itemSent(state: State, event: WireEvent): void {
  foldItem(state, event.item, { previous: name(event.previous_item_id) });
}

/** Put an item that the conversation has got; what was typed is whole, and some services never say so. */
function itemAdded(state: State, event: WireEvent): void {
  foldItem(state, event.item, { previous: name(event.previous_item_id), done: typed(record(event.item)) });
}

function typed(item: JsonRecord): boolean {
  const content = elements(item.content);
  return content.length > 0 && content.every((part) => record(part).type === "input_text");
}

/** Finish an item. */
function itemDone(state: State, event: WireEvent): void {
  foldItem(state, event.item, { previous: name(event.previous_item_id), done: true });
}

/** Take a turn away; its place stays, so that what follows it stands where it stood. */
function itemDeleted(state: State, event: WireEvent): void {
  state.withdraw(name(event.item_id) ?? "");
}

/** Cut a reply where its playback ended. */
function itemTruncated(state: State, event: WireEvent): void {
  const turn = state.turn(name(event.item_id) ?? "");
  const end = count(event.audio_end_ms);
  if (turn?.role !== "assistant") return;
  state.put(end === null ? turns.reached(turn, "interrupted") : turns.cut(turn, end));
}

/** Add to what the user said. */
function transcriptionDelta(state: State, event: WireEvent): void {
  const turn = openTurn(state, event.item_id, "user");
  const delta = piece(event.delta);
  if (turn && delta !== null) state.put(turns.appended(turn, count(event.content_index) ?? 0, delta));
}

/** Write down what the user said. */
function transcriptionCompleted(state: State, event: WireEvent): void {
  const turn = openTurn(state, event.item_id, "user");
  const words = text(event.transcript);
  if (turn && words !== null) {
    state.put(turns.reached(turns.closed(turn, count(event.content_index) ?? 0, words), "completed"));
  }
  state.usage = plus(state.usage, ofTranscription(event.usage));
}

/** Mark the turn, and show each kind of failure once: it comes again with every turn. */
function transcriptionFailed(state: State, event: WireEvent): void {
  const turn = openTurn(state, event.item_id, "user");
  if (turn) state.put(turns.reached(turn, "failed"));
  const error = record(event.error);
  const missing = error.code === "DeploymentNotFound";
  const code = missing ? "transcription_deployment_missing" : "transcription_failed";
  if (state.errors.some((shown) => shown.code === code)) return;
  state.addError(problem(code, name(error.message), name(event.item_id)));
}

/** Make the place of what the user is about to say; the item itself comes later. */
function speechStarted(state: State, event: WireEvent): void {
  const turn = openTurn(state, event.item_id, "user");
  if (!turn) return;
  state.speech = turn.id;
  state.awaiting = false;
}

/** Wait for the reply. */
function speechStopped(state: State): void {
  state.speech = null;
  state.awaiting = true;
}

/**
 * Put what the user said where the provider puts it. Told late, by another way, it may come behind its own reply: it is
 * where the end of the user's speech has been told, which has made us wait.
 */
function bufferCommitted(state: State, event: WireEvent): void {
  const itemId = name(event.item_id) ?? "";
  const before = state.turn(itemId);
  const news = !before || before.needs_text || state.speech === itemId;
  const turn = openTurn(state, itemId, "user");
  if (!turn) return;
  state.place(turn.id, name(event.previous_item_id));
  if (state.speech === turn.id) state.speech = null;
  const answered = [...state.responses.values()].some(({ done, outside }) => !done && !outside);
  state.awaiting ||= news && !answered;
}

/** Forget what the user was saying. */
function bufferCleared(state: State): void {
  state.dropSpeech();
}

/** Expect an item in which the user says nothing; the reply asks whether they are still there. */
function idleTimeout(state: State, event: WireEvent): void {
  const turn = openTurn(state, event.item_id, "user");
  if (turn) state.put(turns.needingText(turn));
}

export const IN = {
  "conversation.item.added": itemAdded,
  "conversation.item.done": itemDone,
  "conversation.item.deleted": itemDeleted,
  "conversation.item.truncated": itemTruncated,
  "conversation.item.input_audio_transcription.delta": transcriptionDelta,
  "conversation.item.input_audio_transcription.completed": transcriptionCompleted,
  "conversation.item.input_audio_transcription.failed": transcriptionFailed,
  "input_audio_buffer.speech_started": speechStarted,
  "input_audio_buffer.speech_stopped": speechStopped,
  "input_audio_buffer.committed": bufferCommitted,
  "input_audio_buffer.cleared": bufferCleared,
  "input_audio_buffer.timeout_triggered": idleTimeout,
};
export const OUT = { "conversation.item.create": itemSent };
