/**
 * What a new call is told of the conversation so far, for a service does not carry it over: one item for each turn that
 * is over, under an id of its own, so that what the service says of it is known for an echo.
 * Pure. It must not know when a call is replaced.
 *
 * Protocol facts: OpenAI Realtime API reference, conversation.item.create (an id has at most 32 characters; only text
 * may be put into an assistant's mouth; no response follows).
 */
import type { Turn } from "./fold/turn";
import type { WireEvent } from "./protocol";
import { name, record } from "./reading";

/** The newest turns, as many as these bounds take in; a longer text loses its end. */
const MOST_ITEMS = 100;
const MOST_CHARACTERS = 40_000;
const LONGEST = 8_000;

const ECHOES = ["conversation.item.added", "conversation.item.created", "conversation.item.done"];

type Item = Readonly<Record<string, unknown>>;

/** The events that tell a new call what these turns said, in order. An event has its item's id for an id. */
export function seeds(turns: readonly Turn[], newItemId: () => string): WireEvent[] {
  const chosen: Item[] = [];
  let characters = 0;
  for (const turn of turns.toReversed()) {
    const items = itemsOf(turn);
    characters += items.reduce((sum, item) => sum + JSON.stringify(item).length, 0);
    if (chosen.length + items.length > MOST_ITEMS || characters > MOST_CHARACTERS) break;
    chosen.unshift(...items);
  }
  return chosen.map((item) => {
    const id = newItemId();
    return { type: "conversation.item.create", event_id: id, item: { id, ...item } };
  });
}

/** Recognises what a service says of seeds: that it has them, and, but for the first, that it does not want one. */
export function echoesOf(events: readonly WireEvent[]): (event: unknown) => boolean {
  const ids = new Set(events.map(({ event_id }) => event_id));
  let refused = false;
  return (data) => {
    const event = record(data);
    if (event.type === "error" && ids.has(record(event.error).event_id)) {
      const again = refused;
      refused = true;
      return again;
    }
    return ECHOES.includes(name(event.type) ?? "") && ids.has(record(event.item).id);
  };
}

function itemsOf({ role, status, text, heard, call }: Turn): Item[] {
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
  const type = role === "assistant" ? "output_text" : "input_text";
  return [{ type: "message", role, content: [{ type, text: words }] }];
}

function cut(text: string): string {
  return text.slice(0, LONGEST).toWellFormed();
}
