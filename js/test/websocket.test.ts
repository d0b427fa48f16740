// @vitest-environment jsdom
import { beforeEach, expect, it, vi } from "vitest";
import { openMicrophone } from "../src/audio";
import { PATIENCE_MS } from "../src/line";
import { toBase64 } from "../src/pcm";
import { GA_CALLS } from "../src/protocol";
import type { Report, Transport } from "../src/transport";
import { connect, STUCK_BYTES } from "../src/websocket";
import { FakeSocket, FakeTrack, FakeWorklet, installBrowser, installSocket } from "./fakes";
import { strangers } from "./outbound";

let reports: Report[];
let abort: AbortController;
let browser: ReturnType<typeof installBrowser>;
let contexts: ReturnType<typeof installSocket>;

beforeEach(() => {
  vi.useFakeTimers();
  browser = installBrowser();
  contexts = installSocket();
  reports = [];
  abort = new AbortController();
  return () => {
    vi.useRealTimers();
    const commands = FakeSocket.all.flatMap(({ sent }) => sent);
    expect(strangers(commands)).toEqual([]);
  };
});

const settle = () => vi.advanceTimersByTimeAsync(0);
const exchange = vi.fn(async (_offer: string) => "wss://voice.example/socket?ticket=t");
const player = () => FakeWorklet.of("genmb-player");
const events = () =>
  reports.flatMap((told) => (told.type === "event" ? [told.event as { type: string }] : []));
const sent = () => reports.flatMap((told) => (told.type === "sent" ? [told.event] : []));
const frame = () => FakeWorklet.of("genmb-capture").tell(new Int16Array(720));
const detection = (turn_detection: unknown) => ({
  type: "session.created",
  session: { audio: { input: { turn_detection } } },
});

function dial() {
  const opening = connect({
    exchange,
    form: GA_CALLS,
    carry: () => undefined,
    microphone: openMicrophone(abort.signal, "mic_denied"),
    eager: true,
    report: (report) => reports.push(report),
    signal: abort.signal,
  });
  opening.catch(() => undefined);
  return opening;
}
async function live(created: object = detection({ type: "server_vad" })): Promise<Transport> {
  const opening = dial();
  await settle();
  FakeSocket.last.receive(created);
  return opening;
}
/** So many pieces of 30 ms of the agent's sound. */
function agentSpeaks(pieces = 2, response = "r") {
  const delta = toBase64(new Int16Array(720).fill(1));
  const ids = { response_id: response, item_id: `item-${response}`, content_index: 0 };
  for (let at = 0; at < pieces; at += 1)
    FakeSocket.last.receive({ type: "response.output_audio.delta", delta, ...ids });
}

it("asks by an empty offer for an address, and stands when the service has made the session", async () => {
  const opening = dial();
  const done = vi.fn();
  void opening.then(done);
  await settle();
  expect(exchange).toHaveBeenLastCalledWith("");
  expect(FakeSocket.last.url).toBe("wss://voice.example/socket?ticket=t");
  expect(done).not.toHaveBeenCalled();
  FakeSocket.last.receive(detection({ type: "server_vad" }));
  await settle();
  expect(done).toHaveBeenCalled();
  expect(reports.map(({ type }) => type)).toEqual(["event", "sound"]);
});

it("sends the microphone's frames as they come, once the session stands", async () => {
  const opening = dial();
  await settle();
  frame();
  FakeSocket.last.receive(detection({ type: "server_vad" }));
  await opening;
  frame();
  expect(FakeSocket.last.types()).toEqual(["input_audio_buffer.append"]);
  expect(atob(String(FakeSocket.last.sent[0]?.audio)).length).toBe(1440);
});

it("sends no silence of a closed microphone where nobody looks for turns in it", async () => {
  await live(detection(null));
  const [track] = browser.streams[0]?.tracks ?? [];
  if (track) track.enabled = false;
  frame();
  expect(FakeSocket.last.sent).toEqual([]);
  if (track) track.enabled = true;
  frame();
  expect(FakeSocket.last.types()).toEqual(["input_audio_buffer.append"]);
});

it("tells of the playing what a service that plays the sound itself would tell", async () => {
  await live();
  agentSpeaks(2);
  FakeSocket.last.receive({ type: "response.done", response: { id: "r" } });
  player().tell({ finished: 1 });
  expect(events().map(({ type }) => type)).not.toContain("output_audio_buffer.stopped");
  player().tell({ finished: 2 });
  expect(events().map(({ type }) => type)).toEqual([
    "session.created",
    "output_audio_buffer.started",
    "response.output_audio.delta",
    "response.output_audio.delta",
    "response.done",
    "output_audio_buffer.stopped",
  ]);
});

