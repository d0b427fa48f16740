/**
 * What is left before a session is started, in words. The kernel tells it, as the token endpoint answers
 * (`GET /v1/allowance`); the times in it are from then on, so they become times of day at once. It must not know who asks.
 */

export interface Left {
  /** One or two short phrases. */
  readonly words: readonly string[];
  /** Whether the endpoint would let a session through, as far as is known. */
  readonly room: boolean;
}

/** Null is without a limit, credits also where their number is not told; times are in seconds. */
interface Allowance {
  readonly voice?: boolean;
  readonly credits?: number | null;
  readonly credits_per_session?: number;
  readonly enough_credits?: boolean;
  readonly sessions?: { limit: number; seconds: number; remaining: number; reset: number } | null;
}

const MINUTE_MS = 60_000;
const DAY_S = 86_400;

/** Null when there is no limit. */
export function leftOf(told: unknown, now: Date): Left | null {
  const left = (told ?? {}) as Allowance;
  const { voice, credits, credits_per_session: price = 0, enough_credits: room = true, sessions } = left;
  if (voice === false) return { words: ["Voice is not part of the plan"], room: false };
  if (sessions?.remaining === 0) {
    const words = [
      `No sessions left ${stretch(sessions.seconds)}`,
      `room again ${moment(sessions.reset, now)}`,
    ];
    return { words, room: false };
  }
  const words: string[] = [];
  if (sessions)
    words.push(`${sessions.remaining} of ${sessions.limit} sessions left ${stretch(sessions.seconds)}`);
  if (typeof credits === "number")
    words.push(`${count(credits)}, ${room ? `${price} a session` : `a session takes ${price}`}`);
  else if (!room) words.push(words.length ? "too few credits for another" : "Too few credits for a session");
  return words.length ? { words, room } : null;
}

function stretch(seconds: number): string {
  if (seconds === 3600) return "this hour";
  return seconds > 2 * 3600 ? `in these ${seconds / 3600} hours` : `in these ${seconds / 60} minutes`;
}

/** The first whole minute at which there is room, by the reader's own clock. */
function moment(seconds: number, now: Date): string {
  const time = new Date(Math.ceil((now.getTime() + seconds * 1000) / MINUTE_MS) * MINUTE_MS);
  const day = seconds < DAY_S / 2 ? {} : { weekday: "short" as const };
  return `at ${time.toLocaleTimeString([], { hour: "numeric", minute: "2-digit", ...day })}`;
}

const count = (credits: number) => `${credits} credit${credits === 1 ? "" : "s"}`;
