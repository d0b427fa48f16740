import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import protocol from "../../genmb_voice_widget/protocol.json";
import { Order } from "../src/fold/order";
import {
  canonical,
  type Envelope,
  envelopeFromJson,
  problem,
  readEvent,
  stripAudio,
  type WireEvent,
} from "../src/protocol";
import { count, elements, isRecord, LARGEST, name, number, record, text } from "../src/reading";
import { fold, State } from "../src/state";

interface Step {
  readonly name: string;
  readonly after: readonly string[];
  readonly dir?: "in" | "out";
  readonly event: WireEvent;
}

const GOOD = { seq: 3, t: 0, dir: "in", event: { type: "session.created" } };
const SCRIPT: Step[] = readFileSync(new URL("../../tests/orders/conversation.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line))
  .filter((line) => "event" in line);

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The steps, each after those that it names, otherwise in any order. */
function shuffled(script: readonly Step[], random: () => number): Step[] {
  const waiting = new Map(script.map((step) => [step.name, step]));
  const order: Step[] = [];
  while (waiting.size) {
    const ready = [...waiting.values()].filter(({ after }) => !after.some((name) => waiting.has(name)));
    const next = ready[Math.floor(random() * ready.length)] ?? expect.unreachable("the script has a circle");
    order.push(next);
    waiting.delete(next.name);
  }
  return order;
}

function envelopes(steps: readonly Step[]): Envelope[] {
  return steps.map(({ dir = "in", event }, index) => ({ seq: index + 1, t: index, dir, event }));
}

function inMidConversation(): State {
  const events = [
    { type: "session.created", session: { model: "m" } },
    { type: "conversation.item.added", item: { id: "u1", type: "message", role: "user", content: [] } },
    { type: "response.created", response: { id: "r1" } },
    { type: "response.output_text.delta", response_id: "r1", item_id: "a1", delta: "some" },
  ];
  return fold(events.map((event, index) => ({ seq: index + 1, t: index, dir: "in", event })));
}

describe("the fold", () => {
  it("gives the same turns in every order that the protocol allows", () => {
    const expected = JSON.stringify(fold(envelopes(SCRIPT)).turns);
    for (let seed = 1; seed <= 300; seed++) {
      const state = fold(envelopes(shuffled(SCRIPT, seeded(seed))));
      expect(JSON.stringify(state.turns), `seed ${seed}`).toBe(expected);
      expect(state.responses.size).toBe(0);
    }
    expect(fold(envelopes(SCRIPT)).turns.map(({ id, text, heard }) => [id, text, heard])).toEqual([
      ["u1", "Hello there.", null],
      ["a1", "Good day!", null],
      ["u2", "", null],
      ["a2", "This takes a long while", "This takes"],
      ["u3", "Look it up.", null],
      ["f1", "", null],
      ["a4", "Found it.", null],
    ]);
  });

  it("reaches a status exactly where the table allows it", () => {
    for (const [before, following] of Object.entries(protocol.status)) {
      for (const after of Object.keys(protocol.status)) {
        const state = State.fromJSON({ seq: 0, status: before });
        state.apply({ seq: 1, t: 0, dir: "own", event: { type: "genmb.status", status: after } });
        expect(state.status).toBe(following.some((status) => status === after) ? after : before);
      }
    }
  });

  it("hands out the same array, errors and turns until one of them changes", () => {
    const state = inMidConversation();
    const { turns, errors, usage, session } = state;
    state.apply({ seq: 5, t: 0, dir: "in", event: { type: "rate_limits.updated" } });
    state.apply({
      seq: 6,
      t: 0,
      dir: "in",
      event: { type: "output_audio_buffer.started", response_id: "r1" },
    });
    expect(state.turns).toBe(turns);
    expect([state.errors, state.usage, state.session]).toEqual([errors, usage, session]);
    const delta = { type: "response.output_text.delta", item_id: "a1", delta: "!" };
    state.apply({ seq: 7, t: 0, dir: "in", event: delta });
    expect(state.turns).not.toBe(turns);
    expect(state.turns[0]).toBe(turns[0]);
    expect(turns[1]?.text).toBe("some");
    expect(state.turns[1]?.text).toBe("some!");
  });

  it("refuses JSON that is no state", () => {
    for (const data of [
      null,
      [],
      "x",
      {},
      { seq: 1 },
      { seq: 1, status: "__proto__" },
      { seq: "1", status: "live" },
    ]) {
      expect(() => State.fromJSON(data)).toThrow("not a state");
    }
  });

  it("costs the same for an event after ten thousand turns as after a hundred", () => {
    const few = new State();
    const many = new State();
    talk(few, 50);
    talk(many, 5000);
    expect([few.turns.length, many.turns.length]).toEqual([100, 10_000]);
    talk(few, 200);
    const early = Math.min(...Array.from({ length: 5 }, () => talk(few, 20)));
    const late = Math.min(...Array.from({ length: 5 }, () => talk(many, 20)));
    expect(late).toBeLessThan(8 * early); // what grows with the turns would make it far more
  });
});

/** Adds exchanges to a conversation and gives the milliseconds that an event took. */
function talk(state: State, exchanges: number): number {
  const first = state.seq;
  const put = (event: WireEvent) => state.apply({ seq: state.seq + 1, t: 0, dir: "in", event });
  const began = performance.now();
  for (let each = 0; each < exchanges; each++) {
    const [user, reply, response] = [`u${state.seq}`, `a${state.seq}`, `r${state.seq}`];
    put({ type: "input_audio_buffer.speech_started", item_id: user });
    put({ type: "input_audio_buffer.committed", item_id: user, previous_item_id: null });
    put({ type: "response.created", response: { id: response } });
    const item = { id: reply, type: "message", role: "assistant", content: [] };
    put({ type: "conversation.item.added", previous_item_id: user, item });
    for (let word = 0; word < 8; word++) {
      put({ type: "response.output_text.delta", response_id: response, item_id: reply, delta: " word" });
    }
    put({ type: "response.done", response: { id: response, status: "completed" } });
  }
  return (performance.now() - began) / (state.seq - first);
}

describe("the order of items", () => {
  it("is a function of its sequence, whatever the predecessors", () => {
    const random = seeded(7);
    const ids = [..."abcdefgh", "__proto__", "constructor"];
    const any = () => ids[Math.floor(random() * ids.length)] ?? "a";
    for (let round = 0; round < 300; round++) {
      const order = new Order();
      for (let each = 0; each < 20; each++) {
        order.place(any(), random() < 0.2 ? null : any());
        const places = order.sequence().map((id) => [id, order.previous(id)] as const);
        expect(Order.restore(places).sequence()).toEqual(order.sequence());
        expect(new Set(order.sequence()).size).toBe(places.length);
      }
    }
  });
});

it("walks over all items only for an insertion in the middle", () => {
  const order = new Order();
  const sequence = order.sequence();
  for (const [item, previous] of [
    ["u1"],
    ["a1", "u1"],
    ["u2"],
    ["u2", "a1"],
    ["a2", "u2"],
    ["x", "unknown"],
  ]) {
    order.place(item ?? "", previous ?? null);
    expect(order.sequence()).toBe(sequence);
  }
  order.place("between", "u1");
  expect(order.sequence()).toEqual(["u1", "between", "a1", "u2", "a2", "x"]);
  expect(order.sequence()).not.toBe(sequence);
  expect(order.sequence()).toBe(order.sequence());
});

describe("the protocol", () => {
  it("reads an envelope, or says which member is wrong", () => {
    expect(envelopeFromJson(GOOD)).toEqual(GOOD);
    const wrong: Record<string, unknown[]> = {
      seq: [0, -1, 1.5, "1", true, null, 2 ** 53],
      t: [-1, 0.5, "0", null],
      dir: ["up", null, ["in"]],
      event: [null, [], {}, { type: "" }, { type: 7 }],
    };
    for (const [member, values] of Object.entries(wrong)) {
      for (const value of values)
        expect(() => envelopeFromJson({ ...GOOD, [member]: value })).toThrow(member);
    }
    for (const data of [null, 7, "x", [], {}])
      expect(() => envelopeFromJson(data)).toThrow("not an envelope");
  });

  it("takes what has a type for an event", () => {
    const event = { type: "x" };
    expect(readEvent(event)).toBe(event);
    expect([null, 7, [], {}, { type: 7 }, { type: "" }].map(readEvent)).toEqual(Array(6).fill(null));
  });

  it("gives an event its GA name", () => {
    for (const [old, type] of Object.entries(protocol.aliases)) {
      expect(canonical({ type: old, item_id: "a1" })).toEqual({ type, item_id: "a1" });
    }
    const event = { type: "constructor" };
    expect(canonical(event)).toBe(event);
  });

  it("replaces audio by its decoded size", () => {
    for (const size of [0, 1, 2, 3, 4, 4800]) {
      const encoded = Buffer.alloc(size).toString("base64");
      for (const type of ["response.output_audio.delta", "response.audio.delta"]) {
        expect(stripAudio({ type, item_id: "a1", delta: encoded })).toEqual({
          type,
          item_id: "a1",
          delta_bytes: size,
        });
      }
      const type = "input_audio_buffer.append";
      expect(stripAudio({ type, audio: encoded })).toEqual({ type, audio_bytes: size });
    }
    const part = { type: "input_audio", audio: "AAAA" };
    const kept = { type: "input_audio", audio_bytes: 3 };
    const type = "conversation.item.create";
    expect(stripAudio({ type, item: { content: [part, null] } })).toEqual({
      type,
      item: { content: [kept, null] },
    });
    expect(stripAudio({ type, part, content: part })).toEqual({ type, part: kept, content: kept });
    expect(stripAudio({ type, response: { output: [{ content: [part] }] } })).toEqual({
      type,
      response: { output: [{ content: [kept] }] },
    });
  });

  it("leaves an event without audio the same object", () => {
    const events: WireEvent[] = [
      { type: "response.output_audio_transcript.delta", delta: "words" },
      { type: "response.output_audio.delta", delta: null },
      { type: "session.update", session: { audio: { output: {} } } },
      { type: "conversation.item.added", item: { content: [{ type: "input_text", text: "hi" }, 3] } },
    ];
    for (const event of events) expect(stripAudio(event)).toBe(event);
  });

  it("says what went wrong in the catalogue's words", () => {
    expect(problem("mic_denied", "why")).toEqual({
      code: "mic_denied",
      say: protocol.errors.mic_denied.say,
      fix: protocol.errors.mic_denied.fix,
      retryable: true,
      detail: "why",
    });
    expect(problem("toString")).toMatchObject({ code: "internal", detail: "toString" });
    expect(problem("odd", "why").detail).toBe("odd: why");
  });
});

describe("reading", () => {
  it("gives one kind of value or nothing", () => {
    expect([[], null, "x", { a: 1 }].map(record)).toEqual([{}, {}, {}, { a: 1 }]);
    expect([[], null, {}].map(isRecord)).toEqual([false, false, true]);
    expect([{}, null, "x", [1]].map(elements)).toEqual([[], [], [], [1]]);
    expect(["", "x", null, 1].map(text)).toEqual(["", "x", null, null]);
    expect(["", "x", null, 1].map(name)).toEqual([null, "x", null, null]);
  });

  it("counts whole numbers that both languages hold", () => {
    const wrong = [
      null,
      true,
      "",
      "3",
      [],
      {},
      -1,
      0.5,
      2 ** 53,
      1e300,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ];
    expect(wrong.map(count)).toEqual(Array(wrong.length).fill(null));
    expect([0, 1, 7, LARGEST].map(count)).toEqual([0, 1, 7, LARGEST]);
    expect([1.5, true, "1", Number.NaN, -0.1].map(number)).toEqual([1.5, null, null, null, null]);
  });
});
