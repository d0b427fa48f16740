/**
 * The token endpoint's four calls as the driver sees them, and the form they take in a plain page (`HttpBackend`).
 * In a notebook the same four calls go through the kernel (`kernel.ts`). Neither knows WebRTC.
 */
import { Failure } from "./failure";
import type { WireEvent } from "./protocol";
import { record } from "./reading";
import type { Ticket } from "./transport";

export interface Backend {
  /**
   * The offer for a ticket with the answer; no offer, '', for one with the address of a WebSocket. However often it is asked
   * for with one key, it is one session and one charge. Rejects with a `Failure`.
   */
  open(sdp: string, key: string): Promise<Ticket>;
  /** Another offer for a session whose call was lost, or nears its end: another ticket, at no charge. */
  reopen(ticket: Ticket, sdp: string): Promise<Ticket>;
  /** The call stands: this is what a session is charged for. Idempotent. */
  connected(ticket: Ticket): Promise<void>;
  /** The call is over; the endpoint hangs up. Idempotent, and never rejects: nobody is left to tell. */
  ended(ticket: Ticket, reason: string): Promise<void>;
  /** Tell the service an event of the page's, where it does not read the call's own channel. */
  carry?(ticket: Ticket, event: WireEvent): Promise<void>;
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
  /** The app that the page belongs to; it goes in the query because a beacon can carry no header. */
  readonly app?: string;
  /** An app key or an app token, sent as a bearer token. */
  readonly key?: string;
  /** Whether the cookies of the endpoint's own site go along, also from a page of another origin. */
  readonly signedIn?: boolean;
}

/** The endpoint itself gives a provider 20 s. */
const DEADLINE_MS = 25_000;

/** Why a call ends that nobody is left to see: the page itself goes. */
const PAGE_GONE = "page_gone";

export function createHttpBackend(options: HttpOptions): Backend {
  const { endpoint, provider, session, app, key: appKey, signedIn } = options;
  const base = `${endpoint.replace(/\/+$/, "")}/v1/sessions`;
  const address = (path: string) => `${base}${path}${app ? `?app=${encodeURIComponent(app)}` : ""}`;

  const post = async (path: string, body: object, headers: Record<string, string> = {}): Promise<unknown> => {
    const response = await fetch(address(path), {
      method: "POST",
      headers: {
        "Content-Type": "application/json",
        ...(appKey ? { Authorization: `Bearer ${appKey}` } : {}),
        ...headers,
      },
      body: JSON.stringify(body),
      ...(signedIn ? { credentials: "include" } : {}),
      // A page that is being closed may still report the end of its call.
      keepalive: /\/(connected|ended)$/.test(path),
      signal: AbortSignal.timeout(DEADLINE_MS),
    }).catch((thrown: unknown) => {
      throw new Failure("endpoint_unreachable", isLate(thrown) ? "Nothing came in time." : hint(base));
    });
    const json: unknown = await response.json().catch(() => null);
    if (!response.ok) throw refusal(response, json);
    return json;
  };

  const ask = async (path: string, body: object, headers?: Record<string, string>): Promise<Ticket> => {
    const ticket = await post(path, body, headers);
    if (!isTicket(ticket))
      throw new Failure("endpoint_unreachable", "Something answers there, but it gives no session.");
    return ticket;
  };

  return {
    open: async (sdp, key) => {
      const way = sdp ? { sdp } : { transport: "relay" };
      const body = { ...(provider ? { provider } : {}), session, ...way };
      const ticket = await ask("", body, { "Idempotency-Key": key });
      return ticket.url ? { ...ticket, update: untold(session) } : ticket;
    },
    reopen: ({ id }, sdp) => ask(`/${encodeURIComponent(id)}/offer`, { session, sdp }),
    connected: async ({ id, call_id }) => {
      await post(`/${encodeURIComponent(id)}/connected`, call_id ? { call_id } : {});
    },
    ended: async ({ id }, reason) => {
      const path = `/${encodeURIComponent(id)}/ended`;
      // Only a beacon is sure to leave a page that is going, and it can carry no key.
      const sent =
        reason === PAGE_GONE && !appKey && navigator.sendBeacon?.(address(path), JSON.stringify({ reason }));
      if (!sent) await post(path, { reason }).catch(() => undefined);
    },
  };
}

/** How a signal of `AbortSignal.timeout` aborts (DOM standard). */
function isLate(thrown: unknown): boolean {
  return thrown instanceof DOMException && thrown.name === "TimeoutError";
}

/** A browser does not tell a page why another origin did not answer it. */
function hint(base: string): string | undefined {
  return new URL(base, location.href).origin === location.origin
    ? undefined
    : `It may not be running, or pages of ${location.origin} may not ask there: genmb-voice serve --allow-origin, or genmb-voice app change ID --origin.`;
}

export function isTicket(value: unknown): value is Ticket {
  const ticket = value as Partial<Ticket> | null;
  return typeof ticket?.id === "string" && typeof (ticket.sdp ?? ticket.url) === "string";
}

/** A relay's address says no more than the model and the voice, which cannot change (OpenAI Realtime API, session.update). */
function untold({ model: _model, ...session }: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { output, ...audio } = record(session.audio);
  const { voice: _voice, ...spoken } = record(output);
  return { ...session, audio: { ...audio, ...(Object.keys(spoken).length ? { output: spoken } : {}) } };
}

function refusal(response: Response, body: unknown): Failure {
  const problem = (body ?? {}) as Problem;
  if (typeof problem.code === "string") return failureOf(problem);
  // Not our endpoint's words: a proxy, a captive portal, another server.
  return new Failure("endpoint_unreachable", `The endpoint answered with status ${response.status}.`);
}