it("falls silent when the user speaks, and truncates the reply at what was played", async () => {
  await live();
  agentSpeaks(3);
  player().tell({ finished: 1 });
  FakeSocket.last.receive({ type: "input_audio_buffer.speech_started", item_id: "u" });
  expect(player().posted.at(-1)).toBe(null);
  agentSpeaks(1);
  expect(player().posted.at(-1), "what comes of it later is not played").toBe(null);
  player().tell({ cut: { id: 2, samples: 480 } });
  const event = {
    type: "conversation.item.truncate",
    event_id: "cut_item-r",
    item_id: "item-r",
    content_index: 0,
    audio_end_ms: 50,
  };
  expect([FakeSocket.last.sent, sent()]).toEqual([[event], [event]]);
  expect(events().at(-1)).toEqual({ type: "output_audio_buffer.cleared", response_id: "r" });
});

it("does not truncate what was not heard at all", async () => {
  await live();
  agentSpeaks(1);
  FakeSocket.last.receive({ type: "input_audio_buffer.speech_started", item_id: "u" });
  player().tell({ cut: { id: 1, samples: 0 } });
  expect(FakeSocket.last.sent).toEqual([]);
  expect(events().at(-1)?.type).toBe("output_audio_buffer.cleared");
});

it("plays on where the user's voice shall not cut the agent short", async () => {
  await live(detection({ type: "server_vad", interrupt_response: false }));
  agentSpeaks(1);
  FakeSocket.last.receive({ type: "input_audio_buffer.speech_started", item_id: "u" });
  expect(player().posted).not.toContain(null);
});

it("cuts for an output_audio_buffer.clear, which is WebRTC's alone and is not sent", async () => {
  const transport = await live();
  agentSpeaks(1);
  expect(transport.send({ type: "output_audio_buffer.clear" })).toBe(null);
  expect([player().posted.at(-1), FakeSocket.last.sent]).toEqual([null, []]);
});

it.each([
  [1000, "service"],
  [1011, "network"],
  [1006, "network"],
])("is over when the socket is closed with %s: by the %s", async (code, by) => {
  const transport = await live();
  FakeSocket.last.hangUp(code);
  expect(reports.at(-1)).toEqual({ type: "over", by });
  expect(transport.send({ type: "response.cancel" })?.code).toBe("not_live");
});

it("is over when the network has taken nothing for ten seconds", async () => {
  await live();
  FakeSocket.last.bufferedAmount = STUCK_BYTES + 1;
  frame();
  expect(reports.at(-1)).toEqual({ type: "over", by: "network" });
});

it.each([
  ["says why there is no session", { code: "provider_unreachable" }, "provider_unreachable"],
  ["says so in words of its own", { code: "model_not_found" }, "provider_error"],
])("fails with the service's reason when it %s", async (_, error, code) => {
  const opening = dial();
  await settle();
  FakeSocket.last.receive({ type: "error", error: { message: "No.", ...error } });
  await expect(opening).rejects.toMatchObject({ code, detail: "No." });
  expect(FakeSocket.last.closedWith).toBe(1000);
});

it("fails when the socket is refused, or nothing is said on it for long", async () => {
  const refused = dial();
  await settle();
  FakeSocket.last.hangUp(1006);
  await expect(refused).rejects.toMatchObject({ code: "handshake_timeout" });
  const silent = dial();
  await vi.advanceTimersByTimeAsync(PATIENCE_MS);
  await expect(silent).rejects.toMatchObject({ code: "handshake_timeout" });
});

it("leaves nothing open after an abort, whenever that comes", async () => {
  const opening = dial();
  await settle();
  abort.abort(new Error("enough"));
  await expect(opening).rejects.toThrow("enough");
  expect(FakeSocket.last.closedWith).toBe(1000);
  abort = new AbortController();
  await live();
  abort.abort();
  expect(FakeSocket.last.closedWith).toBe(1000);
  expect(contexts.map(({ closed }) => closed)).toEqual([true, true]);
});

it("hears another microphone that takes the place of the first, and says what is too long to be sent", async () => {
  const transport = await live();
  await transport.replaceMicrophone(new FakeTrack() as unknown as MediaStreamTrack);
  expect(contexts[0]?.heard).toHaveLength(2);
  const long = { type: "conversation.item.create", text: "x".repeat(1024 * 1024) };
  expect(transport.objection(long)?.code).toBe("message_too_long");
});
