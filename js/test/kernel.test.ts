import { beforeEach, expect, it, vi } from "vitest";
import { type Command, type Kernel, openKernel, type Welcome } from "../src/kernel";
import type { Environment } from "../src/preflight";
import type { Envelope } from "../src/protocol";
import { FakeModel, ticket } from "./fakes";

const environment: Environment = {
  secure: true,
  microphone: true,
  permission: "granted",
  webrtc: true,
  frame: "top",
  host: "page",
};

let model: FakeModel;
let kernel: Kernel;
let welcomes: Welcome[];
let settings: unknown[];
let commands: Command[];
let allowances: unknown[];
let heard: unknown[];
let lost: number;
let seq: number;

beforeEach(async () => {
  vi.useFakeTimers();
  model = new FakeModel();
  welcomes = [];
  settings = [];
  commands = [];
  allowances = [];
  heard = [];
  lost = 0;
  seq = 0;
  kernel = openKernel({
    model,
    environment: Promise.resolve(environment),
    snapshot: (after) => ({ log: "log", seq, state: { seq }, heard: [`after ${after}`] }),
    onHeard: (log, events) => heard.push([log, events]),
    onWelcome: (welcome) => welcomes.push(welcome),
    onSettings: (told) => settings.push(told),
    onCommand: (command) => commands.push(command),
    onAllowance: (left) => allowances.push(left),
    onLost: () => {
      lost += 1;
      push("genmb.status", { status: "ended" });
    },
    onChange: () => undefined,
  });
  await pass(0);
  return () => {
    kernel.close();
    vi.useRealTimers();
  };
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
function push(type: string, members: object = {}, log = "log") {
  const envelope: Envelope = { seq: ++seq, t: 0, dir: "in", event: { type, ...members } };
  kernel.push(log, envelope);
}
const batches = () => model.ops("events").map(({ events }) => (events as Envelope[]).map((one) => one.seq));
function goLive() {
  model.welcome();
  push("genmb.status", { status: "live" });
}
/** Time passes with a kernel that beats. */
async function passBeating(ms: number) {
  for (let passed = 0; passed < ms; passed += 2000) {
    await pass(2000);
    model.beat();
  }
}

it("says hello every second until it is welcomed", async () => {
  expect(model.ops("hello")).toEqual([{ op: "hello", proto: 1, environment, client: model.client }]);
  await pass(2000);
  expect(model.ops("hello")).toHaveLength(3);
  model.welcome({ settings: { provider: "local" } });
  await pass(5000);
  expect(model.ops("hello")).toHaveLength(3);
  expect(kernel.link()).toBe("ready");
  expect(welcomes).toEqual([{ snapshot: null, settings: { provider: "local" } }]);
});

it("is silent when no welcome comes within five seconds, and ready when one comes later", async () => {
  await pass(4000);
  expect(kernel.link()).toBe("greeting");
  await pass(1000);
  expect(kernel.link()).toBe("silent");
  const hellos = model.ops("hello").length;
  await pass(30_000);
  expect(model.ops("hello").length - hellos).toBeLessThanOrEqual(6);
  model.welcome();
  expect(kernel.link()).toBe("ready");
});

it("sees a kernel of another version", () => {
  model.welcome({ proto: 2 });
  expect(kernel.link()).toBe("mismatch");
});

it("does not listen to what is meant for another page", () => {
  model.welcome();
  model.fire("msg:custom", { op: "command", client: "other", do: "start" });
  model.tell({ op: "command", do: "say", text: "Hi", item_id: "i" });
  expect(commands).toEqual([{ op: "command", client: model.client, do: "say", text: "Hi", item_id: "i" }]);
});

it.each([null, 3, [], "x", {}, { op: "reply" }, { op: "command" }])("survives the message %j", (message) => {
  expect(() => model.fire("msg:custom", message)).not.toThrow();
  expect(() => model.tell({ ...(message as object) })).not.toThrow();
});

it.each(["other", null])("knows that %s holds the call while the beats say so", async (holder) => {
  model.welcome();
  model.beat(holder);
  expect(kernel.elsewhere()).toBe(true);
  await pass(7000);
  expect(kernel.elsewhere()).toBe(false);
});

it("need not wait for the silence of a call that a welcome shows to be over", async () => {
  model.welcome();
  model.beat(null);
  model.welcome({ snapshot: { status: "live" } });
  expect(kernel.elsewhere()).toBe(true);
  model.welcome({ snapshot: { status: "ended" } });
  expect(kernel.elsewhere()).toBe(false);
});

it("takes the beats of its own call for nobody else's", async () => {
  goLive();
  await passBeating(20_000);
  expect(kernel.elsewhere()).toBe(false);
  expect(lost).toBe(0);
});

it("does not greet again in the middle of its own call when another's beats have ceased", async () => {
  goLive();
  model.beat("other");
  const hellos = model.ops("hello").length;
  await passBeating(8000);
  expect(kernel.elsewhere()).toBe(false);
  expect(model.ops("hello")).toHaveLength(hellos);
});

it("offers for the log that was begun last, whatever an earlier one still has to say", async () => {
  model.welcome();
  push("genmb.status", { status: "connecting" }, "one");
  push("genmb.status", { status: "connecting" }, "two");
  push("genmb.error", { code: "session_over" }, "one");
  void kernel.backend.open("v=0 offer", "key");
  expect(model.ops("call")[0]).toMatchObject({ params: { log: "two" } });
});

it("sends an event at once when none was sent lately", async () => {
  push("response.output_audio_transcript.delta");
  expect(batches()).toEqual([[1]]);
  await pass(1000);
  push("response.output_audio_transcript.delta");
  expect(batches()).toEqual([[1], [2]]);
});

it("lets the offer go before the news that a call is being opened", async () => {
  push("genmb.status", { status: "connecting" });
  void kernel.backend.open("v=0 offer", "key");
  expect(model.sent.map(({ op }) => op)).toEqual(["hello", "call"]);
  await pass(125);
  expect(batches()).toEqual([[1]]);
});

it("sends the news that a call is being opened with whatever cannot wait", () => {
  push("genmb.status", { status: "connecting" });
  push("genmb.status", { status: "failed", code: "mic_denied" });
  expect(batches()).toEqual([[1, 2]]);
});

it.each(["error", "response.done"])(
  "sends what is urgent, as %s, at once, with all that waited before it",
  (type) => {
    push("response.output_audio_transcript.delta");
    push("response.output_audio_transcript.delta");
    push("response.output_audio_transcript.delta");
    expect(batches()).toEqual([[1]]);
    push(type);
    expect(batches()).toEqual([[1], [2, 3, 4]]);
  },
);

it("sends at most eight messages a second of what is not urgent, and loses nothing", async () => {
  for (let index = 0; index < 200; index += 1) {
    push("response.output_audio_transcript.delta");
    await pass(10);
  }
  await pass(200);
  expect(batches().flat()).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
  expect(batches().length).toBeLessThanOrEqual(18);
});

it("never mixes two logs in one batch", () => {
  push("x", {}, "one");
  push("y", {}, "two");
  push("error", {}, "two");
  expect(model.ops("events").map(({ log }) => log)).toEqual(["one", "two"]);
});

it("answers a gap with one snapshot, which stands for what still waited", async () => {
  model.welcome();
  push("response.output_audio_transcript.delta");
  push("response.output_audio_transcript.delta");
  model.tell({ op: "resync", log: "log", after: 7 });
  expect(model.ops("snapshot")).toEqual([
    { op: "snapshot", client: model.client, log: "log", seq: 2, state: { seq: 2 }, heard: ["after 7"] },
  ]);
  await pass(1000);
  expect(batches()).toEqual([[1]]);
  model.tell({ op: "resync", log: "an older one" });
  expect(model.ops("snapshot")).toHaveLength(1);
});

it("passes on what the kernel has heard of the session beside this page, whatever that is", () => {
  model.welcome();
  model.tell({ op: "heard", log: "log", events: [{ type: "response.done" }] });
  model.tell({ op: "heard", log: "log", events: "none" });
  expect(heard).toEqual([
    ["log", [{ type: "response.done" }]],
    ["log", []],
  ]);
});

it("passes on what the kernel tells this page of the allowance", () => {
  model.welcome();
  model.tell({ op: "allowance", allowance: { credits: 5 } });
  model.fire("msg:custom", { op: "allowance", client: "another page", allowance: { credits: 6 } });
  expect(allowances).toEqual([{ credits: 5 }]);
});

it("carries the calls to the endpoint and gives back what the kernel answers", async () => {
  model.welcome();
  const opening = kernel.backend.open("v=0", "key");
  expect(model.ops("call")[0]).toMatchObject({ method: "open", params: { sdp: "v=0", key: "key" } });
  model.reply("open", { result: ticket });
  expect(await opening).toEqual(ticket);
  const standing = kernel.backend.connected(ticket);
  expect(model.ops("call")[1]).toMatchObject({
    method: "connected",
    params: { session: "ses_1", call_id: "rtc_1" },
  });
  model.reply("connected", { result: {} });
  await standing;
  const carried = kernel.backend.carry?.(ticket, { type: "response.create" });
  expect(model.ops("call")[2]).toMatchObject({
    method: "send",
    params: { session: "ses_1", event: { type: "response.create" } },
  });
  model.reply("send", { result: {} });
  await carried;
  const ending = kernel.backend.ended(ticket, "stopped");
  expect(model.ops("call")[3]).toMatchObject({
    method: "ended",
    params: { session: "ses_1", reason: "stopped" },
  });
  model.reply("ended", { problem: { code: "session_not_found" } });
  await ending;
  const again = kernel.backend.reopen(ticket, "v=0");
  expect(model.ops("call")[4]).toMatchObject({ method: "reopen", params: { session: "ses_1", sdp: "v=0" } });
  model.reply("reopen", { result: ticket });
  expect(await again).toEqual(ticket);
});

it("turns a problem into a failure with its code, its detail and when to try again", async () => {
  const opening = kernel.backend.open("v=0", "key");
  model.reply("open", { problem: { code: "rate_limited", detail: "20 an hour", retry_after: 60 } });
  await expect(opening).rejects.toMatchObject({ code: "rate_limited", detail: "20 an hour", retryAfter: 60 });
});

it("calls a kernel that does not answer busy, and ends a session that comes too late", async () => {
  const opening = kernel.backend.open("v=0", "key");
  opening.catch(() => undefined);
  await pass(30_000);
  await expect(opening).rejects.toMatchObject({ code: "kernel_busy" });
  model.reply("open", { result: ticket });
  await pass(0);
  expect(model.ops("call").at(-1)).toMatchObject({ method: "ended", params: { session: "ses_1" } });
});

it.each([
  ["goes on", "live", ["reopen"]],
  ["is over", "failed", ["reopen", "ended"]],
])(
  "a second call that comes too late leaves a session alone that lives: one that %s",
  async (_, status, methods) => {
    goLive();
    const again = kernel.backend.reopen(ticket, "v=0");
    again.catch(() => undefined);
    await passBeating(30_000);
    await expect(again).rejects.toMatchObject({ code: "kernel_busy" });
    if (status === "failed") push("genmb.status", { status });
    model.reply("reopen", { result: ticket });
    await pass(0);
    expect(model.ops("call").map(({ method }) => method)).toEqual(methods);
  },
);

it("beats every five seconds while live, and not before or after", async () => {
  model.welcome();
  await passBeating(20_000);
  expect(model.ops("beat")).toEqual([]);
  push("genmb.status", { status: "live" });
  await passBeating(20_000);
  expect(model.ops("beat").length).toBeGreaterThanOrEqual(3);
  const beats = model.ops("beat").length;
  push("genmb.status", { status: "ended" });
  await passBeating(20_000);
  expect(model.ops("beat")).toHaveLength(beats);
});

it("gives a kernel up after twelve seconds without a beat in a call, and greets it again", async () => {
  goLive();
  await pass(11_000);
  expect(lost).toBe(0);
  await pass(2000);
  expect(lost).toBe(1);
  expect(kernel.link()).toBe("greeting");
  model.welcome();
  expect(kernel.link()).toBe("ready");
});

it("does not miss the kernel outside a call, nor right after one has begun", async () => {
  model.welcome();
  await pass(60_000);
  push("genmb.status", { status: "live" });
  await pass(5000);
  expect(lost).toBe(0);
  expect(kernel.link()).toBe("ready");
});

it("does not blame the kernel for the time that the machine slept", async () => {
  goLive();
  await pass(5000);
  vi.setSystemTime(Date.now() + 600_000);
  vi.spyOn(performance, "now").mockImplementation(() => Date.now());
  await pass(1000);
  expect(lost).toBe(0);
});

it("takes comm_live_update for a restart: the call is lost and open questions are answered", async () => {
  goLive();
  const opening = kernel.backend.open("v=0", "key");
  model.broken = true;
  model.fire("comm_live_update");
  await expect(opening).rejects.toMatchObject({ code: "kernel_gone" });
  expect(lost).toBe(1);
  await pass(0);
  expect(kernel.link()).toBe("gone");
});

it("takes a model that cannot send for a kernel that is gone", async () => {
  goLive();
  model.broken = true;
  push("error");
  expect(kernel.link()).toBe("gone");
  expect(lost).toBe(1);
  await expect(kernel.backend.open("v=0", "key")).rejects.toMatchObject({ code: "kernel_gone" });
});

it("sends what waits before it says good-bye", () => {
  push("response.output_audio_transcript.delta");
  kernel.bye();
  expect(model.sent.slice(-2).map(({ op }) => op)).toEqual(["events", "bye"]);
});

it("falls silent when it is closed", async () => {
  kernel.close();
  const before = model.sent.length;
  await pass(10_000);
  model.welcome();
  expect(model.sent).toHaveLength(before);
  expect(welcomes).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

it("doubts a kernel that does not answer to the end of a call, and greets it again", async () => {
  model.welcome();
  void kernel.backend.ended(ticket, "hung_up");
  await pass(11_000);
  expect(kernel.link()).toBe("silent");
  model.welcome();
  expect(kernel.link()).toBe("ready");
});

it("hands on what the agent is set up to be as it changes", () => {
  goLive();
  model.tell({ op: "settings", settings: { push_to_talk: true } });
  expect(settings).toEqual([{ push_to_talk: true }]);
});

it("joins the line of the session that is begun with whoever carries it, and no other", () => {
  model.welcome();
  push("genmb.status", { status: "connecting" }, "mine");
  const came: unknown[] = [];
  const stop = kernel.line.hear((message, sounds) => came.push([message.events, sounds]));
  const sound = new DataView(new ArrayBuffer(2));
  model.tell({ op: "line", log: "another", events: [1] });
  model.fire("msg:custom", { op: "line", client: "other", log: "mine", events: [2] });
  model.tell({ op: "line", log: "mine", events: [3] }, [sound]);
  model.tell({ op: "line", log: "mine", events: [4] });
  kernel.line.send({}, new Int16Array(2));
  kernel.line.send({ event: { type: "input_audio_buffer.commit" } });
  stop();
  model.tell({ op: "line", log: "mine", events: [5] });
  expect(came).toEqual([
    [[3], [sound]],
    [[4], []],
  ]);
  const event = { type: "input_audio_buffer.commit" };
  expect(model.ops("line")).toEqual([
    { op: "line", log: "mine", client: model.client },
    { op: "line", log: "mine", client: model.client, event },
  ]);
  expect(model.buffers).toEqual([new Int16Array(2)]);
});
