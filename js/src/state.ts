/**
 * What a session looks like after the events so far.
 *
 * Owns the turns, their order and everything else that the fold writes to. It must not know events: what one means is in
 * fold/. The twin is genmb_voice_widget/state.py, whose JSON is the same.
 */
import { type Response, responseFromJson, type Session, sessionFromJson } from "./fold/facts";
import { Order } from "./fold/order";
import { reduce } from "./fold/reduce";
import { isShown, needingText, reached, type Turn, turnFromJson } from "./fold/turn";
import { NOTHING, type Usage, usageFromJson } from "./fold/usage";
import { type Envelope, isStatus, type Problem, problem, type SessionStatus } from "./protocol";
import { count, elements, name, record, text } from "./reading";

export type { Response, Session } from "./fold/facts";
export type { Part, Role, ToolCall, Turn, TurnStatus } from "./fold/turn";
export type { Usage } from "./fold/usage";

/** What a live session is doing; of several the first holds. */
export type Activity = "hearing" | "speaking" | "thinking" | "listening";

/**
 * The state as JSON: all that a fold needs to go on from here. `items` holds every item in conversation order with its
 * predecessor, `unseen` the turns that are not shown.
 */
export interface StateJson {
  readonly seq: number;
  readonly status: SessionStatus;
  readonly activity: Activity | null;
  readonly session: Session | null;
  readonly turns: readonly Turn[];
  readonly errors: readonly Problem[];
  readonly usage: Usage;
  readonly speech: string | null;
  readonly awaiting: boolean;
  readonly responses: Readonly<Record<string, Response>>;
  readonly items: ReadonlyArray<{ readonly id: string; readonly previous: string | null }>;
  readonly unseen: readonly Turn[];
}

/**
 * The state of one session: changed in place by `apply`; every value that it hands out stays as it is.
 *
 * It owns its containers, so that an event costs the same after 100 turns as after 10,000. A turn that has not changed
 * is the same object, and `turns`, `errors`, `usage` and `session` are the same until they change.
 */
export class State {
  /** Of the last envelope. */
  seq = 0;
  status: SessionStatus = "idle";
  session: Session | null = null;
  usage: Usage = NOTHING;
  errors: readonly Problem[] = [];
  /** The id of the item that the user is speaking now. */
  speech: string | null = null;
  /** From the end of the user's turn, or of a response that called tools, to the next response. */
  awaiting = false;
  /** Null for an item that holds a place but is not a turn. */
  private held = new Map<string, Turn | null>();
  private order = new Order();
  private byResponse = new Map<string, string[]>();
  private byCall = new Map<string, string[]>();
  private open = new Map<string, Response>();
  private shown: readonly Turn[] | null = [];

  /** Fold one envelope in; false when it is a repeat, which changes nothing. It never throws. */
  apply(envelope: Envelope): boolean {
    if (envelope.seq <= this.seq) return false;
    this.seq = envelope.seq;
    reduce(this, envelope.dir, envelope.event);
    return true;
  }

  /** The turns in conversation order; the same array until one of them changes. */
  get turns(): readonly Turn[] {
    this.shown ??= this.inOrder().filter(isShown);
    return this.shown;
  }

  /** The responses that are not over, by id. */
  get responses(): ReadonlyMap<string, Response> {
    return this.open;
  }

  /** What the session is doing, or null unless it is live. */
  get activity(): Activity | null {
    if (this.status !== "live") return null;
    if (this.speech !== null) return "hearing";
    const responses = [...this.open.values()];
    if (responses.some(({ playing }) => playing)) return "speaking";
    const thinking = this.awaiting || responses.some(({ done, outside }) => !done && !outside);
    return thinking ? "thinking" : "listening";
  }

  /** The turn that this item is, shown or not. */
  turn(item: string): Turn | null {
    return this.held.get(item) ?? null;
  }

  /** Whether the item has a place in the conversation. */
  known(item: string): boolean {
    return this.held.has(item);
  }

  /** The turns that a response made, over or not. */
  ofResponse(response: string): Turn[] {
    return this.found(this.byResponse.get(response));
  }

  /** The turns that a call id names: one, unless somebody gave it out twice. */
  ofCall(call: string): Turn[] {
    return this.found(this.byCall.get(call));
  }

