import { expect, it } from "vitest";
import { countsOf, createPulse } from "../src/pulse";

const pair = (members: object) => ["P", { type: "candidate-pair", nominated: true, ...members }] as const;

it("counts sound, data and answers alike, of the pair that is in use", () => {
  const stats = [
    pair({ packetsReceived: 10, responsesReceived: 2, requestsReceived: 1, requestsSent: 3 }),
    ["Q", { type: "candidate-pair", nominated: false, packetsReceived: 100, requestsSent: 100 }],
    ["R", { type: "inbound-rtp", packetsReceived: 7 }],
    ["T", { type: "transport", packetsReceived: 1000 }],
  ] as const;
  expect(countsOf(stats)).toEqual({ arrived: 20, asked: 3 });
  expect(countsOf([])).toEqual({ arrived: 0, asked: null });
});

it("is silent after 2 s without anything, once two questions were asked in vain", () => {
  const pulse = createPulse(0);
  expect(pulse.feel({ arrived: 5, asked: 3 }, 500)).toBe(false);
  expect(pulse.feel({ arrived: 6, asked: 3 }, 1_000)).toBe(false);
  expect(pulse.feel({ arrived: 6, asked: 4 }, 3_000)).toBe(false);
  expect(pulse.feel({ arrived: 6, asked: 5 }, 3_500)).toBe(true);
  expect(pulse.heard()).toBe(1_000);
  expect(pulse.feel({ arrived: 7, asked: 5 }, 4_000)).toBe(false);
});

it("does not take the loss of a pair's counts for a sign of life", () => {
  const pulse = createPulse(0);
  pulse.feel({ arrived: 100, asked: 3 }, 0);
  expect(pulse.feel({ arrived: 0, asked: 9 }, 2_500)).toBe(true);
});
