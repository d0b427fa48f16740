// @vitest-environment jsdom
import { beforeEach, expect, it, vi } from "vitest";
import { UNSEEN_MS } from "../src/audience";
import { fold } from "../src/state";
import { Caption } from "../src/ui/Turn";
import { toolLine } from "../src/ui/words";
import widget from "../src/widget";
import { deferred, FakeModel, FakePeerConnection, type FakeStream, installBrowser, ticket } from "./fakes";

type Browser = ReturnType<typeof installBrowser>;
let browser: Browser;
let model: FakeModel;
let agent: ReturnType<typeof widget>;
let destroy: () => void;
let views: Array<() => void>;

beforeEach(async () => {
  vi.useFakeTimers();
  browser = installBrowser();
  model = new FakeModel();
  agent = widget();
  destroy = agent.initialize({ model });
  views = [];
  show();
  await pass(0);
  model.welcome({ settings: { provider: "local", model: "practice" } });
  await pass(0);
  return () => {
    for (const leave of views) leave();
    destroy();
    document.body.replaceChildren();
    vi.useRealTimers();
  };
});

/** Time for the fakes and for the drawing, which waits a few milliseconds. */
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms + 50);
function show() {
  const el = document.createElement("div");
  document.body.append(el);
  const leave = agent.render({ el });
  if (leave) views.push(leave);
}
function find(id: string, at = 0): HTMLElement {
  const found = all(id)[at];
  if (!found) throw new Error(`there is no ${id}`);
  return found;
}
const all = (id: string) => [...document.querySelectorAll<HTMLElement>(`[data-testid="${id}"]`)];
const status = () => find("status").dataset.status;
const receive = (event: object) => FakePeerConnection.last.channel.receive(event);
const statuses = () =>
  model
    .ops("events")
    .flatMap(({ events }) => events as Array<{ event: Record<string, unknown> }>)
    .filter(({ event }) => event.type === "genmb.status")
    .map(({ event }) => event.status);

async function press(id: string) {
  find(id).click();
  await pass(0);
}
async function live() {
  await press("start");
  model.reply("open", { result: ticket });
  await pass(0);
  FakePeerConnection.last.connect();
  await pass(0);
}
function item(id: string, role: string, text: string, previous: string | null = null) {
  const type = role === "user" ? "input_text" : "output_text";
  receive({
    type: "conversation.item.added",
    previous_item_id: previous,
    item: { id, type: "message", role, status: "completed", content: [{ type, text }] },
  });
}
const turns = () =>
  all("turn").map((turn) => `${turn.dataset.role}: ${turn.querySelector(".gv-text")?.textContent?.trim()}`);

it("says how to begin and who will answer", () => {
  expect(find("captions").textContent).toContain("Press Start and speak");
  expect(document.querySelector(".gv-source")?.textContent).toBe("Local practice peer · practice");
});

it("starts and stops by one button, and shows status and activity in words", async () => {
  await press("start");
  expect(status()).toBe("connecting");
  expect(find("stop").textContent).toBe("Cancel");
  model.reply("open", { result: ticket });
  await pass(0);
  FakePeerConnection.last.connect();
  await pass(0);
  expect([status(), find("status").textContent, find("activity").textContent]).toEqual([
    "live",
    "Live",
    "Listening",
  ]);
  await press("stop");
  expect(status()).toBe("ended");
  expect(browser.live()).toBe(0);
});

const SLOTS = { limit: 20, seconds: 3600, remaining: 12, reset: 720 };
async function allow(more: object) {
  const allowance = {
    plan: "class",
    voice: true,
    credits: null,
    credits_per_session: 5,
    sessions: null,
    ...more,
  };
  model.tell({ op: "allowance", allowance });
  await pass(0);
}

it("says beside Start what is left, and to a screen reader with Start", async () => {
  await allow({ sessions: SLOTS, credits: 95 });
  const line = find("allowance");
  expect(line.textContent).toBe("12 of 20 sessions left this hour · 95 credits, 5 a session");
  expect(find("start").getAttribute("aria-describedby")).toBe(line.id);
  expect(all("meter-user")).toEqual([]);
});

it("says nothing of what is left where there is no limit, or not yet known", async () => {
  expect(all("allowance")).toEqual([]);
  await allow({});
  expect([all("allowance").length, all("meter-user").length]).toEqual([0, 1]);
  expect(find("start").hasAttribute("aria-describedby")).toBe(false);
});

