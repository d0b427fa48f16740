/**
 * How a session goes on with another call: in the place of one that was lost, or before the service ends it for its age.
 * One at a time. It must not know how the endpoint is asked, nor what else becomes of the session.
 */
import type { Call } from "./call";
import { asFailure, type Failure } from "./failure";
import { type Log, note } from "./log";
import { persevere } from "./persevere";
import type { CallForm, WireEvent } from "./protocol";
import { seeds } from "./seed";
import type { State } from "./state";
import type { Ticket } from "./transport";

/** How long before its end a call is replaced when nobody speaks, and when somebody does. */
const QUIET_MS = 60_000;
const LAST_MS = 10_000;
const LOOK_MS = 1_000;
/** How long after a replacement that was refused the next is tried. */
const AGAIN_MS = 10_000;

export interface ReopeningOptions {
  readonly call: Call;
  readonly form: CallForm;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Have another offer for the session answered. */
  readonly ask: (sdp: string) => Promise<Ticket>;
  /** Another call has the session's place; nothing of the former one comes any more. */
  readonly onReplaced: () => void;
  /** The new call stands: it is to be told this first, what was said and what was to be sent meanwhile. */
  readonly onStanding: (events: readonly WireEvent[]) => void;
  /** There is no call any more, and no other can be had. */
  readonly onLost: (why: Failure) => void;
}

export interface Reopening {
  /** The call is lost: open another, unless that is being done. */
  recover(): void;
  /** Whether another call is being opened, so that the end of the former one means nothing. */
  busy(): boolean;
  /** Whether what is to be sent now must wait until the new call stands. */
  holding(): boolean;
  hold(event: WireEvent): void;
}

export function createReopening(options: ReopeningOptions): Reopening {
  const { call, log, signal } = options;
  let busy = false;
  let held: WireEvent[] | null = null;
  let tried = Number.NEGATIVE_INFINITY;

  const replace = async () => {
    await call.redial(async (offer) => {
      const { sdp = "", call_id } = await options.ask(offer);
      note(log, "reopened", { call_id });
      held ??= [];
      options.onReplaced();
      return sdp;
    });
    signal.throwIfAborted();
    const waiting = held ?? [];
    held = null;
    options.onStanding([...seeds(log.state.turns, options.form.reply_text), ...waiting]);
    if (log.state.status === "reconnecting") note(log, "status", { status: "live" });
  };
  const recover = async () => {
    if (busy) return;
    busy = true;
    if (log.state.status === "live") note(log, "status", { status: "reconnecting" });
    try {
      await persevere(replace, signal);
    } catch (thrown) {
      if (!signal.aborted) options.onLost(asFailure(thrown));
    } finally {
      busy = false;
    }
  };
  /** A renewal that is refused changes nothing while the call there is can go on. */
  const renew = async () => {
    const { session, status, activity } = log.state;
    const left = (session?.expires_at ?? Number.POSITIVE_INFINITY) * 1000 - Date.now();
    if (busy || status !== "live" || left > (activity === "listening" ? QUIET_MS : LAST_MS)) return;
    if (Date.now() - tried < AGAIN_MS) return;
    tried = Date.now();
    busy = true;
    await replace().catch(() => undefined);
    busy = false;
    if (!signal.aborted && call.objection({ type: "" })) void recover();
  };
  const looking = setInterval(() => void renew(), LOOK_MS);
  signal.addEventListener("abort", () => clearInterval(looking), { once: true });
  return {
    recover: () => void recover(),
    busy: () => busy,
    holding: () => held !== null,
    hold: (event) => held?.push(event),
  };
}

/** Whether a service that has ended the call did so for its age, to the second; it may or may not have said so. */
export function isAged({ session }: State): boolean {
  return Date.now() >= ((session?.expires_at ?? Number.POSITIVE_INFINITY) - 1) * 1000;
}
