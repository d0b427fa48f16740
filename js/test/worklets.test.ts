import { beforeEach, expect, it, vi } from "vitest";
import { processors } from "../src/worklets";

interface Processor {
  readonly port: { posted: unknown[]; onmessage: ((message: { data: unknown }) => void) | null };
  process(inputs: Float32Array[][], outputs: Float32Array[][]): boolean;
}
let made: Map<string, new () => Processor>;

beforeEach(() => {
  made = new Map();
  vi.stubGlobal(
    "AudioWorkletProcessor",
    class {
      posted: unknown[] = [];
      port = { posted: this.posted, onmessage: null, postMessage: (data: unknown) => this.posted.push(data) };
    },
  );
  vi.stubGlobal("registerProcessor", (name: string, processor: new () => Processor) =>
    made.set(name, processor),
  );
  processors();
});

function make(name: string): Processor {
  const processor = made.get(name);
  if (!processor) throw new Error(`there is no ${name}`);
  return new processor();
}

it("cuts the microphone's sound into frames of 30 ms, and what is too loud to what fits", () => {
  const capture = make("genmb-capture");
  const quantum = Float32Array.from({ length: 128 }, (_, at) => [0, 0.5, 2, -2][at % 4] ?? 0);
  for (let at = 0; at < 12; at += 1) expect(capture.process([[quantum]], [])).toBe(true);
  capture.process([[]], []);
  expect(capture.port.posted.map((frame) => (frame as Int16Array).length)).toEqual([720, 720]);
  expect([...(capture.port.posted[0] as Int16Array).slice(0, 4)]).toEqual([0, 16384, 32767, -32767]);
});

it("plays what it was given in order, then silence, and tells when each piece is over and where it was cut", () => {
  const player = make("genmb-player");
  const tell = (data: unknown) => player.port.onmessage?.({ data });
  const play = () => {
    const output = new Float32Array(128);
    player.process([], [[output]]);
    return [...output];
  };
  const piece = (length: number) => new Int16Array(length).fill(16384);
  tell({ id: 1, samples: piece(100) });
  tell({ id: 2, samples: piece(100) });
  expect(play().every((sample) => sample === 0.5)).toBe(true);
  tell(null);
  expect(player.port.posted).toEqual([{ finished: 1 }, { cut: { id: 2, samples: 28 } }]);
  expect(play().every((sample) => sample === 0)).toBe(true);
  tell(null);
  expect(player.port.posted.at(-1)).toEqual({ cut: { id: null, samples: 0 } });
});
