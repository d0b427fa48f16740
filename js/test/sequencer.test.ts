import { beforeEach, expect, it } from "vitest";
import type { WireEvent } from "../src/protocol";
import { createSequencer, type Sequencer } from "../src/sequencer";

let sent: WireEvent[];
let sequencer: Sequencer;

beforeEach(() => {
  sent = [];
  let count = 0;
  sequencer = createSequencer(
    (event) => sent.push(event),
    () => `e${++count}`,
  );
});

const created = (id: string) =>
  sequencer.observe({ type: "response.created", response: { id, conversation_id: "c" } });
const done = (id: string) =>
  sequencer.observe({ type: "response.done", response: { id, conversation_id: "c" } });
const refuse = (event_id: string, code: string) =>
  sequencer.observe({ type: "error", error: { code, event_id } });
const creates = () => sent.filter(({ type }) => type === "response.create").map(({ event_id }) => event_id);

it("asks at once when nothing runs", () => {
  sequencer.request();
  expect(sent).toEqual([{ type: "response.create", event_id: "e1" }]);
});

it("has one response.create on its way at a time, and then one for everything that was wanted meanwhile", () => {
  sequencer.request();
  sequencer.request();
  sequencer.request();
  created("r1");
  sequencer.request();
  expect(creates()).toEqual(["e1"]);
  done("r1");
  expect(creates()).toEqual(["e1", "e2"]);
  created("r2");
  done("r2");
  expect(creates()).toEqual(["e1", "e2"]);
});

it("waits for a response that the server began by itself", () => {
  created("r1");
  sequencer.request();
  expect(sent).toEqual([]);
  done("r1");
  expect(creates()).toEqual(["e1"]);
});

it("asks again after the other response when it lost the race", () => {
  sequencer.request();
  refuse("e1", "conversation_already_has_active_response");
  expect(creates()).toEqual(["e1"]);
  done("r-other");
  expect(creates()).toEqual(["e1", "e2"]);
});

it.each(["e1", null])(
  "asks again also when it hears of the winner before its refusal, which names %s",
  (event_id) => {
    sequencer.request();
    created("r-other");
    sequencer.observe({
      type: "error",
      error: { code: "conversation_already_has_active_response", event_id },
    });
    expect(creates()).toEqual(["e1"]);
    done("r-other");
    expect(creates()).toEqual(["e1", "e2"]);
  },
);

it("gives up a request that was refused for another reason, and is free for the next", () => {
  sequencer.request();
  refuse("e1", "invalid_value");
  expect(creates()).toEqual(["e1"]);
  sequencer.request();
  expect(creates()).toEqual(["e1", "e2"]);
});

it.each(["invalid_value", null])(
  "takes an error (%s) that names no event for the refusal of its request",
  (code) => {
    sequencer.request();
    sequencer.observe({ type: "error", error: { code, event_id: null } });
    sequencer.request();
    expect(creates()).toEqual(["e1", "e2"]);
  },
);

it("waits for the response that it lost the race to also when the error names no event", () => {
  sequencer.request();
  sequencer.observe({ type: "error", error: { code: "conversation_already_has_active_response" } });
  expect(creates()).toEqual(["e1"]);
  done("r-other");
  expect(creates()).toEqual(["e1", "e2"]);
});

it("knows that a cancel that came too late is not about its request", () => {
  sequencer.request();
  sequencer.observe({ type: "error", error: { code: "response_cancel_not_active", event_id: null } });
  sequencer.request();
  expect(creates()).toEqual(["e1"]);
});

it("does not take somebody else's error for its own", () => {
  sequencer.request();
  refuse("other", "conversation_already_has_active_response");
  created("r1");
  done("r1");
  expect(creates()).toEqual(["e1"]);
});

it("cancels only what runs", () => {
  sequencer.cancel();
  expect(sent).toEqual([]);
  created("r1");
  sequencer.cancel();
  expect(sent).toEqual([{ type: "response.cancel", response_id: "r1" }]);
  done("r1");
  sequencer.cancel();
  expect(sent).toHaveLength(1);
});

