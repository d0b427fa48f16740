/**
 * What a new call is told of the conversation so far, for a service does not carry it over: one item for each turn that
 * is over, under an id which tells the folds that it only repeats one.
 * Pure. It must not know when a call is replaced.
 *
 * Protocol facts: OpenAI Realtime API reference, conversation.item.create (an id has at most 32 characters; only text
 * may be put into an assistant's mouth; no response follows).
 */
import { SEED } from "./fold/items";
import type { Turn } from "./fold/turn";
import { uuid } from "./preflight";
import type { WireEvent } from "./protocol";

/** The newest turns, as many as these bounds take in; a longer text loses its end. */
const MOST_ITEMS = 100;
const MOST_CHARACTERS = 40_000;
const LONGEST = 8_000;

type Item = Readonly<Record<string, unknown>>;

/**
 * The events that tell a new call what these turns said, in order. An event has its item's id for an id. `replyText` is
 * the type of what an assistant's message holds.
 */
export function seeds(turns: readonly Turn[], replyText: string): WireEvent[] {
  const chosen: Item[] = [];
  let characters = 0;
  for (const turn of turns.toReversed()) {
    const items = itemsOf(turn, replyText);
    characters += items.reduce((sum, item) => sum + JSON.stringify(item).length, 0);
    if (chosen.length + items.length > MOST_ITEMS || characters > MOST_CHARACTERS) break;
    chosen.unshift(...items);
  }
  return chosen.map((item) => {
    const id = `${SEED}${uuid().replaceAll("-", "").slice(0, 24)}`;
    return { type: "conversation.item.create", event_id: id, item: { id, ...item } };
  });
}

function itemsOf({ role, status, text, heard, call }: Turn, replyText: string): Item[] {
  if (status !== "completed" && !(role === "assistant" && status === "interrupted")) return [];
  if (role === "tool") {
    if (!call?.call_id || !call.name || call.arguments.length > LONGEST) return [];
    const { call_id, output } = call;
    return [
      { type: "function_call", call_id, name: call.name, arguments: call.arguments },
      ...(output === null ? [] : [{ type: "function_call_output", call_id, output: cut(output) }]),
    ];
  }
  const words = cut(status === "interrupted" ? (heard ?? text) : text);
  if (words.trim() === "") return [];
  const type = role === "assistant" ? replyText : "input_text";
  return [{ type: "message", role, content: [{ type, text: words }] }];
}

function cut(text: string): string {
  return text.slice(0, LONGEST).toWellFormed();
}
