/**
 * The driver of a voice session: commands in, the call's reports into the log, effects out. One call at a time.
 * Everything of an attempt hangs on its own AbortController, so a stale attempt can touch nothing.
 * It must not know how the page reaches the endpoint, how a connection is made, or how a session looks.
 */
import type { Backend } from "./backend";
import { type Call, openCall } from "./call";
import type { Session } from "./driver";
import { asFailure, Failure } from "./failure";
import { createItems } from "./items";
import { createListeners } from "./listeners";
import { type Log, note, noteFailure, openLog } from "./log";
import { granted } from "./persevere";
import { uuid } from "./preflight";
import { type CallForm, type Envelope, GA_CALLS, type WireEvent } from "./protocol";
import { createPushToTalk } from "./push_to_talk";
import { createReopening, isAged, type Reopening } from "./reopening";
import { createSequencer, type Sequencer } from "./sequencer";
import { State } from "./state";
import type { Connect, Report, Ticket } from "./transport";

export interface SessionOptions {
  readonly backend: Backend;
  readonly connect: Connect;
  /** What calls are like with the service that is set up now; by default GA's. */
  readonly form?: () => CallForm;
  /** Sees every envelope, in order: the bridge to the kernel. */
  readonly onEnvelope?: (log: string, envelope: Envelope) => void;
}

/** `ticket` is null until the endpoint has answered; it and the sequencer are the newest call's. */
interface Attempt {
  readonly abort: AbortController;
  readonly log: Log;
  readonly call: Call;
  readonly started: Promise<void>;
  readonly reopening: Reopening;
  ticket: Ticket | null;
  sequencer: Sequencer;
}

/** Why an attempt is over that nobody minds. */
const STOPPED = new Failure("not_live", "The session was stopped before it was live.");

