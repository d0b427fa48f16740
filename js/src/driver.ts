/**
 * What the driver of a voice session can be told, and what there is to show of it, for views, the kernel and plain pages.
 * Types only: how it does it is in `session.ts`.
 */
import type { Side } from "./call";
import type { Failure } from "./failure";
import type { Item } from "./items";
import type { Log } from "./log";
import type { ByButton } from "./push_to_talk";
import type { State } from "./state";

/** What there is to show. `state` is changed in place: read it, never keep it. */
export interface View {
  readonly state: State;
  /** A call is being opened or runs in this page. */
  readonly busy: boolean;
  readonly muted: boolean;
  /** The user's turns end by a button, and it is held down now. */
  readonly pushToTalk: boolean;
  readonly held: boolean;
  readonly soundBlocked: boolean;
}

export interface Session {
  view(): View;
  /** The newest log of this page, or null before the first start. */
  log(): Log | null;
  /** Calls back after every change. Returns the way to stop that. */
  subscribe(listener: () => void): () => void;
  /**
   * Begin a log, under the id that somebody else has chosen for it, unless a call runs, which is joined. Resolves when
   * the session is live, else rejects with a `Failure`, which the log shows too: it may go unheard.
   */
  start(log?: string): Promise<void>;
  /** End the call, if any; with a code of the catalogue when it was not the user's wish. */
  stop(code?: string): void;
  /**
   * The user types instead of speaking. Returns why it could not be sent, which a running log shows too, or null; what
   * is not sent interrupts nobody.
   */
  say(text: string, itemId?: string): Failure | null;
  /**
   * Answer the calls of one response with these items and have that answered, if the running log is this one;
   * `response`: in what the answer differs from what the session says.
   */
  answer(log: string, items: readonly Item[], response: Item): void;
  /** Take events of the service that came to somebody else who observes the call of this log. */
  overhear(log: string, events: readonly unknown[]): void;
  /** Silence the agent and drop the rest of what it was going to say. */
  interrupt(): void;
  /** Have an answer made to what has been said so far, after a reply that is under way. */
  respond(): void;
  /** Tell the service what has changed of the session's options: the `session` of a `session.update`, and its id. */
  update(session: object, eventId?: string): void;
  mute(muted: boolean): void;
  /** Have the user's turns end by a button from now on; null: the service finds their end. */
  pushToTalk(rule: ByButton | null): void;
  /** The button goes down, which cuts the agent short, or up again; it does nothing unless the session is live. */
  talk(held: boolean): void;
  enableSound(): void;
  /** Show an earlier conversation. A call of this page keeps its own. */
  restore(state: State): void;
  level(side: Side): number;
}