it("shows the levels in a call, and afterwards what is left then", async () => {
  await allow({ sessions: SLOTS });
  await live();
  expect([all("allowance").length, all("meter-user").length]).toEqual([0, 1]);
  await allow({ sessions: { ...SLOTS, remaining: 11 } });
  await press("stop");
  expect(find("allowance").textContent).toContain("11 of 20");
});

it("lets Start be pressed when nothing is left: the endpoint decides", async () => {
  await allow({ sessions: { ...SLOTS, remaining: 0 } });
  expect(find("allowance").textContent).toMatch(/^No sessions left this hour · room again at /);
  await press("start");
  expect(status()).toBe("connecting");
  model.reply("open", { problem: { code: "rate_limited", retry_after: 720 } });
  await pass(0);
  expect([status(), all("allowance").length]).toEqual(["failed", 1]);
});

it("gives each of two widgets a line of its own to be described by", async () => {
  show();
  await allow({ credits: 95 });
  const ids = all("allowance").map(({ id }) => id);
  expect(new Set(ids).size).toBe(2);
  expect(all("start").map((start) => start.getAttribute("aria-describedby"))).toEqual(ids);
});

it("cannot be started before the kernel has answered", async () => {
  const unanswered = widget();
  const close = unanswered.initialize({ model: new FakeModel() });
  const el = document.createElement("div");
  document.body.append(el);
  const leave = unanswered.render({ el });
  const start = el.querySelector<HTMLButtonElement>('[data-testid="start"]');
  expect(start?.disabled).toBe(true);
  await pass(6000);
  expect(el.querySelector('[data-testid="notice"]')?.textContent).toContain("No kernel is answering");
  expect(start?.disabled).toBe(true);
  leave?.();
  close();
});

it("keeps captions in the order of the conversation, whatever order the words come in", async () => {
  await live();
  item("b", "assistant", "Two", "a");
  item("a", "user", "One");
  item("c", "user", "Three", "b");
  await pass(0);
  expect(turns()).toEqual(["user: One", "assistant: Two", "user: Three"]);
});

it("shows what was heard of an interrupted turn apart from what was not", async () => {
  await live();
  item("a", "assistant", "one two three four five");
  receive({ type: "conversation.item.truncated", item_id: "a", content_index: 0, audio_end_ms: 800 });
  await pass(0);
  expect(find("turn").dataset.status).toBe("interrupted");
  expect(find("turn").querySelector("s")?.textContent).toBe("three four five");
  expect(find("turn").textContent).toContain("interrupted");
});

it("shows a tool call as one line", async () => {
  await live();
  const call = {
    id: "t",
    type: "function_call",
    call_id: "c1",
    name: "weather",
    arguments: '{"city":"Rome","days":2}',
  };
  receive({ type: "conversation.item.added", item: call });
  receive({ type: "conversation.item.done", item: { ...call, status: "completed" } });
  await pass(0);
  expect(find("turn").dataset.role).toBe("tool");
  expect(find("turn").textContent).toContain("weather(city: Rome, days: 2)");
  expect(toolLine("f", "not json")).toBe("f(not json)");
});

it("draws a turn again only when it has changed", async () => {
  await live();
  item("a", "user", "One");
  await pass(0);
  const drawn = vi.spyOn(Caption.prototype, "render");
  item("b", "assistant", "Two", "a");
  await pass(0);
  expect(drawn.mock.calls.map(([{ turn }]) => turn.id)).toEqual(["b"]);
});

it("draws the changes of a moment at once, after what they have set going", async () => {
  await live();
  item("a", "user", "One");
  await pass(0);
  const drawn = vi.spyOn(Caption.prototype, "render");
  for (const id of ["b", "c", "d"]) {
    item(id, "assistant", "Words", "a");
    await vi.advanceTimersByTimeAsync(5);
  }
  expect(drawn).not.toHaveBeenCalled();
  await pass(0);
  expect(drawn).toHaveBeenCalledTimes(3);
});

it("has captions that a screen reader reads, finished turns only", async () => {
  await live();
  receive({ type: "input_audio_buffer.speech_started", item_id: "u", audio_start_ms: 0 });
  await pass(0);
  expect(find("captions").getAttribute("aria-live")).toBe("polite");
  expect(find("turn").getAttribute("aria-busy")).toBe("true");
  expect(find("activity").textContent).toBe("Hearing you");
});