  /** Give the item its place in the conversation. */
  place(item: string, previous: string | null): void {
    if (!this.order.place(item, previous)) return;
    if (!this.held.has(item)) this.held.set(item, null);
    this.shown = null;
  }

  /** Write a turn whose item has a place. */
  put(turn: Turn): void {
    const before = this.turn(turn.id);
    if (turn === before) return;
    if (turn.response_id !== null && !before?.response_id) enter(this.byResponse, turn.response_id, turn.id);
    if (turn.call?.call_id && !before?.call?.call_id) enter(this.byCall, turn.call.call_id, turn.id);
    this.held.set(turn.id, turn);
    this.shown = null;
  }

  /** Let the item hold its place, but be no turn any more. */
  withdraw(item: string): void {
    if (this.turn(item) === null) return;
    this.held.set(item, null);
    this.shown = null;
  }

  /** End what the user is saying before it became a turn; it is shown only if its words are known. */
  dropSpeech(): void {
    const turn = this.turn(this.speech ?? "");
    if (turn) this.put(needingText(reached(turn, "interrupted")));
    this.speech = null;
  }

  /** Write a response, or drop it when it is over. */
  setResponse(response: string, value: Response): void {
    if (value.done && !value.playing) this.open.delete(response);
    else this.open.set(response, value);
  }

  /** Note that something went wrong. */
  addError(error: Problem): void {
    this.errors = [...this.errors, error];
  }

  /** Become the state that the JSON describes, at our `seq`; what is not a state changes nothing. */
  restore(data: unknown): void {
    const { seq } = this;
    try {
      Object.assign(this, State.fromJSON(data), { seq });
    } catch {
      // A snapshot is taken whole or not at all.
    }
  }

  toJSON(): StateJson {
    const { seq, status, activity, session, turns, errors, usage, speech, awaiting } = this;
    const responses = Object.fromEntries(this.open);
    const items = this.order.sequence().map((id) => ({ id, previous: this.order.previous(id) }));
    const unseen = this.inOrder().filter((turn) => !isShown(turn));
    return {
      seq,
      status,
      activity,
      session,
      turns,
      errors,
      usage,
      speech,
      awaiting,
      responses,
      items,
      unseen,
    };
  }

  /** Read what `toJSON` wrote; throws an Error when it is not a state. */
  static fromJSON(data: unknown): State {
    const members = record(data);
    const state = new State();
    const seq = count(members.seq);
    if (seq === null || !isStatus(members.status)) throw new Error("not a state: seq or status is missing");
    state.seq = seq;
    state.status = members.status;
    const { session } = members;
    if (session !== null && session !== undefined) state.session = sessionFromJson(session);
    state.usage = usageFromJson(members.usage);
    state.speech = name(members.speech);
    state.awaiting = members.awaiting === true;
    for (const [response, value] of Object.entries(record(members.responses))) {
      state.setResponse(text(response) ?? "", responseFromJson(value));
    }
    for (const { code, detail, item_id } of elements(members.errors).map(record)) {
      state.addError(problem(text(code) ?? "", text(detail), name(item_id)));
    }
    const places: [string, string | null][] = [];
    for (const { id, previous } of elements(members.items).map(record)) {
      const item = name(id);
      if (item !== null) places.push([item, name(previous)]);
    }
    state.order = Order.restore(places);
    for (const [item] of places) state.held.set(item, null);
    for (const turn of [...elements(members.turns), ...elements(members.unseen)].map(turnFromJson)) {
      if (state.held.get(turn.id) !== null) throw new Error("not a state: a turn has no item of its own");
      state.put(turn);
    }
    return state;
  }

  private inOrder(): Turn[] {
    return this.found(this.order.sequence());
  }

  private found(items: readonly string[] = []): Turn[] {
    return items.map((item) => this.turn(item)).filter((turn) => turn !== null);
  }
}

/** Fold a whole log. */
export function fold(envelopes: Iterable<Envelope>): State {
  const state = new State();
  for (const envelope of envelopes) state.apply(envelope);
  return state;
}

function enter(index: Map<string, string[]>, key: string, item: string): void {
  const entered = index.get(key);
  if (entered) entered.push(item);
  else index.set(key, [item]);
}
