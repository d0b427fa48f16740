/**
 * Envelopes on their way to the kernel: at once after a rest or when they cannot wait, else in batches, at most eight
 * a second. Kernels of ipykernel 7.1 to 7.3 stall at fifty. It must not know what the events mean beyond that list.
 */
import protocol from "../../genmb_voice_widget/protocol.json";
import type { Envelope } from "./protocol";

const URGENT = new Set(protocol.urgent);
export const BATCH_MS = 125;

export interface Outbox {
  /** A patient one waits for a batch even after a rest, and even if it is urgent. */
  push(log: string, envelope: Envelope, patient?: boolean): void;
  flush(): void;
  /** Forget what waits: a snapshot has said it all. */
  drop(): void;
}

export function createOutbox(send: (log: string, events: Envelope[]) => void): Outbox {
  let waiting: Envelope[] = [];
  let current = "";
  let rest: ReturnType<typeof setTimeout> | undefined;

  const drop = () => {
    clearTimeout(rest);
    rest = undefined;
    waiting = [];
  };
  const flush = () => {
    if (waiting.length === 0) return;
    const events = waiting;
    drop();
    rest = setTimeout(wake, BATCH_MS);
    send(current, events);
  };
  const wake = () => {
    rest = undefined;
    flush();
  };
  return {
    flush,
    drop,
    push: (log, envelope, patient = false) => {
      if (log !== current) flush();
      current = log;
      waiting.push(envelope);
      if (patient) rest ??= setTimeout(wake, BATCH_MS);
      else if (rest === undefined || URGENT.has(String(envelope.event.type))) flush();
    },
  };
}