it("follows the newest caption until the reader scrolls up, and again when asked", async () => {
  await live();
  const box = find("captions");
  Object.defineProperties(box, {
    scrollHeight: { value: 1000, configurable: true },
    clientHeight: { value: 200 },
  });
  item("a", "user", "One");
  await pass(0);
  expect(box.scrollTop).toBe(1000);
  box.scrollTop = 300;
  box.dispatchEvent(new Event("scroll"));
  await pass(0);
  item("b", "assistant", "Two", "a");
  await pass(0);
  expect(box.scrollTop).toBe(300);
  document.querySelector<HTMLElement>(".gv-latest")?.click();
  expect(box.scrollTop).toBe(1000);
});

it("sends what is typed and empties the box", async () => {
  const input = find("say-input") as HTMLInputElement;
  expect(input.disabled).toBe(true);
  await live();
  expect(input.disabled).toBe(false);
  input.value = "  Good morning ";
  input.dispatchEvent(new Event("input", { bubbles: true }));
  await pass(0);
  await press("say-send");
  expect(input.value).toBe("");
  expect(FakePeerConnection.last.channel.sent[0]).toMatchObject({
    item: { content: [{ text: "Good morning" }] },
  });
});

it("takes what is typed while the connection is away, and says when it is sent", async () => {
  await live();
  FakePeerConnection.last.become("disconnected");
  await pass(0);
  const input = find("say-input") as HTMLInputElement;
  expect([input.disabled, input.placeholder]).toEqual([false, "Sent when the connection is back"]);
});

it("keeps what was typed when it is too long to be sent, and says so", async () => {
  await live();
  const input = find("say-input") as HTMLInputElement;
  input.value = "x".repeat(2000);
  input.dispatchEvent(new Event("input", { bubbles: true }));
  await pass(0);
  await press("say-send");
  expect(input.value).toBe("x".repeat(2000));
  expect(find("error").dataset.code).toBe("message_too_long");
  expect(FakePeerConnection.last.channel.sent).toEqual([]);
});

it("shows a recording calmly: it says what it is, and there is nothing to press", async () => {
  const said = { id: "a", type: "message", role: "user", content: [{ type: "input_text", text: "Earlier" }] };
  const failed = fold([
    { seq: 1, t: 0, dir: "own", event: { type: "genmb.status", status: "connecting" } },
    { seq: 2, t: 0, dir: "in", event: { type: "conversation.item.added", item: said } },
    { seq: 3, t: 0, dir: "own", event: { type: "genmb.status", status: "failed", code: "connection_lost" } },
  ]);
  const snapshot = JSON.parse(JSON.stringify(failed));
  model.welcome({ snapshot, settings: { provider: "local", recorded: true } });
  await pass(0);
  expect(turns()).toEqual(["user: Earlier"]);
  expect(find("status").textContent).toBe("Recording");
  expect(find("notice").textContent).toContain("This agent shows a recording.");
  expect(find("notice").textContent).toContain("The connection to the voice service was lost.");
  expect(document.querySelectorAll("[role=alert], .gv-banner")).toHaveLength(0);
  expect(document.querySelectorAll("button, input, [role=meter]")).toHaveLength(0);
  model.broken = true;
  model.fire("comm_live_update");
  await pass(0);
  expect(all("notice").map(({ dataset }) => dataset.code)).toEqual(["read_only"]);
});

it("mutes at once and says so", async () => {
  await live();
  await press("mute");
  expect(find("mute").getAttribute("aria-pressed")).toBe("true");
  expect(find("activity").textContent).toBe("Microphone off");
  expect(browser.streams[0]?.tracks[0]?.enabled).toBe(false);
});

it("shows an error with what to do about it; it can be dismissed or tried again", async () => {
  await press("start");
  model.reply("open", { problem: { code: "rate_limited", retry_after: 300 } });
  await pass(0);
  expect(status()).toBe("failed");
  expect(find("error").dataset.code).toBe("rate_limited");
  expect(find("error").textContent).toContain("Possible again in 5 min.");
  const [again, dismiss] = find("error").querySelectorAll("button");
  dismiss?.click();
  await pass(0);
  expect(all("error")).toEqual([]);
  again?.click();
  await pass(0);
  expect(status()).toBe("connecting");
});

