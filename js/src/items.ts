/**
 * What is put into a running conversation in writing, and answered: the user's messages, the outputs of tools.
 * What tools give back while there is no call waits for the next one of the session, which is told of their calls
 * (`seed.ts`); what the user types while the connection is away waits until it is back, or is shown as not sent.
 * It must not know who runs a tool, nor when a call is replaced.
 */
import type { Call } from "./call";
import { Failure } from "./failure";
import { type Log, noteFailure } from "./log";
import { newItemId } from "./preflight";
import type { WireEvent } from "./protocol";
import type { Reopening } from "./reopening";
import type { Sequencer } from "./sequencer";

export type Item = Readonly<Record<string, unknown>>;

/** What of the session's attempt is needed here. */
export interface Running {
  readonly log: Log;
  readonly call: Call;
  readonly reopening: Reopening;
  readonly sequencer: Sequencer;
}

export interface ItemsOptions {
  readonly running: () => Running | null;
  readonly send: (event: WireEvent) => void;
  readonly interrupt: () => void;
}

/** The outputs of one response's tools: of which log, and what the response to them is to be like. */
interface Outputs {
  readonly log: string;
  readonly items: readonly Item[];
  readonly response: Item;
}

export function createItems({ running, send, interrupt }: ItemsOptions) {
  let waiting: Outputs[] = [];
  let kept: (readonly [text: string, itemId: string])[] = [];
  const away = () => running()?.log.state.status === "reconnecting";
  const put = (item: Item) => send({ type: "conversation.item.create", event_id: item.id, item });
  const flush = () => {
    const now = running();
    if (!now || (!now.reopening.holding() && now.call.objection({ type: "" }))) return;
    const given = waiting.filter(({ log }) => log === now.log.id);
    waiting = [];
    for (const { items, response } of given) {
      items.forEach(put);
      now.sequencer.request(response);
    }
  };
  const say = (text: string, itemId = newItemId()): Failure | null => {
    const now = running();
    if (!now) return new Failure("not_live");
    if (away()) {
      kept.push([text, itemId]);
      return null;
    }
    const item = { id: itemId, type: "message", role: "user", content: [{ type: "input_text", text }] };
    const event = { type: "conversation.item.create", event_id: itemId, item };
    const found = now.reopening.holding() ? null : now.call.objection(event);
    if (found) {
      noteFailure(now.log, found, { item_id: itemId });
      return found;
    }
    interrupt();
    put(item);
    now.sequencer.request();
    return null;
  };
  const taken = () => {
    const were = kept;
    kept = [];
    return were;
  };
  return {
    say,
    /** The connection may be back: what was typed meanwhile goes out, in its order. */
    catchUp: (): void => {
      if (kept.length && !away()) for (const [text, itemId] of taken()) say(text, itemId);
    },
    /** The call of this log is over: what was typed and could not go out is shown there as not sent. */
    giveUp: (log: Log, code: string): void => {
      for (const [text, item_id] of taken())
        noteFailure(log, new Failure(code, `Not sent: "${text}"`), { item_id });
    },
    answer: (log: string, items: readonly Item[], response: Item): void => {
      waiting.push({ log, items, response });
      flush();
    },
    /** A call stands: what has waited for it goes out. */
    flush,
  };
}
