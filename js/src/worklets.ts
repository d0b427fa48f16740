/**
 * What runs on the audio thread, 128 samples at a time: the microphone's sound cut into frames of PCM, and PCM played in
 * order, with an exact count of what was. It must not know items, responses or sockets.
 *
 * The function is turned into text and loaded as a module of its own, so it can use nothing from outside of itself.
 */

interface Port {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onmessage: ((message: { readonly data: unknown }) => void) | null;
}
declare class AudioWorkletProcessor {
  readonly port: Port;
}
declare function registerProcessor(name: string, processor: unknown): void;

/** Play this; `id` grows. To null: stop at once, drop the rest, and say how far it came. */
export type ToPlayer = { readonly id: number; readonly samples: Int16Array } | null;

/** `finished`: this was played to its end. `cut`: how many samples of which were played then; null: there was nothing left. */
export type FromPlayer =
  | { readonly finished: number }
  | { readonly cut: { readonly id: number | null; readonly samples: number } };

export function processors(): void {
  /** 30 ms at 24 kHz. */
  const FRAME = 720;

  class Capture extends AudioWorkletProcessor {
    private frame = new Int16Array(FRAME);
    private at = 0;

    process([input]: readonly (readonly Float32Array[])[]): boolean {
      for (const sample of input?.[0] ?? []) {
        this.frame[this.at++] = Math.round(Math.max(-1, Math.min(1, sample)) * 32767);
        if (this.at < FRAME) continue;
        this.port.postMessage(this.frame, [this.frame.buffer]);
        this.frame = new Int16Array(FRAME);
        this.at = 0;
      }
      return true;
    }
  }

  class Player extends AudioWorkletProcessor {
    private queue: Array<NonNullable<ToPlayer>> = [];
    /** Samples of the first that were played. */
    private at = 0;

    constructor() {
      super();
      this.port.onmessage = ({ data }) => {
        const told = data as ToPlayer;
        if (told) this.queue.push(told);
        else this.cut();
      };
    }

    process(_: unknown, [output]: readonly (readonly Float32Array[])[]): boolean {
      const speaker = output?.[0];
      for (let to = 0; speaker && to < speaker.length; to += 1) {
        const [first] = this.queue;
        if (!first) break;
        speaker[to] = (first.samples[this.at++] ?? 0) / 32768;
        if (this.at < first.samples.length) continue;
        this.queue.shift();
        this.at = 0;
        this.port.postMessage({ finished: first.id });
      }
      return true;
    }

    private cut(): void {
      this.port.postMessage({ cut: { id: this.queue[0]?.id ?? null, samples: this.at } });
      this.queue = [];
      this.at = 0;
    }
  }

  registerProcessor("genmb-capture", Capture);
  registerProcessor("genmb-player", Player);
}