it("measures how loud it is only in a call that stands, and is silent after it", async () => {
  const level = vi.fn(() => 0.5);
  const analyser = { fftSize: 0, getFloatTimeDomainData: (into: Float32Array) => into.fill(level()) };
  const contexts = vi.fn(
    class {
      createAnalyser = () => analyser;
      createMediaStreamSource = () => ({ connect: () => undefined });
      close = async () => undefined;
    },
  );
  vi.stubGlobal("AudioContext", contexts);
  await press("start");
  await pass(100);
  expect(contexts).not.toHaveBeenCalled();
  model.reply("open", { result: ticket });
  await pass(0);
  FakePeerConnection.last.connect();
  await pass(0);
  await pass(100);
  expect(contexts).toHaveBeenCalledOnce();
  expect(find("meter-user").getAttribute("aria-valuenow")).toBe("100");
  await press("stop");
  expect(find("meter-user").getAttribute("aria-valuenow")).toBe("0");
  level.mockClear();
  await pass(100);
  expect(level).not.toHaveBeenCalled();
});

it("offers to enable the sound when the browser holds it back", async () => {
  vi.spyOn(HTMLMediaElement.prototype, "play").mockRejectedValueOnce(new DOMException("", "NotAllowedError"));
  await live();
  FakePeerConnection.last.ontrack?.({ track: {} as never, streams: [{} as never] });
  await pass(0);
  await press("enable-sound");
  expect(all("enable-sound")).toEqual([]);
  expect(all("error")).toEqual([]);
});

it("shows the same call in two views, with one microphone", async () => {
  show();
  await live();
  expect(all("status").map(({ dataset }) => dataset.status)).toEqual(["live", "live"]);
  expect(all("start")).toEqual([]);
  expect(browser.getUserMedia).toHaveBeenCalledOnce();
});

it("ends a call two seconds after its last view has gone", async () => {
  show();
  await live();
  views.pop()?.();
  await pass(UNSEEN_MS);
  expect(browser.live()).toBe(1);
  views.pop()?.();
  await pass(UNSEEN_MS - 100);
  expect(browser.live()).toBe(1);
  await pass(100);
  expect(browser.live()).toBe(0);
  expect(statuses().at(-1)).toBe("ended");
  expect(model.ops("call").at(-1)).toMatchObject({ method: "ended", params: { reason: "view_gone" } });
});

it("goes on when another view comes in time", async () => {
  await live();
  views.pop()?.();
  await pass(UNSEEN_MS - 500);
  show();
  await pass(UNSEEN_MS);
  expect(browser.live()).toBe(1);
  expect(status()).toBe("live");
});

it("releases the microphone when the kernel restarts, and says what to do", async () => {
  await live();
  model.broken = true;
  model.fire("comm_live_update");
  await pass(0);
  expect(browser.live()).toBe(0);
  expect(status()).toBe("ended");
  expect(find("notice").dataset.code).toBe("kernel_gone");
  expect((find("start") as HTMLButtonElement).disabled).toBe(true);
});

it("ends the attempt and lets go of the microphone when the kernel says that another page leads", async () => {
  model.tell({ op: "command", do: "start" });
  await pass(0);
  expect(browser.live()).toBe(1);
  model.reply("open", { problem: { code: "active_elsewhere" } });
  await pass(200);
  expect(browser.live()).toBe(0);
  expect(FakePeerConnection.last.connectionState).toBe("closed");
  expect(statuses()).toEqual(["connecting", "failed"]);
  expect(find("notice").dataset.code).toBe("active_elsewhere");
  expect(all("error")).toEqual([]);
  expect(model.ops("call").map(({ method }) => method)).toEqual(["open"]);
});

it.each([
  ["that page's call is over", { status: "ended" }],
  ["nothing came of that page's call", null],
])("may start again, and shows no error, when %s", async (_, end) => {
  await press("start");
  model.reply("open", { problem: { code: "active_elsewhere" } });
  await pass(0);
  expect((find("start") as HTMLButtonElement).disabled).toBe(true);
  const hellos = model.ops("hello").length;
  await pass(7000);
  expect(model.ops("hello").length).toBeGreaterThan(hellos);
  model.welcome({ snapshot: end && JSON.parse(JSON.stringify({ ...fold([]).toJSON(), ...end })) });
  await pass(0);
  expect((find("start") as HTMLButtonElement).disabled).toBe(false);
  expect([...all("notice"), ...all("error")]).toEqual([]);
  await live();
  expect(status()).toBe("live");
});

