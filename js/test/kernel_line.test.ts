// @vitest-environment jsdom
import { beforeEach, expect, it, vi } from "vitest";
import { openMicrophone } from "../src/audio";
import { type LineEnd, LOOK_MS, LOOKS, lineOf } from "../src/kernel_line";
import { overLine } from "../src/line";
import { GA_CALLS } from "../src/protocol";
import type { Report, Transport } from "../src/transport";
import { FakeTrack, FakeWorklet, installBrowser, installSocket } from "./fakes";

let reports: Report[];
let abort: AbortController;
let sent: Array<{ event?: { type: string }; sound?: number }>;
let take: Parameters<LineEnd["hear"]>[0] | null;
let browser: ReturnType<typeof installBrowser>;

const end: LineEnd = {
  send: (members, sound) => void sent.push({ ...members, ...(sound ? { sound: sound.length } : {}) }),
  hear: (heard) => {
    take = heard;
    return () => {
      take = null;
    };
  },
};

beforeEach(() => {
  vi.useFakeTimers();
  browser = installBrowser();
  installSocket();
  reports = [];
  sent = [];
  take = null;
  abort = new AbortController();
  return () => void vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(0);
const player = () => FakeWorklet.of("genmb-player");
const frames = (count: number) => {
  for (let at = 0; at < count; at += 1) FakeWorklet.of("genmb-capture").tell(new Int16Array(720));
};
const told = (events: object[], sounds: DataView[] = [], more: object = {}) =>
  take?.({ op: "line", taken: 0, events, ...more }, sounds);
const created = (turn_detection: unknown = { type: "server_vad" }) => ({
  type: "session.created",
  session: { audio: { input: { turn_detection } } },
});
const troubles = () => reports.filter(({ type }) => type === "trouble");
/** So many milliseconds of the microphone, as they pass. */
async function speak(ms: number) {
  for (let passed = 60; passed <= ms; passed += 60) {
    await vi.advanceTimersByTimeAsync(60);
    frames(2);
  }
}
const types = () =>
  reports.flatMap((one) => (one.type === "event" ? [(one.event as { type: string }).type] : [one.type]));

function dial(exchange = vi.fn(async (_offer: string) => "kernel:")) {
  const opening = overLine(lineOf(end))({
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
async function live(first: object = created()): Promise<Transport> {
  const opening = dial();
  await settle();
  told([first]);
  return opening;
}
/** Sound as a message brings it: somewhere in the middle of what came. */
function buffer(samples: number[]): DataView {
  const bytes = new Uint8Array(3 + samples.length * 2);
  new Uint8Array(bytes.buffer, 3).set(new Uint8Array(Int16Array.from(samples).buffer));
  return new DataView(bytes.buffer, 3, samples.length * 2);
}
const delta = { type: "response.output_audio.delta", response_id: "r", item_id: "i", content_index: 0 };

it("stands when the service has made the session, of which it may hear before the kernel has answered", async () => {
  const opening = dial(
    vi.fn(async () => {
      told([created()]);
      return "kernel:";
    }),
  );
  await settle();
  await expect(opening).resolves.toBeDefined();
  expect(types()).toEqual(["session.created", "sound"]);
});

it("sends the microphone in messages of 60 ms, and nothing before the session is there", async () => {
  const opening = dial();
  await settle();
  frames(4);
  expect(sent).toEqual([]);
  told([created()]);
  await opening;
  frames(5);
  expect(sent).toEqual([{ sound: 1440 }, { sound: 1440 }]);
});

it("sends what was spoken before an event before it", async () => {
  const transport = await live();
  frames(1);
  expect(transport.send({ type: "input_audio_buffer.commit" })).toBe(null);
  expect(sent).toEqual([{ sound: 720 }, { event: { type: "input_audio_buffer.commit" } }]);
});

it("plays the sound in a message's buffers, each for the event that brings it", async () => {
  await live();
  told([delta, { type: "response.output_text.delta", delta: "x" }, delta], [buffer([1, -2]), buffer([3])]);
  expect(player().posted).toEqual([
    { id: 1, samples: Int16Array.from([1, -2]) },
    { id: 2, samples: Int16Array.from([3]) },
  ]);
  expect(types()).toContain("output_audio_buffer.started");
});

it("truncates a reply that the user speaks over at what was really played", async () => {
  await live();
  told([delta], [buffer(new Array(4800).fill(1))]);
  told([{ type: "input_audio_buffer.speech_started", item_id: "u" }]);
  expect(player().posted.at(-1)).toBe(null);
  player().tell({ cut: { id: 1, samples: 2400 } });
  expect(sent.at(-1)).toMatchObject({
    event: { type: "conversation.item.truncate", item_id: "i", audio_end_ms: 100 },
  });
  expect(types().at(-1)).toBe("output_audio_buffer.cleared");
});

it("loses what is spoken when the kernel has taken nothing for three seconds, and says so once", async () => {
  await live();
  await speak(LOOK_MS * (LOOKS - 1));
  expect([sent.length, troubles()]).toEqual([45, []]);
  await speak(5000);
  expect(sent.length).toBeLessThanOrEqual(50);
  expect(troubles()).toMatchObject([{ failure: { code: "kernel_deaf" } }]);
});

it("is heard again as soon as the kernel takes sound", async () => {
  await live();
  await speak(8000);
  const before = sent.length;
  told([], [], { taken: 8 });
  frames(2);
  expect(sent).toHaveLength(before + 1);
});

it("loses nothing when the page itself was held up for long, and has the kernel's answers yet to read", async () => {
  await live();
  await speak(1000);
  frames(200); // six seconds at once
  expect(sent).toHaveLength(16 + 100);
  expect(troubles()).toEqual([]);
});

it("sends no sound of a closed microphone where nobody looks for turns", async () => {
  await live(created(null));
  for (const track of browser.streams[0]?.getAudioTracks() ?? []) track.enabled = false;
  frames(10);
  expect(sent).toEqual([]);
});

it.each(["service", "network"])("is over when the kernel says so: by the %s", async (over) => {
  const transport = await live();
  told([], [], { over });
  expect(reports.at(-1)).toEqual({ type: "over", by: over });
  expect(transport.send({ type: "response.cancel" })?.code).toBe("not_live");
  expect(take).toBe(null);
});

it("fails with the service's reason, and hears nothing any more", async () => {
  const opening = dial();
  await settle();
  told([{ type: "error", error: { code: "model_not_found", message: "No." } }]);
  await expect(opening).rejects.toMatchObject({ code: "provider_error", detail: "No." });
  expect(take).toBe(null);
});

it("hears nothing any more when the kernel refuses, or after an abort", async () => {
  const refused = dial(
    vi.fn(async () => {
      throw new Error("no");
    }),
  );
  await expect(refused).rejects.toThrow("no");
  expect(take).toBe(null);
  await live();
  expect(take).not.toBe(null);
  abort.abort();
  expect(take).toBe(null);
});

it("hears another microphone, and says what is too long to be sent", async () => {
  const transport = await live();
  await transport.replaceMicrophone(new FakeTrack() as unknown as MediaStreamTrack);
  const long = { type: "conversation.item.create", text: "x".repeat(1024 * 1024) };
  expect(transport.objection(long)?.code).toBe("message_too_long");
});
