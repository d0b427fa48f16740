import { expect, it } from "vitest";
import { newTurn, type Turn } from "../src/fold/turn";
import { seeds } from "../src/seed";

let made = 0;
const turn = (role: Turn["role"], text: string, more: Partial<Turn> = {}): Turn => ({
  ...newTurn(`t${++made}`, role),
  status: "completed",
  text,
  ...more,
});
const items = (...turns: Turn[]) => seeds(turns, "output_text").map(({ item }) => item);

it("puts each side's words into the form that a client may send", () => {
  expect(items(turn("system", "Be brief."), turn("user", "Hi"), turn("assistant", "Hello"))).toMatchObject([
    { type: "message", role: "system", content: [{ type: "input_text", text: "Be brief." }] },
    { type: "message", role: "user", content: [{ type: "input_text", text: "Hi" }] },
    { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hello" }] },
  ]);
});

it("tells of a reply that was cut only what was heard, where that is known", () => {
  const cut = { status: "interrupted", heard: "It is" } as const;
  expect(items(turn("assistant", "It is ten.", cut))).toMatchObject([{ content: [{ text: "It is" }] }]);
  expect(items(turn("assistant", "It is ten.", { ...cut, heard: null }))).toMatchObject([
    { content: [{ text: "It is ten." }] },
  ]);
  expect(items(turn("assistant", "It is ten.", { ...cut, heard: "" }))).toEqual([]);
});

it("leaves out what has no words, is not over or has failed", () => {
  expect(
    items(
      turn("user", " "),
      turn("user", "I was", { status: "in_progress" }),
      turn("user", "I was", { status: "interrupted" }),
      turn("user", "refused", { status: "failed" }),
      turn("assistant", "half", { status: "failed" }),
    ),
  ).toEqual([]);
});

it("repeats a call with its output under the same call id, and one that has no output yet alone", () => {
  const call = { call_id: "c1", name: "weather", arguments: '{"city":"Bonn"}', output: "rain", half: 0 };
  expect(items(turn("tool", "", { call }))).toMatchObject([
    { type: "function_call", call_id: "c1", name: "weather", arguments: '{"city":"Bonn"}' },
    { type: "function_call_output", call_id: "c1", output: "rain" },
  ]);
  expect(items(turn("tool", "", { call: { ...call, output: null } }))).toHaveLength(1);
  expect(items(turn("tool", "", { call: { ...call, call_id: null } }))).toEqual([]); // the service's own
});

it("keeps the newest of a long conversation, and the beginning of a long text", () => {
  const many = Array.from({ length: 300 }, (_, index) => turn("user", `${index}`));
  expect(items(...many).map((item) => (item as { content: { text: string }[] }).content[0]?.text)).toEqual(
    Array.from({ length: 100 }, (_, index) => `${index + 200}`),
  );
  expect(items(...Array.from({ length: 10 }, () => turn("user", "x".repeat(9_000))))).toHaveLength(4);
  expect(items(turn("user", `${"x".repeat(7_999)}😀`))).toMatchObject([
    { content: [{ text: `${"x".repeat(7_999)}\ufffd` }] },
  ]);
});

it("names each event like its item, so that a refusal is known, by an id that the folds know for a seed's", () => {
  const [told] = seeds([turn("user", "Hi")], "output_text");
  expect(told?.event_id).toMatch(/^seed_[0-9a-f]{24}$/);
  expect(told).toMatchObject({ item: { id: told?.event_id } });
});

it("calls the text of a reply as the dialect does", () => {
  const content = (type: string) => seeds([turn("assistant", "Hi")], type)[0]?.item;
  expect(content("text")).toMatchObject({ content: [{ type: "text", text: "Hi" }] });
});
