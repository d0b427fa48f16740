/**
 * The only place that asks for responses. At most one `response.create` is on its way or being answered; a wish that
 * comes meanwhile is kept and sent after the running response is done. Pure but for `send`.
 *
 * Protocol facts: OpenAI Realtime API reference, client events `response.create` and `response.cancel` (both fail when
 * the conversation's state does not allow them; a failure names the `event_id` of the event that caused it, though not every service does).
 */
import { isBenign, type WireEvent } from "./protocol";
import { name } from "./reading";

const BUSY = "conversation_already_has_active_response";

type Turn =
  /** `eventId` is our last request's, if what was done may have been another response, which won the race. */
  | { readonly phase: "free"; readonly eventId: string | null }
  | { readonly phase: "asked"; readonly eventId: string; readonly cancelled: boolean }
  /** `id` is null when we only know from an error that some response runs; `eventId` is our last request's. */
  | {
      readonly phase: "running";
      readonly id: string | null;
      readonly eventId: string | null;
      readonly cancelled: boolean;
    };

/** Members of the `response` of a `response.create`. */
type Wish = Readonly<Record<string, unknown>>;

export interface Sequencer {
  /** The model shall answer what is in the conversation now; `response`: not as the session says, in this. */
  request(response?: Wish): void;
  /** Stop the running response, or the one on its way as soon as it runs. */
  cancel(): void;
  /** Show every event of the service, with its canonical name. */
  observe(event: unknown): void;
}

export function createSequencer(send: (event: WireEvent) => void, newId: () => string): Sequencer {
  let turn: Turn = { phase: "free", eventId: null };
  let wanted: Wish | null = null;
  let asked: Wish = {};

  const proceed = () => {
    if (!wanted || turn.phase !== "free") return;
    asked = wanted;
    wanted = null;
    const eventId = newId();
    turn = { phase: "asked", eventId, cancelled: false };
    const response = Object.keys(asked).length > 0 ? { response: asked } : {};
    send({ type: "response.create", event_id: eventId, ...response });
  };
  const stop = (id: string | null) => {
    send(id ? { type: "response.cancel", response_id: id } : { type: "response.cancel" });
  };
  const created = (id: string) => {
    const unwanted = turn.phase === "asked" && turn.cancelled;
    const { eventId, cancelled } = turn.phase === "free" ? { eventId: null, cancelled: false } : turn;
    turn = { phase: "running", id, eventId, cancelled };
    if (unwanted) stop(id);
  };
  const done = (id: string) => {
    if (turn.phase === "running" && (turn.id === null || turn.id === id))
      turn = { phase: "free", eventId: turn.cancelled ? null : turn.eventId };
    proceed();
  };
  /** Without an id the error may be another event's: then the response comes all the same, and says that it runs. */
  const refused = (eventId: string | null, code: string | null) => {
    const busy = code === BUSY;
    if (eventId === null ? !busy && isBenign(code) : eventId !== turn.eventId) return;
    if (turn.phase === "free" && (!busy || eventId === null)) return;
    // The response that won the race may have been heard of, and cancelled, before the refusal, and even be done.
    if (busy && (turn.phase === "free" || !turn.cancelled)) wanted = { ...asked, ...wanted };
    if (turn.phase === "running") return;
    if (turn.phase === "asked" && busy) {
      if (turn.cancelled) stop(null);
      turn = { ...turn, phase: "running", id: null };
    } else turn = { phase: "free", eventId: null };
    proceed();
  };

  return {
    request: (response = {}) => {
      wanted = { ...wanted, ...response };
      proceed();
    },
    cancel: () => {
      if (turn.phase === "free") return;
      turn = { ...turn, cancelled: true };
      if (turn.phase === "running") stop(turn.id);
    },
    observe: (event) => {
      const { type, response, error } = (event ?? {}) as Observed;
      const id = inConversation(response) ? name(response?.id) : null;
      if (type === "response.created" && id !== null) created(id);
      if (type === "response.done" && id !== null) done(id);
      if (type === "error") refused(name(error?.event_id), name(error?.code));
    },
  };
}

interface Observed {
  readonly type?: unknown;
  readonly response?: { readonly id?: unknown; readonly conversation_id?: unknown } | null;
  readonly error?: { readonly event_id?: unknown; readonly code?: unknown } | null;
}

/** A response outside the conversation runs beside the others: its `conversation_id` is null. */
function inConversation(response: Observed["response"]): boolean {
  return response?.conversation_id !== null;
}