it("shows a failure until the next session begins, here", async () => {
  await press("start");
  model.reply("open", { problem: { code: "provider_unreachable" } });
  await pass(0);
  expect(find("error").dataset.code).toBe("provider_unreachable");
  await live();
  expect(all("error")).toEqual([]);
});

it("shows a failure until the next session begins, in another page", async () => {
  await press("start");
  model.reply("open", { problem: { code: "provider_unreachable" } });
  await pass(0);
  model.beat("other");
  await pass(0);
  expect(all("error")).toEqual([]);
  expect(all("notice").map(({ dataset }) => dataset.code)).toEqual(["active_elsewhere"]);
});

it("begins the log that a start of the kernel names, and names it with the offer; a click chooses its own", async () => {
  const logs = () => model.ops("events").map(({ log }) => log);
  const open = () => model.ops("call").filter(({ method }) => method === "open");
  model.tell({ op: "command", do: "start", log: "start-1" });
  await pass(200);
  expect(new Set(logs())).toEqual(new Set(["start-1"]));
  expect(open().at(-1)).toMatchObject({ params: { log: "start-1", sdp: "v=0 offer" } });
  await press("stop");
  await press("start");
  model.tell({ op: "command", do: "start", log: "start-2" });
  await pass(200);
  expect(open()).toHaveLength(2);
  const clicked = logs().at(-1);
  expect(clicked).not.toMatch(/^start-/);
  expect(open().at(-1)).toMatchObject({ params: { log: clicked } });
});

it("lets go of a call that the kernel does not hear because another page leads", async () => {
  await live();
  for (let passed = 0; passed < 14_000; passed += 2000) {
    model.beat("other");
    await pass(2000);
  }
  expect(browser.live()).toBe(0);
  expect(statuses().at(-1)).toBe("ended");
});

it("says good-bye on pagehide, after the end of the call", async () => {
  await live();
  window.dispatchEvent(new Event("pagehide"));
  expect(browser.live()).toBe(0);
  expect(statuses().at(-1)).toBe("ended");
  expect(model.sent.at(-1)).toEqual({ op: "bye", client: model.client });
});

it("leaves nothing behind when the model goes", async () => {
  await live();
  for (const leave of views.splice(0)) leave();
  destroy();
  expect(browser.live()).toBe(0);
  const sent = model.sent.length;
  await pass(30_000);
  expect(model.sent).toHaveLength(sent);
  expect(vi.getTimerCount()).toBe(0);
});

it("does what the notebook commands", async () => {
  model.tell({ op: "command", do: "start" });
  await pass(0);
  model.reply("open", { result: ticket });
  await pass(0);
  FakePeerConnection.last.connect();
  await pass(0);
  model.tell({ op: "command", do: "say", text: "Hi", item_id: "item_1" });
  model.tell({ op: "command", do: "mute", muted: true });
  await pass(0);
  expect(FakePeerConnection.last.channel.sent[0]).toMatchObject({ item: { id: "item_1" } });
  expect(find("mute").getAttribute("aria-pressed")).toBe("true");
  model.tell({ op: "command", do: "stop" });
  await pass(0);
  expect(status()).toBe("ended");
});

it("shows the conversation of before the reload", async () => {
  const user = { id: "a", type: "message", role: "user", content: [{ type: "input_text", text: "Earlier" }] };
  const earlier = fold([{ seq: 1, t: 0, dir: "in", event: { type: "conversation.item.added", item: user } }]);
  model.welcome({ snapshot: JSON.parse(JSON.stringify(earlier)) });
  await pass(0);
  expect(turns()).toEqual(["user: Earlier"]);
  model.welcome({ snapshot: { seq: "nonsense" } });
  await pass(0);
  expect(turns()).toEqual(["user: Earlier"]);
});

it("does not offer a start while another tab holds the call", async () => {
  model.beat("other");
  await pass(0);
  expect(find("notice").dataset.code).toBe("active_elsewhere");
  expect((find("start") as HTMLButtonElement).disabled).toBe(true);
});

