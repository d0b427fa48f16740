/**
 * Trying again what the network, or a busy endpoint, may have broken: when, how often, and what is worth it.
 * It must not know what is tried.
 */
import { abortable, asFailure, Failure } from "./failure";
import { uuid } from "./preflight";

/** How long before each try, beside a chance part that keeps the pages of one network apart. */
const PAUSES_MS = [0, 1_000, 3_000];
const CHANCE_MS = 500;
/** How long a page without any network waits for one: as long as the endpoint may still renew a session that ended. */
const OFFLINE_MS = 60_000;

/** How long before another try at a start, which somebody waits for. */
const STARTING_MS = [500, 1_500];
/** The endpoint's plain 503; what refuses for a limit (429, `provider_busy`) is never asked twice. */
const AWAY = "service_unavailable";

/** The catalogue's codes for what may be over in a moment. Every other refusal is the last word. */
const PASSING = [
  "endpoint_unreachable",
  "handshake_timeout",
  "kernel_busy",
  "provider_unreachable",
  "service_unavailable",
  "session_opening",
];

/**
 * Try until it works; a network that comes back cuts a pause short, and without one nothing is tried. Rejects with the
 * last try's failure, or the signal's reason.
 */
export async function persevere(attempt: () => Promise<void>, signal: AbortSignal): Promise<void> {
  let failure = new Failure("connection_lost");
  const until = Date.now() + OFFLINE_MS;
  for (const pause of PAUSES_MS) {
    const offline = navigator.onLine === false;
    await abortable(
      pauseFor(offline ? until - Date.now() : pause && pause + Math.random() * CHANCE_MS, signal),
      signal,
    );
    if (Date.now() >= until) break;
    try {
      return await attempt();
    } catch (thrown) {
      signal.throwIfAborted();
      failure = asFailure(thrown);
      if (!PASSING.includes(failure.code)) break;
    }
  }
  throw failure;
}

/**
 * Have a start granted: an endpoint that cannot just now is asked again, each time with the same key. Rejects with the
 * last try's failure, or the signal's reason.
 */
export async function granted<T>(attempt: (key: string) => Promise<T>, signal: AbortSignal): Promise<T> {
  const key = uuid();
  for (const pause of STARTING_MS) {
    try {
      return await attempt(key);
    } catch (thrown) {
      signal.throwIfAborted();
      if (asFailure(thrown).code !== AWAY) throw thrown;
    }
    await abortable(pauseFor(pause, signal), signal);
  }
  return attempt(key);
}

/** Resolves after so long, or with the network's return. */
function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = () => {
      over.abort();
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, ms);
    window.addEventListener("online", end, { signal: over.signal });
    signal.addEventListener("abort", end, { signal: over.signal });
  });
}
