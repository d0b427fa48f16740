/**
 * What of the agent's sound was really heard, where the page plays it itself: of which response and item each piece is,
 * which responses have been played to their end, and how far an item came when it is cut.
 * Counts samples and holds no sound and no clock. The twin, by the clock, is genmb_voice_widget/playback.py.
 *
 * Protocol facts: OpenAI Realtime API reference, conversation.item.truncate (WebSocket: the client owns the playback).
 */

interface Part {
  readonly item: string;
  readonly index: number;
}

interface Piece {
  readonly response: string;
  readonly part: Part;
  readonly samples: number;
}

/** Whose playback ended, and how many samples of the part that was heard last were played; null: nothing was. */
export interface Cut {
  readonly responses: readonly string[];
  readonly last: { readonly part: Part; readonly samples: number } | null;
}

export interface Playback {
  /** A piece to be played. Returns its id, and whether its response begins by it; null when that one was cut. */
  add(response: string, item: string, index: number, samples: number): { id: number; begins: boolean } | null;
  /** No more of this response will come. Returns whether it was played to its end by now. */
  complete(response: string): boolean;
  /** A piece was played. Returns the response that was played to its end by it, or null. */
  finished(id: number): string | null;
  /** From now on nothing of the responses that are being played is wanted; returns whether there are any. */
  stop(): boolean;
  /** The playing has stopped, `samples` into this piece; null: with none left. */
  cut(id: number | null, samples: number): Cut;
}

export function createPlayback(): Playback {
  const waiting = new Map<number, Piece>();
  /** The responses that have begun and not been played to their end: whether they are complete. */
  const open = new Map<string, boolean>();
  const unwanted = new Set<string>();
  let stopping: string[] = [];
  let heard: Cut["last"] = null;
  let pieces = 0;

  const hear = (part: Part, samples: number) => {
    const goesOn = heard?.part.item === part.item && heard.part.index === part.index;
    heard = { part, samples: (goesOn && heard ? heard.samples : 0) + samples };
  };
  /** Forget a response that was played to its end; false when it was not. */
  const end = (response: string): boolean => {
    const left = [...waiting.values()].some((piece) => piece.response === response);
    if (left || open.get(response) !== true) return false;
    heard = null;
    return open.delete(response);
  };

  return {
    add: (response, item, index, samples) => {
      if (unwanted.has(response) || samples === 0) return null;
      const begins = !open.has(response);
      if (begins) open.set(response, false);
      pieces += 1;
      waiting.set(pieces, { response, part: { item, index }, samples });
      return { id: pieces, begins };
    },
    complete: (response) => {
      if (!open.has(response)) return false;
      open.set(response, true);
      return end(response);
    },
    finished: (id) => {
      const piece = waiting.get(id);
      if (!piece) return null;
      waiting.delete(id);
      hear(piece.part, piece.samples);
      return end(piece.response) ? piece.response : null;
    },
    stop: () => {
      for (const response of open.keys()) {
        unwanted.add(response);
        stopping.push(response);
      }
      open.clear();
      return stopping.length > 0;
    },
    cut: (id, samples) => {
      const piece = id === null ? undefined : waiting.get(id);
      if (piece && samples > 0) hear(piece.part, samples);
      const responses = stopping;
      stopping = [];
      for (const [key, { response }] of waiting) if (unwanted.has(response)) waiting.delete(key);
      const last = heard;
      heard = null;
      return { responses, last };
    },
  };
}
