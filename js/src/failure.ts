/**
 * The one error that crosses our own seams: a code of the catalogue, and what is known beyond it.
 * The sentences belong to `protocol.json`; this file must not know any.
 */

/** What a backend, the microphone or a transport throws. `retryAfter` is in seconds. */
export class Failure extends Error {
  constructor(
    readonly code: string,
    readonly detail?: string,
    readonly retryAfter?: number,
  ) {
    super(detail ? `${code}: ${detail}` : code);
    this.name = "Failure";
  }
}

/** Any thrown value as a Failure; what nobody foresaw is `internal`. */
export function asFailure(thrown: unknown): Failure {
  if (thrown instanceof Failure) return thrown;
  return new Failure(
    "internal",
    thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown),
  );
}

/** The promise, or the signal's reason if that comes first. The loser's rejection is never left unhandled. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** The promise, or `code` after so many milliseconds; what comes too late is handed to `onLate`. */
export function withDeadline<T>(
  promise: Promise<T>,
  ms: number,
  code: string,
  onLate: (value: T) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      reject(new Failure(code));
    }, ms);
    promise
      .then((value) => (late ? onLate(value) : resolve(value)), reject)
      .finally(() => clearTimeout(timer));
  });
}
