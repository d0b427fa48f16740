/**
 * The driver of a voice session: commands in, the call's reports into the log, effects out. One call at a time.
 * Everything of an attempt hangs on its own AbortController, so a stale attempt can touch nothing.
 * It must not know how the page reaches the endpoint, how a connection is made, or how a session looks.
 */
import type { Backend } from "./backend";
import { type Call, openCall, type Side } from "./call";
import { asFailure, Failure } from "./failure";
import { type Log, openLog } from "./log";
import { uuid } from "./preflight";
import type { Envelope, WireEvent } from "./protocol";
import { type ByButton, createPushToTalk } from "./push_to_talk";
import { createSequencer, type Sequencer } from "./sequencer";
import { State } from "./state";
import type { Connect, Report, Ticket } from "./transport";

export interface SessionOptions {
  readonly backend: Backend;
  readonly connect: Connect;
  /** Sees every envelope, in order: the bridge to the kernel. */
  readonly onEnvelope?: (log: string, envelope: Envelope) => void;
}

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
  /** Take events of the service that came to somebody else who observes the call of this log. */
  overhear(log: string, events: readonly unknown[]): void;
  /** Silence the agent and drop the rest of what it was going to say. */
  interrupt(): void;
  /** Have an answer made to what has been said so far, after a reply that is under way. */
  respond(): void;
  /** Tell the service what has changed of the session's options: the `session` of a `session.update`. */
  update(session: object): void;
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

/** `ticket` is null until the endpoint has answered. */
interface Attempt {
  readonly abort: AbortController;
  readonly log: Log;
  readonly call: Call;
  readonly sequencer: Sequencer;
  readonly started: Promise<void>;
  ticket: Ticket | null;
}

/** Why an attempt is over that nobody minds. */
const STOPPED = new Failure("not_live", "The session was stopped before it was live.");

