/**
 * One session's log: numbers and times each event, folds it, hands the envelope on.
 * The only writer of envelopes in the page. It must not know who reads them.
 */
import { canonical, type Direction, type Envelope, readEvent, stripAudio, type WireEvent } from "./protocol";
import { name } from "./reading";
import { State } from "./state";

export interface Log {
  readonly id: string;
  /** The fold so far; it changes in place. */
  readonly state: State;
  /** Returns the event as it stands in the log, or null when it was not an event at all, or stands there already. */
  append(dir: Direction, event: unknown): WireEvent | null;
  /** The ids of the service's events that stand after this `seq`. */
  heardAfter(seq: number): string[];
}

export function openLog(id: string, onEnvelope: (log: string, envelope: Envelope) => void): Log {
  const began = performance.now();
  const state = new State();
  /** By `event_id`, which is unique (Realtime API reference, server events): several sources may bring an event. */
  const heard = new Map<string, number>();
  return {
    id,
    state,
    append: (dir, raw) => {
      const read = readEvent(raw);
      if (read === null) return null;
      const eventId = dir === "in" ? name(read.event_id) : null;
      if (eventId !== null) {
        if (heard.has(eventId)) return null;
        heard.set(eventId, state.seq + 1);
      }
      const event = canonical(stripAudio(read));
      const t = Math.round(performance.now() - began);
      const envelope: Envelope = { seq: state.seq + 1, t, dir, event };
      state.apply(envelope);
      onEnvelope(id, envelope);
      return event;
    },
    heardAfter: (after) => [...heard].filter(([, seq]) => seq > after).map(([eventId]) => eventId),
  };
}
