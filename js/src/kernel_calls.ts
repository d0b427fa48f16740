/**
 * The endpoint's calls as a page of a notebook makes them: asked of the kernel, each with a number, and its answer waited for.
 * It must not know the endpoint, nor how a message reaches the kernel.
 */
import { type Backend, failureOf, isTicket, type Problem } from "./backend";
import { Failure, withDeadline } from "./failure";
import { uuid } from "./preflight";
import type { Ticket } from "./transport";

/** Longer than the kernel's own patience with the endpoint. */
const CALL_DEADLINE_MS = 30_000;

export interface CallsOptions {
  /** Send the kernel a message; false when nothing can be sent any more. */
  readonly post: (message: Record<string, unknown>) => boolean;
  /** The log of the session that is begun. */
  readonly log: () => string;
  /** Whether a call runs. */
  readonly live: () => boolean;
  /** The kernel has refused a call with this code, if it has one. */
  readonly onRefused: (code: unknown) => void;
  /** The end of a session is told, to a kernel that may be gone; again when that one had hung up. */
  readonly onEnding: () => void;
}

export interface Reply {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly problem?: Problem;
}

export interface Calls {
  readonly backend: Backend;
  /** The kernel's answer to a call. */
  take(reply: Reply): void;
  /** No call that waits is answered any more. */
  abandon(): void;
}

export function createCalls({ post, log, live, onRefused, onEnding }: CallsOptions): Calls {
  const waiting = new Map<string, (reply: Reply) => void>();

  const call = (method: string, params: object): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = uuid();
      waiting.set(id, ({ result, problem }) => {
        waiting.delete(id);
        onRefused(problem?.code);
        if (problem) reject(failureOf(problem));
        else resolve(result);
      });
      if (!post({ op: "call", id, method, params })) reject(new Failure("kernel_gone"));
    });
  const ask = (method: string, params: object, onLate: (late: Ticket) => void): Promise<Ticket> => {
    const answer = call(method, params).then((ticket) => {
      if (isTicket(ticket)) return ticket;
      throw new Failure("internal", "The kernel's answer is not a ticket.");
    });
    return withDeadline(answer, CALL_DEADLINE_MS, "kernel_busy", onLate);
  };
  const tooLate = (ticket: Ticket) => void backend.ended(ticket, "kernel_busy");
  const backend: Backend = {
    open: (sdp, key) => ask("open", { log: log(), sdp, key }, tooLate),
    // A later try may have succeeded by then: it is the same session.
    reopen: ({ id }, sdp) =>
      ask("reopen", { log: log(), session: id, sdp }, (late) => live() || tooLate(late)),
    connected: async ({ id, call_id }) => {
      await call("connected", { session: id, call_id: call_id ?? null });
    },
    carry: async ({ id }, event) => {
      await call("send", { session: id, event });
    },
    ended: async ({ id }, reason) => {
      // A local peer dies with its kernel: then the call ends with nobody left to hear of it.
      onEnding();
      await call("ended", { session: id, reason }).catch(() => undefined);
      if (reason === "hung_up") onEnding();
    },
  };
  return {
    backend,
    take: (reply) => waiting.get(String(reply.id))?.(reply),
    abandon: () => {
      for (const answer of waiting.values()) answer({ problem: { code: "kernel_gone" } });
    },
  };
}
