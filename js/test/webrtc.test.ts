// @vitest-environment jsdom
import { beforeEach, expect, it, vi } from "vitest";
import { openMicrophone } from "../src/audio";
import { callForm } from "../src/protocol";
import type { Report } from "../src/transport";
import { connect, GATHERING_MS, PATIENCE_MS } from "../src/webrtc";
import { deferred, FakePeerConnection, FakeStream, installBrowser, WHOLE_OFFER } from "./fakes";

let reports: Report[];
let abort: AbortController;
let browser: ReturnType<typeof installBrowser>;

beforeEach(() => {
  vi.useFakeTimers();
  browser = installBrowser();
  reports = [];
  abort = new AbortController();
  return () => vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(0);

function dial({
  eager = true,
  microphone = openMicrophone(abort.signal, "mic_denied"),
  exchange = vi.fn(async () => "v=0 answer"),
  dialect = "ga",
  carry = vi.fn(),
} = {}) {
  const opening = connect({
    exchange,
    form: callForm(dialect),
    carry,
    microphone,
    eager,
    report: (report) => reports.push(report),
    signal: abort.signal,
  });
  opening.catch(() => undefined);
  return { opening, exchange };
}

async function connected() {
  const { opening } = dial();
  await settle();
  FakePeerConnection.last.connect();
  return opening;
}

it("is connected when the peer connection and the channel both are, not before", async () => {
  const { opening } = dial();
  const done = vi.fn();
  void opening.then(done);
  await settle();
  FakePeerConnection.last.become("connected");
  await settle();
  expect(done).not.toHaveBeenCalled();
  FakePeerConnection.last.connect();
  await settle();
  expect(done).toHaveBeenCalled();
});

it("makes the oai-events channel before the offer and sends the offer without candidates", async () => {
  const { exchange } = dial();
  await settle();
  expect(FakePeerConnection.last.channel.label).toBe("oai-events");
  expect(FakePeerConnection.last.configuration).toEqual({ bundlePolicy: "max-bundle" });
  expect(exchange).toHaveBeenCalledExactlyOnceWith("v=0 offer");
});

it("waits for the candidates where the dialect wants a whole offer, and names its channel", async () => {
  const { exchange } = dial({ dialect: "beta" });
  await settle();
  expect(FakePeerConnection.last.channel.label).toBe("voice-live-events");
  expect(exchange).not.toHaveBeenCalled();
  FakePeerConnection.last.gathered();
  await settle();
  expect(exchange).toHaveBeenCalledExactlyOnceWith(WHOLE_OFFER);
});

it("offers what candidates there are after 3 s", async () => {
  const { exchange } = dial({ dialect: "beta" });
  await vi.advanceTimersByTimeAsync(GATHERING_MS);
  expect(exchange).toHaveBeenCalledExactlyOnceWith("v=0 offer");
});

it("offers nothing when it is stopped while it waits for candidates", async () => {
  const { exchange, opening } = dial({ dialect: "beta" });
  await settle();
  abort.abort(new Error("stopped"));
  await expect(opening).rejects.toThrow("stopped");
  await settle();
  expect(exchange).not.toHaveBeenCalled();
  expect(vi.getTimerCount()).toBe(0);
});

it("hands events over where the channel is not read, and still says what cannot be sent", async () => {
  const carry = vi.fn();
  const { opening } = dial({ dialect: "beta", carry });
  await settle();
  FakePeerConnection.last.gathered();
  await settle();
  FakePeerConnection.last.connect();
  const call = await opening;
  expect(call.send({ type: "response.create" })).toBeNull();
  expect(call.send({ type: "response.create", pad: "x".repeat(2000) })?.code).toBe("message_too_long");
  expect(carry).toHaveBeenCalledExactlyOnceWith({ type: "response.create" });
  expect(FakePeerConnection.last.channel.sent).toEqual([]);
});

it("sends the offer while the microphone opens when permission was given before", async () => {
  const microphone = deferred<MediaStream>();
  const { exchange, opening } = dial({ microphone: microphone.promise });
  await settle();
  expect(exchange).toHaveBeenCalled();
  const stream = new FakeStream();
  microphone.resolve(stream as unknown as MediaStream);
  FakePeerConnection.last.connect();
  await opening;
  expect(FakePeerConnection.last.sender.track).toBe(stream.tracks[0]);
});

it("asks nobody for a session before a prompt is answered", async () => {
  const microphone = deferred<MediaStream>();
  const { exchange, opening } = dial({ eager: false, microphone: microphone.promise });
  await settle();
  expect(exchange).not.toHaveBeenCalled();
  microphone.reject(new Error("denied"));
  await expect(opening).rejects.toThrow("denied");
  expect(exchange).not.toHaveBeenCalled();
  expect(FakePeerConnection.all).toEqual([]);
});

it("gives up after 15 s without a connection and closes everything", async () => {
  const { opening } = dial();
  await vi.advanceTimersByTimeAsync(PATIENCE_MS);
  await expect(opening).rejects.toMatchObject({ code: "handshake_timeout" });
  expect(FakePeerConnection.last.connectionState).toBe("closed");
  expect(FakePeerConnection.last.channel.readyState).toBe("closed");
  expect(vi.getTimerCount()).toBe(0);
});

it("closes what it opened when the offer is refused", async () => {
  const { opening } = dial({ exchange: vi.fn(async () => Promise.reject(new Error("429"))) });
  await expect(opening).rejects.toThrow("429");
  expect(FakePeerConnection.last.connectionState).toBe("closed");
});

it.each(["before the offer", "during the exchange", "during the handshake", "in the call"])(
  "aborting %s leaves nothing open",
  async (moment) => {
    const answer = deferred<string>();
    const { opening } = dial({ exchange: vi.fn(() => answer.promise) });
    if (moment !== "before the offer") await settle();
    if (moment === "during the handshake" || moment === "in the call") answer.resolve("v=0 answer");
    await (moment === "before the offer" ? undefined : settle());
    if (moment === "in the call") FakePeerConnection.last.connect();
    if (moment === "in the call") await opening;
    abort.abort(new Error("stopped"));
    answer.resolve("v=0 answer");
    await settle();
    if (moment !== "in the call") await expect(opening).rejects.toThrow("stopped");
    expect(FakePeerConnection.all.every(({ connectionState }) => connectionState === "closed")).toBe(true);
    expect(browser.live()).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
    expect(reports).toEqual([]);
  },
);

it("does not let a stale attempt open", async () => {
  const answer = deferred<string>();
  const { opening } = dial({ exchange: vi.fn(() => answer.promise) });
  await settle();
  const stale = FakePeerConnection.last;
  abort.abort(new Error("stopped"));
  answer.resolve("v=0 answer");
  await settle();
  stale.connect();
  await expect(opening).rejects.toThrow("stopped");
  expect(stale.remoteDescription).toBeNull();
  expect(reports).toEqual([]);
});

it("closes the mic on a failed connection", async () => {
  const { opening } = dial();
  await settle();
  FakePeerConnection.last.become("failed");
  await expect(opening).rejects.toMatchObject({ code: "handshake_timeout" });
  abort.abort();
  expect(browser.live()).toBe(0);
});

it("stops exactly the tracks that it opened", async () => {
  const foreign = new FakeStream();
  await connected();
  abort.abort();
  expect(browser.live()).toBe(0);
  expect(foreign.tracks[0]?.readyState).toBe("live");
});

it("closes a microphone that is granted after the stop", async () => {
  const granted = deferred<FakeStream>();
  browser.getUserMedia.mockReturnValueOnce(granted.promise);
  const microphone = openMicrophone(abort.signal, "mic_denied");
  abort.abort(new Error("stopped"));
  const late = new FakeStream();
  granted.resolve(late);
  await expect(microphone).rejects.toThrow("stopped");
  expect(late.tracks[0]?.readyState).toBe("ended");
});

it("wavers while disconnected and is steady again when the network heals", async () => {
  await connected();
  FakePeerConnection.last.become("disconnected");
  await vi.advanceTimersByTimeAsync(PATIENCE_MS - 1);
  FakePeerConnection.last.become("connected");
  await vi.advanceTimersByTimeAsync(PATIENCE_MS);
  expect(reports.map(({ type }) => type)).toEqual(["wavering", "steady"]);
});

it.each(["failed", "silent"])("is over when a wavering connection stays %s", async (how) => {
  await connected();
  FakePeerConnection.last.reachable = false;
  FakePeerConnection.last.become("disconnected");
  if (how === "failed") FakePeerConnection.last.become("failed");
  else await vi.advanceTimersByTimeAsync(PATIENCE_MS + 200);
  expect(reports).toEqual([{ type: "wavering" }, { type: "over", by: "network" }]);
  expect(FakePeerConnection.last.connectionState).toBe("closed");
});

it("tells a service that hung up from a network that failed", async () => {
  await connected();
  FakePeerConnection.last.hangUp();
  expect(reports).toEqual([{ type: "over", by: "service" }]);
});

it("takes a service that closes its events and falls silent for one that hung up", async () => {
  await connected();
  FakePeerConnection.last.reachable = false;
  FakePeerConnection.last.channel.onclose?.();
  expect(reports).toEqual([]);
  await vi.advanceTimersByTimeAsync(500);
  expect(reports).toEqual([{ type: "over", by: "service" }]);
});

it("takes a call that lives on without its events for one that the network has lost", async () => {
  await connected();
  FakePeerConnection.last.channel.onclose?.();
  await vi.advanceTimersByTimeAsync(500);
  expect(reports).toEqual([{ type: "over", by: "network" }]);
  expect(vi.getTimerCount()).toBe(0);
});

it("wavers within 3 s of silence on the wire, before the browser says so, and is steady as soon as packets flow", async () => {
  await connected();
  await vi.advanceTimersByTimeAsync(5_000);
  FakePeerConnection.last.reachable = false;
  await vi.advanceTimersByTimeAsync(3_000);
  expect(reports).toEqual([{ type: "wavering" }]);
  await vi.advanceTimersByTimeAsync(9_000);
  FakePeerConnection.last.reachable = true;
  await vi.advanceTimersByTimeAsync(500);
  expect(reports).toEqual([{ type: "wavering" }, { type: "steady" }]);
  await vi.advanceTimersByTimeAsync(PATIENCE_MS);
  expect(reports).toHaveLength(2);
});

it("does not take a service that sends no sound for one that is gone", async () => {
  await connected();
  FakePeerConnection.last.sending = false;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reports).toEqual([]);
});

it("leaves the judgement to a browser that does not count its questions", async () => {
  await connected();
  FakePeerConnection.last.getStats = async () =>
    new Map<string, object>([["P", { type: "candidate-pair", nominated: true }]]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reports).toEqual([]);
});

it("is over after 15 s of silence on the wire, counted from the last packet", async () => {
  await connected();
  FakePeerConnection.last.reachable = false;
  await vi.advanceTimersByTimeAsync(PATIENCE_MS - 1_000);
  expect(reports).toEqual([{ type: "wavering" }]);
  await vi.advanceTimersByTimeAsync(1_500);
  expect(reports).toEqual([{ type: "wavering" }, { type: "over", by: "network" }]);
});

it("does not wait long for a connection that another network cannot heal", async () => {
  await connected();
  FakePeerConnection.last.reachable = false;
  await vi.advanceTimersByTimeAsync(5_000);
  window.dispatchEvent(new Event("online"));
  await vi.advanceTimersByTimeAsync(2_000);
  expect(reports).toEqual([{ type: "wavering" }, { type: "over", by: "network" }]);
});

it("looks at its connection when the page wakes, and gives it a moment to show that it lives", async () => {
  await connected();
  await vi.advanceTimersByTimeAsync(1_000);
  FakePeerConnection.last.reachable = false;
  vi.setSystemTime(Date.now() + 60_000); // asleep: no timer ran
  await vi.advanceTimersByTimeAsync(500);
  expect(reports).toEqual([{ type: "wavering" }]);
  await vi.advanceTimersByTimeAsync(2_500);
  expect(reports).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(reports).toEqual([{ type: "wavering" }, { type: "over", by: "network" }]);
});

it("passes events on and ignores what is not JSON", async () => {
  await connected();
  const { channel } = FakePeerConnection.last;
  channel.onmessage?.({ data: "{" });
  channel.onmessage?.({ data: new ArrayBuffer(1) });
  channel.receive({ type: "session.created" });
  expect(reports).toEqual([{ type: "event", event: { type: "session.created" } }]);
});

it("refuses an event that is larger than the connection carries", async () => {
  const transport = await connected();
  const { channel } = FakePeerConnection.last;
  expect(transport.send({ type: "x", text: "é".repeat(300) })).toBeNull();
  const long = { type: "x", text: "é".repeat(600) };
  for (const told of [transport.objection(long), transport.send(long)]) {
    expect(told).toMatchObject({
      code: "message_too_long",
      detail: expect.stringContaining("1000 bytes"),
    });
  }
  expect(channel.sent).toHaveLength(1);
  channel.readyState = "closed";
  expect(transport.send({ type: "x" })).toMatchObject({ code: "not_live" });
});

it("gives up at once where the browser may send no UDP, and not where it only says so later", async () => {
  const { opening } = dial();
  await settle();
  const pc = FakePeerConnection.last;
  pc.localDescription = { sdp: "v=0\r\na=candidate:1 1 udp 2113937151 a.local 5000 typ host\r\n" };
  pc.iceGatheringState = "complete";
  pc.onicegatheringstatechange?.();
  await settle();
  expect(pc.connectionState).not.toBe("closed");
  pc.localDescription = {
    sdp: "v=0\r\na=candidate:1 1 tcp 1518280447 a.local 9 typ host tcptype active\r\n",
  };
  pc.onicegatheringstatechange?.();
  await expect(opening).rejects.toMatchObject({ code: "handshake_timeout" });
});