it("a stop while the permission prompt stands leaves no microphone open", async () => {
  const prompt = deferred<FakeStream>();
  browser.getUserMedia.mockReturnValue(prompt.promise);
  await press("start");
  await press("stop");
  const late = { tracks: [{ readyState: "live", stop: vi.fn() }] };
  prompt.resolve({ getTracks: () => late.tracks, getAudioTracks: () => late.tracks } as never);
  await pass(0);
  expect(late.tracks[0]?.stop).toHaveBeenCalled();
});

async function liveWithButton() {
  HTMLElement.prototype.setPointerCapture = () => undefined;
  model.welcome({ settings: { provider: "local", push_to_talk: true, auto_respond: true } });
  await live();
}
const microphoneOpen = () => browser.streams.at(-1)?.tracks[0]?.enabled;
const key = (type: string, init: KeyboardEventInit) =>
  find("hold").dispatchEvent(new KeyboardEvent(type, { bubbles: true, cancelable: true, ...init }));

it("shows a button to hold while one speaks only where the service does not find the turns, as it changes", async () => {
  expect(all("hold")).toEqual([]);
  await liveWithButton();
  expect([find("hold").textContent, find("activity").textContent]).toEqual([
    "Hold to talk",
    "Waiting for you",
  ]);
  model.tell({ op: "settings", settings: { push_to_talk: false } });
  await pass(0);
  expect([all("hold"), find("activity").textContent]).toEqual([[], "Listening"]);
});

it.each<[string, () => unknown, () => unknown]>([
  ["a pointer", () => pointer("pointerdown"), () => pointer("pointerup")],
  ["a pointer that is taken away", () => pointer("pointerdown"), () => pointer("lostpointercapture")],
  ["the space bar", () => key("keydown", { key: " " }), () => key("keyup", { key: " " })],
  [
    "Enter, when the window loses the focus",
    () => key("keydown", { key: "Enter" }),
    () => dispatchEvent(new Event("blur")),
  ],
  [
    "a key, when the button loses the focus",
    () => key("keydown", { key: " " }),
    () => find("hold").dispatchEvent(new FocusEvent("blur")),
  ],
  ["the clicks of a screen reader", () => find("hold").click(), () => find("hold").click()],
])("opens the microphone for as long as the button is held by %s", async (_, down, up) => {
  await liveWithButton();
  expect(microphoneOpen()).toBe(false);
  down();
  await pass(500);
  expect([microphoneOpen(), find("hold").textContent, find("activity").textContent]).toEqual([
    true,
    "Let go to send",
    "Hearing you",
  ]);
  up();
  await pass(500);
  expect([microphoneOpen(), find("hold").textContent]).toEqual([false, "Hold to talk"]);
  expect(FakePeerConnection.last.channel.types().at(-1)).toBe("input_audio_buffer.commit");
});
const pointer = (type: string) =>
  find("hold").dispatchEvent(new MouseEvent(type, { bubbles: true, button: 0 }));

it("neither clicks nor begins anew while a key of the button repeats", async () => {
  await liveWithButton();
  expect(key("keydown", { key: "Enter" }), "else the browser clicks").toBe(false);
  key("keydown", { key: "Enter", repeat: true });
  expect(FakePeerConnection.last.channel.types()).toEqual(["input_audio_buffer.clear"]);
  key("keydown", { key: "Enter", shiftKey: true });
});

it("lets go of the button when its last view goes", async () => {
  await liveWithButton();
  key("keydown", { key: " " });
  views.pop()?.();
  expect(microphoneOpen(), "the last word is heard to its end").toBe(true);
  await pass(500);
  expect(microphoneOpen()).toBe(false);
});

it("answers a tool's call for the notebook, in the session that it was made in", async () => {
  model.tell({ op: "command", do: "start", log: "start-1" });
  await pass(0);
  model.reply("open", { result: ticket });
  await pass(0);
  FakePeerConnection.last.connect();
  await pass(0);
  const item = { id: "item_1", type: "function_call_output", call_id: "c1", output: "{}" };
  model.tell({ op: "command", do: "answer", log: "another", items: [item], response: {} });
  model.tell({ op: "command", do: "answer", log: "start-1", items: [item, null], response: {} });
  const types = ["conversation.item.create", "response.create"];
  expect(FakePeerConnection.last.channel.types()).toEqual(types);
});

