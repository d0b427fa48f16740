import { expect, it } from "vitest";
import { createPlayback } from "../src/playback";

const heardOf = (item: string, samples: number) => ({ part: { item, index: 0 }, samples });

it("begins a response by its first piece and ends it when it is complete and was played", () => {
  const playback = createPlayback();
  expect(playback.add("r", "a", 0, 100)).toEqual({ id: 1, begins: true });
  expect(playback.add("r", "a", 0, 100)).toEqual({ id: 2, begins: false });
  expect(playback.finished(1)).toBe(null);
  expect(playback.complete("r")).toBe(false);
  expect(playback.finished(2)).toBe("r");
  expect(playback.stop(), "nothing is left to be cut").toBe(false);
});

it("ends a response at once when it was played before it was complete", () => {
  const playback = createPlayback();
  playback.add("r", "a", 0, 100);
  expect(playback.finished(1)).toBe(null);
  expect(playback.complete("r")).toBe(true);
});

it("counts what was played of the item that was heard last, and wants nothing more of a response that was cut", () => {
  const playback = createPlayback();
  playback.add("r", "a", 0, 100);
  playback.add("r", "b", 0, 100);
  playback.add("r", "b", 0, 100);
  playback.finished(1);
  playback.finished(2);
  expect(playback.stop()).toBe(true);
  expect(playback.add("r", "b", 0, 100), "it comes after the cut").toBe(null);
  expect(playback.cut(3, 40)).toEqual({ responses: ["r"], last: heardOf("b", 140) });
  expect(playback.stop()).toBe(false);
});

it("counts what is played until the playing has really stopped", () => {
  const playback = createPlayback();
  playback.add("r", "a", 0, 100);
  playback.add("r", "a", 0, 100);
  playback.stop();
  playback.finished(1);
  expect(playback.cut(2, 10).last).toEqual(heardOf("a", 110));
});

it("knows of an item that has not begun that the one before was heard last", () => {
  const playback = createPlayback();
  playback.add("r", "a", 0, 100);
  playback.add("r", "b", 0, 100);
  playback.finished(1);
  playback.stop();
  expect(playback.cut(2, 0).last).toEqual(heardOf("a", 100));
});

it("has heard nothing of what was cut before its first sample, or of an earlier reply", () => {
  const playback = createPlayback();
  playback.add("r", "a", 0, 100);
  playback.stop();
  expect(playback.cut(1, 0)).toEqual({ responses: ["r"], last: null });
});

it("cuts a reply whose sound is behind with all that was played", () => {
  const playback = createPlayback();
  playback.add("r", "a", 0, 100);
  playback.finished(1);
  expect(playback.stop()).toBe(true);
  expect(playback.cut(null, 0)).toEqual({ responses: ["r"], last: heardOf("a", 100) });
});

it("does not count an earlier reply that was played to its end", () => {
  const playback = createPlayback();
  playback.add("r1", "a", 0, 100);
  playback.complete("r1");
  playback.finished(1);
  playback.add("r2", "b", 0, 100);
  playback.stop();
  expect(playback.cut(2, 0), "it is told about that reply alone").toEqual({ responses: ["r2"], last: null });
});
