/**
 * Whether somebody else holds the agent's call: another page of the notebook, or the kernel. Beats and a refusal say
 * that it does, a welcome or silence that it is over. It must not know how messages come.
 */

/** Without a new beat for this long, the other's call is over. */
const SILENCE_MS = 6_000;
/** The code of a refusal that says what another's beat says. */
const REFUSAL = "active_elsewhere";

export interface Elsewhere {
  held(): boolean;
  /** Somebody else's call beats. */
  beat(): void;
  /** This page was refused something, with this code. */
  refused(code: unknown): void;
  /** The kernel has shown how the session stands; `snapshot` is a state as JSON, or null. */
  shown(snapshot: unknown): void;
  /** Time has passed. */
  tick(): void;
}

/** `onChange` hears of what a beat, a refusal or silence changes; whoever passes a welcome on knows of it. */
export function createElsewhere(now: () => number, onChange: (held: boolean) => void): Elsewhere {
  let last = Number.NEGATIVE_INFINITY;
  let held = false;
  const tick = () => {
    const next = now() - last < SILENCE_MS;
    if (next === held) return;
    held = next;
    onChange(held);
  };
  const beat = () => {
    last = now();
    tick();
  };
  return {
    held: () => held,
    beat,
    tick,
    refused: (code) => {
      if (code === REFUSAL) beat();
    },
    shown: (snapshot) => {
      if (running(snapshot)) return;
      last = Number.NEGATIVE_INFINITY; // the other call is over: its silence need not be waited for
      held = false;
    },
  };
}

function running(snapshot: unknown): boolean {
  const status = (snapshot as { readonly status?: unknown } | null | undefined)?.status;
  return status === "connecting" || status === "live" || status === "reconnecting";
}