export function createSession({ backend, connect, onEnvelope }: SessionOptions): Session {
  const listeners = new Set<() => void>();
  let attempt: Attempt | null = null;
  let log: Log | null = null;
  let state = new State();
  let muted = false;
  let soundBlocked = false;

  const changed = () => {
    for (const listener of listeners) {
      try {
        listener();
      } catch (error) {
        reportError(error); // a listener's mistake is the page's, and must not keep a microphone open
      }
    }
  };
  const own = (to: Log, type: string, members: object) =>
    to.append("own", { type: `genmb.${type}`, ...members });
  /** `about` names the item that the failure is about, if it is about one. */
  const report = (to: Log, { code, detail, retryAfter }: Failure, about: { item_id?: string } = {}) => {
    const wait = retryAfter === undefined ? "" : `Possible again in ${duration(retryAfter)}.`;
    const said = [detail, wait].filter(Boolean).join(" ");
    own(to, "error", { code, ...(said ? { detail: said } : {}), ...about });
  };

  /** Release everything first, then write down why. */
  const finish = (status: "ended" | "failed", reason: string, failure?: Failure) => {
    if (!attempt) return;
    const { abort, log: its, ticket } = attempt;
    attempt = null;
    soundBlocked = false;
    button.drop();
    abort.abort(failure ?? STOPPED);
    if (failure) report(its, failure);
    own(its, "status", failure ? { status, code: failure.code } : { status });
    if (ticket) void backend.ended(ticket, reason);
  };
  const failed = (failure: Failure) => finish("failed", failure.code, failure);

  const exchange = async (signal: AbortSignal, sdp: string): Promise<string> => {
    signal.throwIfAborted();
    const ticket = await backend.open(sdp);
    if (signal.aborted || !attempt) {
      void backend.ended(ticket, signal.reason === STOPPED ? "stopped" : asFailure(signal.reason).code);
      throw signal.reason;
    }
    attempt.ticket = ticket;
    const { id, provider, transport, model, voice, call_id } = ticket;
    own(attempt.log, "session", { id, provider, transport, model, voice, call_id });
    return ticket.sdp;
  };
  const hear = (told: Report) => {
    if (!attempt) return;
    if (told.type === "event") {
      const event = attempt.log.append("in", told.event);
      attempt.sequencer.observe(event);
      button.observe(event);
    }
    if (told.type === "wavering") own(attempt.log, "status", { status: "reconnecting" });
    if (told.type === "steady") own(attempt.log, "status", { status: "live" });
    if (told.type === "over" && told.by === "network") failed(new Failure("connection_lost"));
    if (told.type === "over" && told.by === "service") finish("ended", "hung_up");
  };
  const send = (event: WireEvent) => {
    if (attempt && !attempt.call.send(event)) attempt.log.append("out", event);
  };

  const settle = async (abort: AbortController, call: Call) => {
    try {
      await call.ready;
      abort.signal.throwIfAborted();
    } catch (thrown) {
      const failure = asFailure(thrown);
      if (!abort.signal.aborted) failed(failure);
      throw failure;
    }
    if (!attempt?.ticket) return;
    const { log: its, ticket } = attempt;
    own(its, "status", { status: "live" });
    // What the session is charged for. It goes on even if the word gets lost: the endpoint hangs up on its own.
    backend.connected(ticket).catch((thrown: unknown) => report(its, asFailure(thrown)));
  };
  const open = (id: string): Attempt => {
    const abort = new AbortController();
    const its = openLog(id, (_, envelope) => {
      onEnvelope?.(id, envelope);
      changed();
    });
    const call = openCall({
      connect,
      muted: muted || !button.open(),
      signal: abort.signal,
      exchange: (sdp) => exchange(abort.signal, sdp),
      report: hear,
      onMicrophoneLost: (failure) => report(its, failure),
      onSoundBlocked: (blocked) => {
        soundBlocked = blocked;
        if (blocked) report(its, new Failure("autoplay_blocked"));
        changed();
      },
    });
    const started = settle(abort, call);
    started.catch(() => undefined); // whoever does not wait for it reads the log
    log = its;
    state = its.state;
    attempt = { abort, log: its, call, sequencer: createSequencer(send, uuid), started, ticket: null };
    own(its, "status", { status: "connecting" });
    return attempt;
  };
  const interrupt = () => {
    attempt?.sequencer.cancel();
    if ([...state.responses.values()].some(({ playing }) => playing))
      send({ type: "output_audio_buffer.clear", event_id: uuid() }); // else its refusal could be taken for a response's
  };

  const respond = () => attempt?.sequencer.request();
  const applyMute = () => {
    attempt?.call.mute(muted || !button.open());
    changed();
  };
  const button = createPushToTalk({ send, interrupt, respond, onChange: applyMute, newId: uuid });

  return {
    view: () => ({
      state,
      busy: attempt !== null,
      muted,
      pushToTalk: button.on(),
      held: button.held(),
      soundBlocked,
    }),
    log: () => log,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    start: (id = uuid()) => (attempt ?? open(id)).started,
    stop: (code) => finish("ended", code ?? "stopped", code ? new Failure(code) : undefined),
    say: (text, itemId = newItemId()) => {
      if (!attempt) return new Failure("not_live");
      const item = { id: itemId, type: "message", role: "user", content: [{ type: "input_text", text }] };
      const event = { type: "conversation.item.create", event_id: itemId, item };
      const found = attempt.call.objection(event);
      if (found) {
        report(attempt.log, found, { item_id: itemId });
        return found;
      }
      interrupt();
      send(event);
      attempt.sequencer.request();
      return null;
    },
    overhear: (id, events) => {
      for (const event of events) if (attempt?.log.id === id) hear({ type: "event", event });
    },
    interrupt,
    respond,
    update: (session) => send({ type: "session.update", event_id: uuid(), session }),
    mute: (next) => {
      muted = next;
      applyMute();
    },
    pushToTalk: button.choose,
    talk: (held) => {
      if (!held) button.release();
      else if (attempt && state.status === "live" && !muted) button.press();
    },
    enableSound: () => attempt?.call.enableSound(),
    restore: (earlier) => {
      if (attempt) return;
      state = earlier;
      changed();
    },
    level: (side) => attempt?.call.level(side) ?? 0,
  };
}

/** Realtime API reference, conversation.item.create: an id has at most 32 characters. */
function newItemId(): string {
  return `item_${uuid().replaceAll("-", "").slice(0, 24)}`;
}

function duration(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