it("cancels a response that is on its way as soon as it runs", () => {
  sequencer.request();
  sequencer.cancel();
  expect(sent.map(({ type }) => type)).toEqual(["response.create"]);
  created("r1");
  expect(sent.at(-1)).toEqual({ type: "response.cancel", response_id: "r1" });
});

const BUSY = "conversation_already_has_active_response";
const types = () => sent.map(({ type }) => type);

it.each(["e1", null])(
  "cancels what runs instead when the cancelled request lost the race (%s)",
  (event_id) => {
    sequencer.request();
    sequencer.cancel();
    sequencer.observe({ type: "error", error: { code: BUSY, event_id } });
    expect(sent.slice(1)).toEqual([{ type: "response.cancel" }]);
    created("r-other");
    done("r-other");
    expect(types()).toEqual(["response.create", "response.cancel"]);
  },
);

it("asks again after a lost race for what was asked for after the cancel", () => {
  sequencer.request();
  sequencer.cancel();
  sequencer.request();
  refuse("e1", BUSY);
  expect(types()).toEqual(["response.create", "response.cancel"]);
  done("r-other");
  expect(creates()).toEqual(["e1", "e2"]);
  created("r2");
  expect(types().filter((type) => type === "response.cancel")).toHaveLength(1);
});

it.each([
  ["before", "e1"],
  ["before", null],
  ["after", "e1"],
  ["after", null],
])(
  "does not ask again when the cancel came %s the news of the winner, and the refusal last (%s)",
  (when, event_id) => {
    sequencer.request();
    if (when === "before") sequencer.cancel();
    created("r-other");
    if (when === "after") sequencer.cancel();
    expect(sent.slice(1)).toEqual([{ type: "response.cancel", response_id: "r-other" }]);
    sequencer.observe({ type: "error", error: { code: BUSY, event_id } });
    done("r-other");
    expect(types()).toEqual(["response.create", "response.cancel"]);
  },
);

it("asks again when it was asked for after the cancel of the winner, and the refusal came last", () => {
  sequencer.request();
  sequencer.cancel();
  created("r-other");
  sequencer.request();
  refuse("e1", BUSY);
  done("r-other");
  expect(creates()).toEqual(["e1", "e2"]);
});

it("is not disturbed by a response outside the conversation", () => {
  sequencer.observe({ type: "response.created", response: { id: "side", conversation_id: null } });
  sequencer.request();
  expect(creates()).toEqual(["e1"]);
  created("r1");
  sequencer.request();
  sequencer.observe({ type: "response.done", response: { id: "side", conversation_id: null } });
  expect(creates()).toEqual(["e1"]);
});

it.each([null, undefined, 3, "x", [], {}, { type: "response.done" }, { type: "error", error: null }])(
  "survives %j",
  (event) => {
    sequencer.request();
    expect(() => sequencer.observe(event)).not.toThrow();
  },
);

it("asks once for all wishes, with what any of them differs in, and again with the same when it lost the race", () => {
  created("r1");
  sequencer.request({ tool_choice: "auto" });
  sequencer.request();
  done("r1");
  refuse("e1", "conversation_already_has_active_response");
  done("r-other");
  created("r2");
  sequencer.request();
  done("r2");
  expect(sent).toEqual([
    { type: "response.create", event_id: "e1", response: { tool_choice: "auto" } },
    { type: "response.create", event_id: "e2", response: { tool_choice: "auto" } },
    { type: "response.create", event_id: "e3" },
  ]);
});

it.each([{}, { response: null }])("takes what names no response for the end of none", (end) => {
  sequencer.request();
  refuse("e1", BUSY);
  sequencer.observe({ type: "response.done", ...end });
  expect(creates()).toEqual(["e1"]);
  done("r-other");
  expect(creates()).toEqual(["e1", "e2"]);
});

it("asks again also when the winner is done before it hears of its refusal, unless that was cancelled", () => {
  sequencer.request();
  created("r-other");
  done("r-other");
  refuse("e1", BUSY);
  expect(creates()).toEqual(["e1", "e2"]);
  created("r2");
  sequencer.cancel();
  done("r2");
  refuse("e2", BUSY);
  expect(creates()).toEqual(["e1", "e2"]);
});
