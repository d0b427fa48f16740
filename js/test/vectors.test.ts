/** The vectors: what each sequence of events must fold to; their form is described in tests/test_vectors.py. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import protocol from "../../genmb_voice_widget/protocol.json";
import { type Envelope, envelopeFromJson, type WireEvent } from "../src/protocol";
import { isRecord, record } from "../src/reading";
import { fold, State } from "../src/state";

interface Line {
  readonly event?: WireEvent;
  readonly dir?: string;
  readonly seq?: number;
  readonly t?: number;
  readonly any_order?: readonly WireEvent[];
  readonly expect?: unknown;
}
type Step = { readonly envelope: Envelope } | { readonly expect: unknown };

const FOLDER = new URL("../../tests/vectors/", import.meta.url);

function permutations<T>(of: readonly T[]): T[][] {
  if (of.length < 2) return [[...of]];
  return of.flatMap((first, index) => permutations(of.toSpliced(index, 1)).map((rest) => [first, ...rest]));
}

/** The lines once for each combination of the orders that they leave open. */
function orders(lines: readonly Line[]): Line[][] {
  return lines.reduce<Line[][]>(
    (before, line) => {
      const choices = line.any_order
        ? permutations(line.any_order).map((events) => events.map((event) => ({ event })))
        : [[line]];
      return before.flatMap((start) => choices.map((choice) => [...start, ...choice]));
    },
    [[]],
  );
}

function steps(lines: readonly Line[]): Step[] {
  let seq = 0;
  return lines.flatMap((line): Step[] => {
    if (line.event) {
      seq = line.seq ?? seq + 1;
      const dir = line.dir ?? (line.event.type.startsWith("genmb.") ? "own" : "in");
      return [{ envelope: envelopeFromJson({ seq, t: line.t ?? seq, dir, event: line.event }) }];
    }
    return "expect" in line ? [{ expect: line.expect }] : [];
  });
}

function envelopes(all: readonly Step[]): Envelope[] {
  return all.flatMap((step) => ("envelope" in step ? [step.envelope] : []));
}

function json(state: State): unknown {
  return JSON.parse(JSON.stringify(state));
}

/** Compare the members of objects that are expected, and everything else whole; `{}` is an empty object. */
function expectToHold(expected: unknown, actual: unknown, where: string): void {
  if (isRecord(expected) && Object.keys(expected).length) {
    expect(isRecord(actual), `${where} is an object`).toBe(true);
    for (const [member, value] of Object.entries(expected)) {
      expect(Object.hasOwn(record(actual), member), `${where} has ${member}`).toBe(true);
      expectToHold(value, record(actual)[member], `${where}.${member}`);
    }
  } else if (Array.isArray(expected)) {
    expect(actual, where).toHaveLength(expected.length);
    expected.forEach((value, index) => {
      // In an array, {} leaves an element open.
      const open = isRecord(value) && !Object.keys(value).length;
      if (!open) expectToHold(value, (actual as unknown[])[index], `${where}[${index}]`);
    });
  } else {
    expect(actual, where).toEqual(expected);
  }
}

const CASES = readdirSync(FOLDER)
  .sort()
  .flatMap((file) => {
    const text = readFileSync(new URL(file, FOLDER), "utf8");
    const lines = text.trimEnd().split("\n");
    return orders(lines.map((line) => JSON.parse(line))).map((order, index) => ({
      name: `${file.replace(".jsonl", "")}-${index}`,
      steps: steps(order),
    }));
  });

describe.each(CASES)("$name", ({ steps }) => {
  const log = envelopes(steps);
  const whole = json(fold(log));

  it("folds to what the vector expects", () => {
    expect.hasAssertions();
    const state = new State();
    for (const step of steps) {
      if ("envelope" in step) state.apply(step.envelope);
      else expectToHold(step.expect, json(state), "state");
    }
  });

  it("does not change when envelopes are repeated, in whatever batches", () => {
    for (const size of [1, 3, 7]) {
      const state = new State();
      for (let start = 0; start < log.length; start += size) {
        for (const envelope of log.slice(Math.max(0, start - 2), start + size)) state.apply(envelope);
      }
      expect(log.some((envelope) => state.apply(envelope))).toBe(false);
      expect(json(state)).toEqual(whole);
    }
  });

  it("goes on from its JSON like the state itself", () => {
    for (let cut = 0; cut <= log.length; cut++) {
      const before = fold(log.slice(0, cut));
      const state = State.fromJSON(json(before));
      expect(json(state)).toEqual(json(before));
      for (const envelope of log.slice(cut)) state.apply(envelope);
      expect(json(state)).toEqual(whole);
    }
  });

  it("has the same turns whether or not they were read on the way", () => {
    const state = new State();
    log.forEach((envelope, index) => {
      state.apply(envelope);
      expect(state.turns).toEqual(fold(log.slice(0, index + 1)).turns);
    });
  });

  it("keeps a turn that did not change the same object", () => {
    const state = new State();
    for (const envelope of log) {
      const before = state.turns;
      const texts = new Map(before.map((turn) => [turn, JSON.stringify(turn)]));
      const byId = new Map(before.map((turn) => [turn.id, turn]));
      state.apply(envelope);
      for (const [turn, text] of texts) expect(JSON.stringify(turn)).toBe(text);
      if (envelope.event.type === "genmb.snapshot") continue;
      for (const turn of state.turns) {
        const old = byId.get(turn.id);
        if (old && texts.get(old) === JSON.stringify(turn)) expect(turn).toBe(old);
      }
    }
  });
});

it("has every alias, status and benign error of the protocol in some vector", () => {
  const events = CASES.flatMap(({ steps }) => envelopes(steps)).map(({ event }) => event);
  const types = new Set(events.map(({ type }) => type));
  const statuses = new Set(events.filter(({ type }) => type === "genmb.status").map(({ status }) => status));
  const codes = new Set(events.map(({ error }) => record(error).code));
  const missing = [
    ...Object.entries(protocol.aliases)
      .flat()
      .filter((type) => !types.has(type)),
    ...Object.keys(protocol.status).filter((status) => !statuses.has(status)),
    ...protocol.benign_errors.filter((code) => !codes.has(code)),
  ];
  expect(missing).toEqual([]);
});

it("notices what differs from an expectation", () => {
  const state = json(new State());
  const wrong = [{ seq: 1 }, { turns: [{}] }, { usage: { none: 0 } }, { session: {} }, { errors: {} }];
  for (const expected of wrong) expect(() => expectToHold(expected, state, "state")).toThrow();
});