it("has an answer made when the notebook asks for it", async () => {
  await live();
  model.tell({ op: "command", do: "respond" });
  expect(FakePeerConnection.last.channel.types()).toEqual(["response.create"]);
});

const options = (kind: string) =>
  [...find(kind).querySelectorAll("option")].map(({ textContent }) => textContent);
async function openDevices() {
  const menu = find("devices") as HTMLDetailsElement;
  menu.open = true;
  menu.dispatchEvent(new Event("toggle"));
  await pass(0);
}
async function pick(kind: string, value: string) {
  const select = find(kind) as HTMLSelectElement;
  select.value = value;
  select.dispatchEvent(new Event("change", { bubbles: true }));
  await pass(0);
}
const asked = () => browser.getUserMedia.mock.calls.map(([{ audio }]) => audio);

it("lists the microphones that there are, as they come and go", async () => {
  await openDevices();
  expect(options("audioinput"), "before the microphone is allowed").toEqual(["The browser's choice"]);
  browser.devices.plug("Laptop", "Headset");
  await pass(0);
  expect(options("audioinput")).toEqual(["The browser's choice", "Laptop", "Headset"]);
  browser.devices.plug("Laptop");
  await pass(0);
  expect(options("audioinput")).toEqual(["The browser's choice", "Laptop"]);
});

it("begins with the microphone that was chosen, also after the page was loaded anew", async () => {
  browser.devices.plug("Laptop", "Headset");
  await openDevices();
  await pick("audioinput", "audioinput-Headset");
  for (const leave of views.splice(0)) leave();
  show();
  await live();
  expect(asked()).toEqual([{ deviceId: { exact: "audioinput-Headset" } }]);
});

it("takes another microphone in the middle of a call, and its level, and closes the one before", async () => {
  await live();
  browser.devices.plug("Laptop", "Headset");
  await openDevices();
  await press("mute");
  await pick("audioinput", "audioinput-Headset");
  expect(asked()).toEqual([true, { deviceId: { exact: "audioinput-Headset" } }]);
  const [before, now] = browser.streams;
  expect([before?.tracks[0]?.readyState, now?.tracks[0]?.enabled]).toEqual(["ended", false]);
  expect(FakePeerConnection.last.sender.track).toBe(now?.tracks[0]);
  expect(all("error")).toEqual([]);
  await press("stop");
  expect(browser.live()).toBe(0);
});

it("keeps the microphone that it has when another cannot be opened, and says so", async () => {
  await live();
  browser.devices.plug("Laptop", "Headset");
  await openDevices();
  browser.getUserMedia.mockRejectedValueOnce(new DOMException("", "NotReadableError"));
  await pick("audioinput", "audioinput-Headset");
  expect([browser.live(), find("error").dataset.code, status()]).toEqual([1, "mic_busy", "live"]);
});

it("offers the loudspeakers only where a page may choose one, and sends the sound there", async () => {
  await openDevices();
  expect(all("audiooutput")).toEqual([]);
  const setSinkId = vi.fn(async () => undefined);
  Object.defineProperty(HTMLMediaElement.prototype, "setSinkId", { configurable: true, value: setSinkId });
  browser.devices.plug("Laptop", "Headset");
  (find("devices") as HTMLDetailsElement).open = false;
  find("devices").dispatchEvent(new Event("toggle"));
  await pass(0);
  await openDevices();
  await live();
  await pick("audiooutput", "audiooutput-Headset");
  expect(setSinkId).toHaveBeenCalledExactlyOnceWith("audiooutput-Headset");
  await press("stop");
  await live();
  expect(setSinkId).toHaveBeenCalledTimes(2);
  Reflect.deleteProperty(HTMLMediaElement.prototype, "setSinkId");
});

it("takes another microphone when the chosen one is not there any more", async () => {
  localStorage.setItem("genmb-voice-audioinput", "audioinput-Headset");
  browser.getUserMedia.mockRejectedValueOnce(new DOMException("", "OverconstrainedError"));
  await live();
  expect(asked().at(-1)).toEqual({ deviceId: { ideal: "audioinput-Headset" } });
  expect([browser.live(), status()]).toEqual([1, "live"]);
});