export function createSession({ backend, connect, form, onEnvelope }: SessionOptions): Session {
  const { add: subscribe, tell: changed } = createListeners();
  let attempt: Attempt | null = null;
  let log: Log | null = null;
  let state = new State();
  let muted = false;
  let soundBlocked = false;

  /** Release everything first, then write down why. */
  const finish = (status: "ended" | "failed", reason: string, failure?: Failure) => {
    if (!attempt) return;
    const { abort, log: its, ticket } = attempt;
    attempt = null;
    soundBlocked = false;
    button.drop();
    abort.abort(failure ?? STOPPED);
    if (failure && its.state.errors.at(-1)?.code !== failure.code) noteFailure(its, failure);
    items.giveUp(its, failure?.code ?? "not_live");
    const by = reason === "hung_up" ? { by: "service" } : {};
    note(its, "status", failure ? { status, code: failure.code } : { status, ...by });
    if (ticket) void backend.ended(ticket, reason);
  };
  const failed = (failure: Failure) => finish("failed", failure.code, failure);

  /** Have an offer answered; an answer that comes after the end is given back. */
  const exchange = async (signal: AbortSignal, asked: () => Promise<Ticket>): Promise<Ticket> => {
    signal.throwIfAborted();
    const ticket = await asked();
    if (signal.aborted || !attempt) {
      void backend.ended(ticket, signal.reason === STOPPED ? "stopped" : asFailure(signal.reason).code);
      throw signal.reason;
    }
    attempt.ticket = ticket;
    return ticket;
  };
  const again = async (sdp: string): Promise<Ticket> => {
    if (!attempt?.ticket) throw STOPPED;
    if (!sdp) throw new Failure("handshake_timeout"); // a relay is a session of its own
    return backend.reopen(attempt.ticket, sdp);
  };
  const hear = (told: Report) => {
    if (!attempt) return;
    if (told.type === "event") {
      const event = attempt.log.append("in", told.event);
      attempt.sequencer.observe(event);
      button.observe(event);
    }
    if (told.type === "sent") attempt.log.append("out", told.event);
    if (told.type === "trouble") noteFailure(attempt.log, told.failure);
    if (told.type === "detour") note(attempt.log, "detour", { code: told.code });
    if (told.type === "wavering") note(attempt.log, "status", { status: "reconnecting" });
    if (told.type === "steady") note(attempt.log, "status", { status: "live" });
    if (told.type === "over" && !attempt.reopening.busy()) {
      if (told.by === "network" && attempt.ticket?.url) failed(new Failure("connection_lost"));
      else if (told.by === "network") attempt.reopening.recover();
      else if (isAged(state)) finish("ended", "session_expired", new Failure("session_expired"));
      else finish("ended", "hung_up");
    }
  };
  const send = (event: WireEvent) => {
    if (attempt?.reopening.holding()) attempt.reopening.hold(event);
    else if (attempt && !attempt.call.send(event)) attempt.log.append("out", event);
  };
  const update = (session: object, eventId = uuid()) =>
    send({ type: "session.update", event_id: eventId, session });

  const carry = (event: WireEvent) => {
    const [its, ticket] = [attempt?.log, attempt?.ticket];
    if (!its || !ticket) return;
    backend.carry?.(ticket, event).catch((thrown: unknown) => {
      if (attempt?.log === its) noteFailure(its, asFailure(thrown));
    });
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
    note(attempt.log, "status", { status: "live" });
    confirm(attempt);
  };
  /** Told to each call. It goes on even if the word gets lost that it stands: the endpoint hangs up on its own. */
  const confirm = ({ log: its, ticket }: Attempt) => {
    if (!ticket) return;
    if (ticket.update) update(ticket.update);
    // What the session is charged for, once; whoever has hung up meanwhile need not hear what became of it.
    backend.connected(ticket).catch((thrown: unknown) => {
      if (attempt?.log === its) noteFailure(its, asFailure(thrown));
    });
  };
  const open = (id: string): Attempt => {
    const abort = new AbortController();
    const its = openLog(id, (_, envelope) => {
      onEnvelope?.(id, envelope);
      changed();
      if (attempt?.log === its) items.catchUp();
    });
    const like = form?.() ?? GA_CALLS;
    const call = openCall({
      connect,
      muted: muted || !button.open(),
      signal: abort.signal,
      exchange: async (sdp) => {
        // What could not be connected takes no second place.
        if (attempt?.ticket) await backend.ended(attempt.ticket, "handshake_timeout");
        const asked = () => granted((key) => backend.open(sdp, key), abort.signal);
        const { sdp: answer, url, ...ticket } = await exchange(abort.signal, asked);
        const { id: session, provider, transport, model, voice, call_id } = ticket;
        note(its, "session", { id: session, provider, transport, model, voice, call_id });
        return answer ?? url ?? "";
      },
      form: like,
      carry,
      report: hear,
      onMicrophoneLost: (failure) => noteFailure(its, failure),
      onSoundBlocked: (blocked) => {
        soundBlocked = blocked;
        if (blocked) noteFailure(its, new Failure("autoplay_blocked"));
        changed();
      },
    });
    const started = settle(abort, call);
    started.catch(() => undefined); // whoever does not wait for it reads the log
    log = its;
    state = its.state;
    const reopening = createReopening({
      form: like,
      call,
      log: its,
      signal: abort.signal,
      ask: (sdp) => exchange(abort.signal, () => again(sdp)),
      onReplaced: () => {
        if (attempt) attempt.sequencer = createSequencer(send, uuid);
      },
      onStanding: (events) => {
        if (attempt) confirm(attempt);
        events.forEach(send);
        items.flush();
      },
      onLost: ({ detail }) => failed(new Failure("connection_lost", detail)),
    });
    const sequencer = createSequencer(send, uuid);
    attempt = { abort, log: its, call, started, reopening, ticket: null, sequencer };
    note(its, "status", { status: "connecting" });
    return attempt;
  };
  const interrupt = () => {
    attempt?.sequencer.cancel();
    if ([...state.responses.values()].some(({ playing }) => playing))
      send({ type: "output_audio_buffer.clear", event_id: uuid() }); // else its refusal could be taken for a response's
  };

  const respond = () => attempt?.sequencer.request();
  const items = createItems({ running: () => attempt, send, interrupt });
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
    subscribe,
    start: (id = uuid()) => (attempt ?? open(id)).started,
    stop: (code) => finish("ended", code ?? "stopped", code ? new Failure(code) : undefined),
    say: items.say,
    answer: items.answer,
    overhear: (id, events) => {
      for (const event of events) if (attempt?.log.id === id) hear({ type: "event", event });
    },
    interrupt,
    respond,
    update,
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
