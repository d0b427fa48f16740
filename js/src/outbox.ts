/**
 * Envelopes on their way to the kernel, in batches: at once for what cannot wait, else at most eight messages a second.
 * Kernels of ipykernel 7.1 to 7.3 stall at fifty. It must not know what the events mean beyond that list.
 */
import protocol from "../../genmb_voice_widget/protocol.json";
import type { Envelope } from "./protocol";

const URGENT = new Set(protocol.urgent);
export const BATCH_MS = 125;

export interface Outbox {
  push(log: string, envelope: Envelope): void;
  flush(): void;
  /** Forget what waits: a snapshot has said it all. */
  drop(): void;
}

export function createOutbox(send: (log: string, events: Envelope[]) => void): Outbox {
  let waiting: Envelope[] = [];
  let current = "";
  let timer: ReturnType<typeof setTimeout> | undefined;

  const drop = () => {
    clearTimeout(timer);
    timer = undefined;
    waiting = [];
  };
  const flush = () => {
    const events = waiting;
    drop();
    if (events.length > 0) send(current, events);
  };
  return {
    flush,
    drop,
    push: (log, envelope) => {
      if (log !== current) flush();
      current = log;
      waiting.push(envelope);
      if (URGENT.has(String(envelope.event.type))) flush();
      else timer ??= setTimeout(flush, BATCH_MS);
    },
  };
}
