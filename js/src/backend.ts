/**
 * The token endpoint's three calls as the driver sees them, and the form they take in a plain page (`HttpBackend`).
 * In a notebook the same three calls go through the kernel (`kernel.ts`). Neither knows WebRTC.
 */
import { Failure } from "./failure";
import type { Ticket } from "./transport";

export interface Backend {
  /** The offer for a ticket with the answer. Rejects with a `Failure`. */
  open(sdp: string): Promise<Ticket>;
  /** The call stands: this is what a session is charged for. Idempotent. */
  connected(ticket: Ticket): Promise<void>;
  /** The call is over; the endpoint hangs up. Idempotent, and never rejects: nobody is left to tell. */
  ended(ticket: Ticket, reason: string): Promise<void>;
}

/** RFC 9457 members that the endpoint sends, or a kernel's `problem`. */
export interface Problem {
  readonly code?: unknown;
  readonly detail?: unknown;
  readonly retry_after?: unknown;
}

export function failureOf({ code, detail, retry_after }: Problem): Failure {
  return new Failure(
    typeof code === "string" ? code : "internal",
    typeof detail === "string" && detail ? detail : undefined,
    typeof retry_after === "number" ? retry_after : undefined,
  );
}

export interface HttpOptions {
  /** Where the endpoint is; its paths begin with `/v1/sessions`. */
  readonly endpoint: string;
  readonly provider?: string;
  /** The session in the wire form of the GA Realtime API. */
  readonly session: Readonly<Record<string, unknown>>;
  /** An app key, sent as a bearer token. */
  readonly key?: string;
}

/** The endpoint itself gives a provider 20 s. */
const DEADLINE_MS = 25_000;

export function createHttpBackend({ endpoint, provider, session, key }: HttpOptions): Backend {
  const base = `${endpoint.replace(/\/+$/, "")}/v1/sessions`;

  const post = async (path: string, body: object): Promise<unknown> => {
    const response = await fetch(base + path, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) },
      body: JSON.stringify(body),
      // A page that is being closed may still report the end of its call.
      keepalive: path !== "",
      signal: AbortSignal.timeout(DEADLINE_MS),
    }).catch(() => {
      throw new Failure("endpoint_unreachable");
    });
    const json: unknown = await response.json().catch(() => null);
    if (!response.ok) throw refusal(response, json);
    return json;
  };

  return {
    open: async (sdp) => {
      const ticket = await post("", { ...(provider ? { provider } : {}), session, sdp });
      if (!isTicket(ticket)) throw new Failure("endpoint_unreachable", "The answer is not a ticket.");
      return ticket;
    },
    connected: async ({ id, call_id }) => {
      await post(`/${encodeURIComponent(id)}/connected`, call_id ? { call_id } : {});
    },
    ended: async ({ id }, reason) => {
      await post(`/${encodeURIComponent(id)}/ended`, { reason }).catch(() => undefined);
    },
  };
}

export function isTicket(value: unknown): value is Ticket {
  const ticket = value as Partial<Ticket> | null;
  return typeof ticket?.id === "string" && typeof ticket.sdp === "string";
}

function refusal(response: Response, body: unknown): Failure {
  const problem = (body ?? {}) as Problem;
  if (typeof problem.code === "string") return failureOf(problem);
  // Not our endpoint's words: a proxy, a captive portal, another server.
  return new Failure("endpoint_unreachable", `The endpoint answered with status ${response.status}.`);
}
