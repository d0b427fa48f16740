/**
 * Is the other side of a call still there? Told by whether anything arrives and whether questions stay unanswered, not by
 * sound: a service need not send any while it is silent.
 * Pure: whoever asks brings the counts and the time. It must not know what follows from the answer.
 *
 * Facts: W3C, Identifiers for WebRTC's Statistics API, RTCIceCandidatePairStats; RFC 7675, section 5.1 (both sides keep
 * asking whether the other still consents). Chromium 156 asks at least every 2.5 s, and 16 times a second as soon as an
 * answer is missing.
 */

/** What has come in so far, of any kind, and how often the other side was asked; null where the browser does not say. */
export interface Counts {
  readonly arrived: number;
  readonly asked: number | null;
}

/** Milliseconds in which nothing has come; by then Chromium has asked in vain a few times. */
const SILENT_MS = 2_000;
const IN_VAIN = 2;

export function countsOf(stats: Iterable<readonly [string, unknown]>): Counts {
  let arrived = 0;
  let asked: number | null = null;
  for (const [, entry] of stats) {
    const { type, nominated, ...counted } = entry as Entry;
    if (type === "inbound-rtp") arrived += counted.packetsReceived ?? 0;
    if (type !== "candidate-pair" || !nominated) continue;
    const { packetsReceived = 0, responsesReceived = 0, requestsReceived = 0, requestsSent } = counted;
    arrived += packetsReceived + responsesReceived + requestsReceived;
    if (requestsSent !== undefined) asked = (asked ?? 0) + requestsSent;
  }
  return { arrived, asked };
}

/** The members that are read of an entry of either kind. */
interface Entry {
  readonly type: string;
  readonly nominated?: boolean;
  readonly packetsReceived?: number;
  readonly responsesReceived?: number;
  readonly requestsReceived?: number;
  readonly requestsSent?: number;
}

export interface Pulse {
  /** Take the counts of this moment (ms). Returns whether the other side has fallen silent. */
  feel(counts: Counts, now: number): boolean;
  /** When something had last arrived, as far as it was looked for. */
  heard(): number;
}

export function createPulse(now: number): Pulse {
  let last: Counts | null = null;
  let heard = now;
  let askedThen: number | null = null;
  return {
    feel: (counts, at) => {
      if (last !== null && counts.arrived > last.arrived) heard = at;
      if (last === null || heard === at) askedThen = counts.asked;
      last = counts; // a pair that is given up takes its counts along, which is no sign of life
      if (at - heard < SILENT_MS || counts.asked === null || askedThen === null) return false;
      return counts.asked - askedThen >= IN_VAIN;
    },
    heard: () => heard,
  };
}
