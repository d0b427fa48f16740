/**
 * What the views show, as one value. Gathers it a moment after a change, and all changes of that moment at once.
 * It must not decide anything: it copies from the session and the link, and passes clicks on.
 */
import type { Left } from "../allowance";
import type { Session } from "../driver";
import type { Turn } from "../fold/turn";
import type { Problem, SessionStatus } from "../protocol";
import type { Activity } from "../state";

/** Two frames: nobody sees them, and what the change has set going, such as an offer, goes first. */
const MOMENT_MS = 32;

export interface Shown {
  readonly status: SessionStatus;
  readonly activity: Activity | null;
  readonly turns: readonly Turn[];
  readonly problems: readonly Problem[];
  /** Who answers: the running session, else what the notebook has chosen. */
  readonly provider: string | null;
  readonly model: string | null;
  readonly busy: boolean;
  readonly muted: boolean;
  readonly pushToTalk: boolean;
  readonly held: boolean;
  readonly soundBlocked: boolean;
  /** Why a call cannot be started from here, as a notice of its own; null when it can. */
  readonly notice: Notice | null;
  /** The kernel has answered, or none is needed. */
  readonly ready: boolean;
  /** An earlier session is shown, and none can be started. */
  readonly recorded: boolean;
  /** What is left at the endpoint; null when there is no limit, or before it is known. */
  readonly left: Left | null;
}

export interface Notice {
  readonly code: string;
  readonly say: string;
  readonly fix: string;
}

/** What surrounds a session: in a notebook the link to the kernel. */
export interface Surroundings {
  readonly provider: string | null;
  readonly model: string | null;
  readonly notice: Notice | null;
  readonly ready: boolean;
  readonly recorded: boolean;
  readonly left: Left | null;
}

export interface Store {
  shown(): Shown;
  /** Calls back with each new value. Returns the way to stop that. */
  subscribe(listener: (shown: Shown) => void): () => void;
  readonly session: Session;
  /** Gather again: the surroundings have changed. */
  refresh(): void;
  close(): void;
}

export function createStore(session: Session, surroundings: () => Surroundings): Store {
  const listeners = new Set<(shown: Shown) => void>();
  const gather = (): Shown => {
    const { state, ...view } = session.view();
    const around = surroundings();
    return {
      status: state.status,
      activity: around.recorded ? null : state.activity,
      turns: state.turns,
      problems: state.errors,
      provider: state.session?.provider ?? around.provider,
      model: state.session?.model ?? around.model,
      ...view,
      notice: around.notice,
      ready: around.ready,
      recorded: around.recorded,
      left: around.left,
    };
  };
  let shown = gather();
  let moment: ReturnType<typeof setTimeout> | undefined;
  const draw = () => {
    moment = undefined;
    shown = gather();
    for (const listener of listeners) listener(shown);
  };
  const refresh = () => {
    moment ??= setTimeout(draw, MOMENT_MS);
  };
  const unsubscribe = session.subscribe(refresh);
  return {
    session,
    refresh,
    shown: () => shown,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      unsubscribe();
      clearTimeout(moment);
    },
  };
}
