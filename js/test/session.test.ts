// @vitest-environment jsdom
import { beforeEach, expect, it, vi } from "vitest";
import type { Backend } from "../src/backend";
import type { Session } from "../src/driver";
import { Failure } from "../src/failure";
import { callForm, type Envelope } from "../src/protocol";
import { TAIL_MS, TAP_MS } from "../src/push_to_talk";
import { createSession } from "../src/session";
import type { ConnectOptions } from "../src/transport";
import { connect } from "../src/webrtc";
import { deferred, FakePeerConnection, type FakeStream, installBrowser, ticket } from "./fakes";
import { strangers } from "./outbound";

let browser: ReturnType<typeof installBrowser>;
let envelopes: Envelope[];
let session: Session;
let logs: Set<string>;
const backend = {
  open: vi.fn<Backend["open"]>(),
  reopen: vi.fn<Backend["reopen"]>(),
  connected: vi.fn<Backend["connected"]>(),
  ended: vi.fn<Backend["ended"]>(),
};

beforeEach(() => {
  vi.useFakeTimers();
  browser = installBrowser();
  envelopes = [];
  logs = new Set();
  backend.open.mockReset().mockResolvedValue(ticket);
  backend.reopen.mockReset().mockRejectedValue(new Failure("session_over"));
  backend.connected.mockReset().mockResolvedValue();
  backend.ended.mockReset().mockResolvedValue();
  session = createSession({
    backend,
    connect,
    onEnvelope: (log, envelope) => {
      logs.add(log);
      envelopes.push(structuredClone(envelope));
    },
  });
  return () => {
    vi.useRealTimers();
    expect(strangers(FakePeerConnection.all.flatMap(({ channel }) => channel.sent))).toEqual([]);
  };
});

const settle = () => vi.advanceTimersByTimeAsync(0);
const state = () => session.view().state;
const channel = () => FakePeerConnection.last.channel;
const errors = () => state().errors.map(({ code }) => code);
const statuses = () =>
  envelopes.filter(({ event }) => event.type === "genmb.status").map(({ event }) => event.status);

async function live() {
  const started = session.start();
  await settle();
  FakePeerConnection.last.connect();
  await started;
}

const response = (id: string) => ({ id, conversation_id: "c" });
function agentSpeaks(id = "r1") {
  channel().receive({ type: "response.created", response: response(id) });
  channel().receive({ type: "output_audio_buffer.started", response_id: id });
}

it("goes from idle through connecting to live and to ended", async () => {
  expect(state().status).toBe("idle");
  await live();
  expect(state().status).toBe("live");
  session.stop();
  expect(state().status).toBe("ended");
  expect(statuses()).toEqual(["connecting", "live", "ended"]);
});

it("numbers its log from 1 without holes and marks what came, what went, and what is its own", async () => {
  await live();
  channel().receive({ type: "session.created", session: {} });
  session.say("Hello");
  expect(envelopes.map(({ seq }) => seq)).toEqual(envelopes.map((_, index) => index + 1));
  expect(envelopes.map(({ dir, event }) => `${dir} ${event.type}`)).toEqual([
    "own genmb.status",
    "own genmb.session",
    "own genmb.status",
    "in session.created",
    "out conversation.item.create",
    "out response.create",
  ]);
});

it("begins a new log with an empty state at each start", async () => {
  await live();
  channel().receive({
    type: "conversation.item.added",
    item: { id: "i1", type: "message", role: "user", content: [{ type: "input_text", text: "Hi" }] },
  });
  expect(state().turns).toHaveLength(1);
  session.stop();
  await live();
  expect(logs.size).toBe(2);
  expect(state().turns).toEqual([]);
  expect(envelopes.filter(({ seq }) => seq === 1)).toHaveLength(2);
});

it("joins a second start to the first: one microphone, one ticket", async () => {
  const [first, second] = [session.start(), session.start()];
  await settle();
  FakePeerConnection.last.connect();
  await Promise.all([first, second]);
  expect(backend.open).toHaveBeenCalledOnce();
  expect(browser.getUserMedia).toHaveBeenCalledOnce();
});

it("tells the endpoint that the call stands only when it stands", async () => {
  const started = session.start();
  await settle();
  expect(backend.connected).not.toHaveBeenCalled();
  FakePeerConnection.last.connect();
  await started;
  expect(backend.connected).toHaveBeenCalledExactlyOnceWith(ticket);
});

it("goes on when the word that the call stands gets lost, and says so", async () => {
  backend.connected.mockRejectedValue(new Failure("endpoint_unreachable"));
  await live();
  await settle();
  expect(state().status).toBe("live");
  expect(errors()).toEqual(["endpoint_unreachable"]);
});

it("says nothing of a word that came too late because the call was stopped", async () => {
  const told = deferred<void>();
  backend.connected.mockReturnValue(told.promise);
  await live();
  session.stop();
  told.reject(new Failure("session_over"));
  await settle();
  expect(state().status).toBe("ended");
  expect(errors()).toEqual([]);
});

it("tells the endpoint once that the call is over, with the reason", async () => {
  await live();
  session.stop();
  session.stop();
  expect(backend.ended).toHaveBeenCalledExactlyOnceWith(ticket, "stopped");
});

it.each([
  ["NotAllowedError", "mic_denied"],
  ["NotFoundError", "mic_not_found"],
  ["NotReadableError", "mic_busy"],
])("a microphone that answers %s fails with %s and asks nobody for a session", async (name, code) => {
  browser = installBrowser({ permission: "prompt" });
  browser.getUserMedia.mockRejectedValue(new DOMException("no", name));
  await expect(session.start()).rejects.toMatchObject({ code });
  expect(state().status).toBe("failed");
  expect(errors()).toEqual([code]);
  expect(backend.open).not.toHaveBeenCalled();
});

it("a late microphone denial ends the session that the endpoint has opened", async () => {
  const microphone = deferred<FakeStream>();
  browser.getUserMedia.mockReturnValue(microphone.promise);
  const started = session.start();
  await settle();
  expect(backend.open).toHaveBeenCalled();
  microphone.reject(new DOMException("no", "NotAllowedError"));
  await expect(started).rejects.toMatchObject({ code: "mic_denied" });
  expect(backend.ended).toHaveBeenCalledExactlyOnceWith(ticket, "mic_denied");
  expect(backend.connected).not.toHaveBeenCalled();
  expect(FakePeerConnection.last.connectionState).toBe("closed");
});

it("ends a session whose ticket comes after the stop", async () => {
  const answer = deferred<typeof ticket>();
  backend.open.mockReturnValue(answer.promise);
  const started = session.start();
  await settle();
  session.stop();
  await expect(started).rejects.toBeInstanceOf(Failure);
  expect(backend.ended).not.toHaveBeenCalled();
  answer.resolve(ticket);
  await settle();
  expect(backend.ended).toHaveBeenCalledOnce();
  expect(state().status).toBe("ended");
  expect(browser.live()).toBe(0);
});

it("asks for no session when the stop comes before the offer is made", async () => {
  const described = deferred<void>();
  const started = session.start();
  FakePeerConnection.beforeOffer = described.promise;
  await settle();
  session.stop();
  await expect(started).rejects.toBeInstanceOf(Failure);
  described.resolve();
  await settle();
  expect(backend.open).not.toHaveBeenCalled();
});

it("does not let the ticket of a stopped attempt into the next one", async () => {
  const stale = deferred<typeof ticket>();
  backend.open.mockReturnValueOnce(stale.promise);
  session.start();
  await settle();
  session.stop();
  await live();
  stale.resolve({ ...ticket, id: "stale" });
  await settle();
  expect(state().session?.id).toBe("ses_1");
  expect(state().status).toBe("live");
  expect(backend.ended).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ id: "stale" }), "stopped");
});

it("does not ask for the microphone where the page cannot have one", async () => {
  vi.stubGlobal("isSecureContext", false);
  await expect(session.start()).rejects.toMatchObject({ code: "insecure_context" });
  expect(browser.getUserMedia).not.toHaveBeenCalled();
  expect(state().status).toBe("failed");
});

it("asks the browser once for a permission that stands, and each time for one that does not", async () => {
  const asked = vi.spyOn(navigator.permissions, "query");
  await live();
  session.stop();
  asked.mockClear();
  await live();
  session.stop();
  expect(asked).not.toHaveBeenCalled();
  installBrowser({ permission: "prompt" });
  const askedAgain = vi.spyOn(navigator.permissions, "query");
  await live();
  session.stop();
  await live();
  expect(askedAgain).toHaveBeenCalledTimes(2);
});

it("tries a start again twice, after pauses, when the endpoint is away, and then says so", async () => {
  backend.open.mockRejectedValue(new Failure("service_unavailable", undefined, 5));
  const failed = expect(session.start()).rejects.toMatchObject({
    code: "service_unavailable",
    retryAfter: 5,
  });
  const asked = [];
  for (const ms of [0, 499, 1, 1_499]) {
    await vi.advanceTimersByTimeAsync(ms);
    asked.push(backend.open.mock.calls.length);
    expect(state().status).toBe("connecting");
  }
  expect(asked).toEqual([1, 1, 2, 2]);
  await vi.advanceTimersByTimeAsync(1);
  await failed;
  expect(backend.open).toHaveBeenCalledTimes(3);
  expect(errors()).toEqual(["service_unavailable"]);
  expect(new Set(backend.open.mock.calls.map(([, key]) => key)).size).toBe(1);
});

it("is over at once when it is stopped between two tries, and tries no more", async () => {
  backend.open.mockRejectedValue(new Failure("service_unavailable"));
  const failed = expect(session.start()).rejects.toMatchObject({ code: "not_live" });
  await vi.advanceTimersByTimeAsync(100);
  session.stop();
  await failed;
  expect([state().status, errors(), vi.getTimerCount()]).toEqual(["ended", [], 0]);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(backend.open).toHaveBeenCalledOnce();
});

it.each(["rate_limited", "too_many_attempts", "provider_busy", "provider_unreachable"])(
  "never asks twice after %s",
  async (code) => {
    backend.open.mockRejectedValue(new Failure(code));
    await expect(session.start()).rejects.toMatchObject({ code });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(backend.open).toHaveBeenCalledOnce();
  },
);

it("says when a start is possible again", async () => {
  backend.open.mockRejectedValue(new Failure("rate_limited", undefined, 754));
  await expect(session.start()).rejects.toMatchObject({ code: "rate_limited", retryAfter: 754 });
  expect(state().errors[0]?.detail).toBe("Possible again in 13 min.");
});

it("releases the microphone at once whatever ends the call", async () => {
  for (const end of [
    () => session.stop(),
    () => session.stop("kernel_gone"),
    () => FakePeerConnection.last.hangUp(),
  ]) {
    await live();
    expect(browser.live()).toBe(1);
    end();
    expect(browser.live()).toBe(0);
    expect(FakePeerConnection.last.connectionState).toBe("closed");
    expect(session.view().busy).toBe(false);
  }
});

it("names the reason when it was not the user who ended the call", async () => {
  await live();
  session.stop("view_gone");
  expect(state().status).toBe("ended");
  expect(errors()).toEqual(["view_gone"]);
});

it("fails with connection_lost when the network does not come back, but ends when the service hangs up", async () => {
  await live();
  FakePeerConnection.last.become("disconnected");
  expect(state().status).toBe("reconnecting");
  FakePeerConnection.last.become("connected");
  expect(state().status).toBe("live");
  FakePeerConnection.last.become("disconnected");
  FakePeerConnection.last.become("failed");
  await settle();
  expect(state().status).toBe("failed");
  expect(errors()).toEqual(["connection_lost"]);
  await live();
  FakePeerConnection.last.hangUp();
  expect(state().status).toBe("ended");
  expect(errors()).toEqual([]);
  expect(envelopes.at(-1)?.event).toEqual({
    type: "genmb.status",
    status: "ended",
    by: "service",
  });
});

it("puts what is typed into the conversation under the given id and asks for a reply", async () => {
  await live();
  expect(session.say("What time is it?", "item_x")).toBeNull();
  expect(channel().sent).toEqual([
    {
      type: "conversation.item.create",
      event_id: "item_x", // so that a refusal names the item
      item: {
        id: "item_x",
        type: "message",
        role: "user",
        content: [{ type: "input_text", text: "What time is it?" }],
      },
    },
    { type: "response.create", event_id: expect.any(String) },
  ]);
});

it("gives items ids of at most 32 characters", async () => {
  await live();
  session.say("Hi");
  const [item] = channel().sent as [{ item: { id: string } }];
  expect(item.item.id.length).toBeLessThanOrEqual(32);
});

it("interrupts the agent with what is typed, and asks again only when the cut response is done", async () => {
  await live();
  agentSpeaks();
  session.say("Stop that");
  expect(channel().types()).toEqual([
    "response.cancel",
    "output_audio_buffer.clear",
    "conversation.item.create",
  ]);
  channel().receive({ type: "response.done", response: { ...response("r1"), status: "cancelled" } });
  expect(channel().types().at(-1)).toBe("response.create");
});

it("clears sound that outlasts its response without cancelling anything", async () => {
  await live();
  agentSpeaks();
  channel().receive({ type: "response.done", response: { ...response("r1"), status: "completed" } });
  session.interrupt();
  expect(channel().types()).toEqual(["output_audio_buffer.clear"]);
});

it("tells the service what has changed of the session, under an id of its own, and nobody without a call", async () => {
  session.update({ type: "realtime", instructions: "Too early." });
  await live();
  session.update({ type: "realtime", instructions: "Be brief." });
  expect(channel().sent).toEqual([
    {
      type: "session.update",
      event_id: expect.any(String),
      session: { type: "realtime", instructions: "Be brief." },
    },
  ]);
  session.update({ type: "realtime", instructions: "Be kind." }, "update_1");
  expect(channel().sent.at(-1)).toMatchObject({ event_id: "update_1" });
  expect(errors()).toEqual([]);
});

it("tells a service first what it was not told with the offer, and every other one nothing", async () => {
  const update = { type: "realtime", instructions: "Be brief." };
  backend.open.mockResolvedValue({ ...ticket, update });
  await live();
  expect(channel().sent).toEqual([{ type: "session.update", event_id: expect.any(String), session: update }]);
  session.stop();
  backend.open.mockResolvedValue({ ...ticket, update: null });
  await live();
  expect(channel().sent).toEqual([]);
});

it("has nothing to interrupt while nobody speaks", async () => {
  await live();
  session.interrupt();
  expect(channel().sent).toEqual([]);
});

it("refuses to say something outside a call, and something too long within one", async () => {
  expect(session.say("Hi")).toMatchObject({ code: "not_live" });
  await live();
  expect(session.say("x".repeat(2000))).toMatchObject({ code: "message_too_long" });
  expect(channel().sent).toEqual([]);
  expect(errors()).toEqual(["message_too_long"]);
});

it("names the message that could not be sent, so that nobody takes another for it", async () => {
  await live();
  session.say("x".repeat(2000), "item_x");
  expect(envelopes.at(-1)?.event).toMatchObject({ code: "message_too_long", item_id: "item_x" });
  expect(state().errors).toMatchObject([{ code: "message_too_long", item_id: "item_x" }]);
});

it("gives what silences the agent a name, so that its refusal is not taken for that of a reply", async () => {
  await live();
  agentSpeaks();
  session.say("Stop that");
  channel().receive({ type: "response.done", response: { ...response("r1"), status: "cancelled" } });
  const [, clear, , create] = channel().sent;
  expect(clear).toEqual({ type: "output_audio_buffer.clear", event_id: expect.any(String) });
  expect(clear?.event_id).not.toBe(create?.event_id);
});

it("does not interrupt the running reply for a message that is too long", async () => {
  await live();
  agentSpeaks();
  expect(session.say("x".repeat(2000))).toMatchObject({ code: "message_too_long" });
  expect(channel().sent).toEqual([]);
  expect(session.say("x")).toBeNull();
  expect(channel().types()).toEqual([
    "response.cancel",
    "output_audio_buffer.clear",
    "conversation.item.create",
  ]);
});

it("mutes by silencing the track, also a microphone that opens later", async () => {
  session.mute(true);
  await live();
  expect(browser.streams[0]?.tracks[0]?.enabled).toBe(false);
  session.mute(false);
  expect(browser.streams[0]?.tracks[0]?.enabled).toBe(true);
});

it("takes the next microphone when one is unplugged, and says so when there is none", async () => {
  await live();
  browser.streams[0]?.tracks[0]?.unplug();
  await settle();
  expect(FakePeerConnection.last.sender.track).toBe(browser.streams[1]?.tracks[0]);
  browser.getUserMedia.mockRejectedValue(new DOMException("none", "NotFoundError"));
  browser.streams[1]?.tracks[0]?.unplug();
  await settle();
  expect(state().errors).toMatchObject([{ code: "mic_lost", detail: "No microphone was found." }]);
  expect(state().status).toBe("live");
});

it("takes the microphone that is plugged in after the last one went", async () => {
  await live();
  browser.getUserMedia.mockRejectedValueOnce(new DOMException("none", "NotFoundError"));
  browser.streams[0]?.tracks[0]?.unplug();
  await settle();
  session.mute(true);
  for (const _ of [1, 2, 3]) browser.devices.plug("another");
  await settle();
  expect(browser.getUserMedia).toHaveBeenCalledTimes(3);
  expect(FakePeerConnection.last.sender.track).toBe(browser.streams[1]?.tracks[0]);
  expect(browser.streams[1]?.tracks[0]?.enabled).toBe(false);
});

it("opens one microphone when it hears twice that one went", async () => {
  await live();
  browser.streams[0]?.tracks[0]?.stop();
  browser.devices.plug("default");
  browser.streams[0]?.tracks[0]?.unplug();
  browser.devices.plug("default");
  await settle();
  expect(browser.live()).toBe(1);
});

it("misses a microphone whose end nobody has told, and keeps one that is still there", async () => {
  await live();
  const [track] = browser.streams[0]?.tracks ?? [];
  if (track) track.deviceId = "audioinput-default";
  browser.devices.plug("default", "headset");
  await settle();
  expect(browser.getUserMedia).toHaveBeenCalledOnce();
  browser.devices.plug("headset");
  await settle();
  expect(FakePeerConnection.last.sender.track).toBe(browser.streams[1]?.tracks[0]);
  session.stop();
  browser.devices.plug();
  await settle();
  expect(browser.getUserMedia).toHaveBeenCalledTimes(2);
});

it("takes the next microphone when one is unplugged before the call stands", async () => {
  const answer = deferred<typeof ticket>();
  backend.open.mockReturnValue(answer.promise);
  const started = session.start();
  await settle();
  browser.streams[0]?.tracks[0]?.unplug();
  await settle();
  expect(browser.getUserMedia).toHaveBeenCalledTimes(2);
  answer.resolve(ticket);
  await settle();
  FakePeerConnection.last.connect();
  await started;
  await settle();
  expect(FakePeerConnection.last.sender.track).toBe(browser.streams[1]?.tracks[0]);
  expect(errors()).toEqual([]);
});

it("says so when there is no other microphone before the call stands, and goes on", async () => {
  const started = session.start();
  await settle();
  browser.getUserMedia.mockRejectedValue(new DOMException("none", "NotFoundError"));
  browser.streams[0]?.tracks[0]?.unplug();
  await settle();
  expect(errors()).toEqual(["mic_lost"]);
  FakePeerConnection.last.connect();
  await started;
  expect(state().status).toBe("live");
});

it("a call that is refused after its microphone was replaced has failed of nothing else", async () => {
  const answer = deferred<typeof ticket>();
  backend.open.mockReturnValue(answer.promise);
  const started = session.start();
  await settle();
  browser.streams[0]?.tracks[0]?.unplug();
  await settle();
  answer.reject(new Failure("rate_limited"));
  await expect(started).rejects.toMatchObject({ code: "rate_limited" });
  await settle();
  expect(errors()).toEqual(["rate_limited"]);
  expect(browser.live()).toBe(0);
});

it("asks for a click when the browser holds the sound back, and stops asking when it plays", async () => {
  const play = vi.spyOn(HTMLMediaElement.prototype, "play");
  play.mockRejectedValueOnce(new DOMException("click first", "NotAllowedError"));
  await live();
  FakePeerConnection.last.ontrack?.({ track: {} as never, streams: [{} as never] });
  await settle();
  expect(session.view().soundBlocked).toBe(true);
  expect(errors()).toEqual(["autoplay_blocked"]);
  session.enableSound();
  await settle();
  expect(session.view().soundBlocked).toBe(false);
});

it("plays at any click what the browser held back: a plain page has no button for it", async () => {
  const play = vi.spyOn(HTMLMediaElement.prototype, "play");
  play.mockRejectedValueOnce(new DOMException("click first", "NotAllowedError"));
  await live();
  FakePeerConnection.last.ontrack?.({ track: {} as never, streams: [{} as never] });
  await settle();
  window.dispatchEvent(new Event("click"));
  await settle();
  expect(session.view().soundBlocked).toBe(false);
});

it("survives a listener that throws", async () => {
  session.subscribe(() => {
    throw new Error("mine");
  });
  await live();
  session.stop();
  expect(browser.live()).toBe(0);
  expect(globalThis.reportError).toHaveBeenCalled();
});

it("ignores everything that a closed connection still says", async () => {
  await live();
  const { onmessage } = channel();
  session.stop();
  const before = envelopes.length;
  onmessage?.({ data: JSON.stringify({ type: "session.created" }) });
  expect(envelopes).toHaveLength(before);
});

it("writes events down under their GA names and without their audio", async () => {
  await live();
  channel().receive({ type: "response.audio.delta", response_id: "r", item_id: "i", delta: "AAAA" });
  expect(envelopes.at(-1)?.event).toEqual({
    type: "response.output_audio.delta",
    response_id: "r",
    item_id: "i",
    delta_bytes: 3,
  });
});

it("takes each event once, whoever brings it first, and has its replies one after the other by either", async () => {
  await live();
  const log = session.log()?.id ?? "";
  const created = { type: "response.created", event_id: "e1", response: response("r1") };
  const done = {
    type: "response.done",
    event_id: "e2",
    response: { ...response("r1"), usage: { total_tokens: 5 } },
  };
  session.overhear(log, [created]);
  session.say("Go on.");
  channel().receive(created);
  channel().receive(done);
  session.overhear(log, [created, done]);
  expect(state().usage.total_tokens).toBe(5);
  expect(channel().sent.map(({ type }) => type)).toEqual([
    "response.cancel",
    "conversation.item.create",
    "response.create",
  ]);
  expect(session.log()?.heardAfter(3)).toEqual(["e1", "e2"]);
  expect(session.log()?.heardAfter(4)).toEqual(["e2"]);
});

it("takes nothing for another log than that of its call, nor when that is over", async () => {
  await live();
  const log = session.log()?.id ?? "";
  session.overhear("other", [{ type: "error", event_id: "e1", error: { message: "No." } }]);
  session.stop();
  session.overhear(log, [{ type: "error", event_id: "e2", error: { message: "No." } }]);
  expect(errors()).toEqual([]);
});

it("does not hear a connection that goes on reporting after its end", async () => {
  const reported = deferred<ConnectOptions["report"]>();
  const deaf = createSession({
    backend,
    connect: async ({ exchange, report }) => {
      await exchange("v=0 offer");
      reported.resolve(report);
      return { send: () => null, objection: () => null, replaceMicrophone: async () => undefined };
    },
  });
  await deaf.start();
  deaf.stop();
  await deaf.start();
  (await reported.promise)({ type: "over", by: "network" });
  expect(deaf.view().state.status).toBe("live");
});

const enabled = () => browser.streams.at(-1)?.tracks[0]?.enabled;
async function liveWithButton(autoRespond = true) {
  session.pushToTalk({ autoRespond });
  await live();
}
/** Hold the button for so many milliseconds. */
async function hold(ms: number) {
  session.talk(true);
  await vi.advanceTimersByTimeAsync(ms);
  session.talk(false);
  await vi.advanceTimersByTimeAsync(TAIL_MS);
}

it("keeps the microphone closed between the turns that a button ends", async () => {
  await liveWithButton();
  expect(enabled()).toBe(false);
  session.talk(true);
  expect([enabled(), session.view().held]).toEqual([true, true]);
  await vi.advanceTimersByTimeAsync(1_000);
  session.talk(false);
  expect([enabled(), session.view().held], "the last word is heard to its end").toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(TAIL_MS);
  expect(enabled()).toBe(false);
});

it("begins a turn by clearing what was heard before, ends it by a commit, and asks for an answer to what came", async () => {
  await liveWithButton();
  await hold(1_000);
  expect(channel().types()).toEqual(["input_audio_buffer.clear", "input_audio_buffer.commit"]);
  channel().receive({ type: "input_audio_buffer.committed", item_id: "i1" });
  expect(channel().types().at(-1)).toBe("response.create");
});

it("cuts the agent short when the button goes down", async () => {
  await liveWithButton();
  agentSpeaks();
  session.talk(true);
  expect(channel().types()).toEqual([
    "response.cancel",
    "output_audio_buffer.clear",
    "input_audio_buffer.clear",
  ]);
});

it("takes no tap for a turn, and asks for no answer to a turn without sound", async () => {
  await liveWithButton();
  await hold(TAP_MS - 50);
  expect(channel().types()).toEqual(["input_audio_buffer.clear"]);
  await hold(1_000);
  const { event_id } = channel().sent.at(-1) ?? {};
  const error = { type: "invalid_request_error", code: "input_audio_buffer_commit_empty", event_id };
  channel().receive({ type: "error", error });
  expect(channel().types().at(-1)).toBe("input_audio_buffer.commit");
  expect([state().status, errors()]).toEqual(["live", []]);
});

it("goes on with the same turn when the button is down again before the last word is over", async () => {
  await liveWithButton();
  session.talk(true);
  await vi.advanceTimersByTimeAsync(1_000);
  session.talk(false);
  session.talk(true);
  await vi.advanceTimersByTimeAsync(TAIL_MS);
  expect(enabled()).toBe(true);
  session.talk(false);
  await vi.advanceTimersByTimeAsync(TAIL_MS);
  expect(channel().types()).toEqual(["input_audio_buffer.clear", "input_audio_buffer.commit"]);
});

it("does not answer before it is asked to where answers wait for that", async () => {
  await liveWithButton(false);
  await hold(1_000);
  channel().receive({ type: "input_audio_buffer.committed", item_id: "i1" });
  expect(channel().types()).not.toContain("response.create");
  session.respond();
  expect(channel().types().at(-1)).toBe("response.create");
});

it("opens and closes the microphone as the turn detection changes in a call", async () => {
  await live();
  session.pushToTalk({ autoRespond: true });
  expect([enabled(), session.view().pushToTalk]).toEqual([false, true]);
  session.talk(true);
  session.pushToTalk(null);
  expect([enabled(), session.view().held]).toEqual([true, false]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(channel().types()).toEqual(["input_audio_buffer.clear"]);
});

it("lets go of the button with the call, and minds none outside one or under a mute", async () => {
  session.pushToTalk({ autoRespond: true });
  session.talk(true);
  expect(session.view().held).toBe(false);
  await live();
  session.talk(true);
  session.stop();
  expect(session.view().held).toBe(false);
  await live();
  session.mute(true);
  session.talk(true);
  expect([session.view().held, enabled()]).toEqual([false, false]);
});

it("has the backend carry its events where the service does not read the channel, and logs a failure", async () => {
  const carry = vi.fn<NonNullable<Backend["carry"]>>().mockResolvedValue();
  session = createSession({ backend: { ...backend, carry }, connect, form: () => callForm("beta") });
  const started = session.start();
  await settle();
  FakePeerConnection.last.gathered();
  await settle();
  FakePeerConnection.last.connect();
  await started;
  expect(session.say("hello")).toBeNull();
  expect(carry.mock.calls.map(([{ id }, { type }]) => [id, type])).toEqual([
    [ticket.id, "conversation.item.create"],
    [ticket.id, "response.create"],
  ]);
  expect(channel().sent).toEqual([]);
  carry.mockRejectedValue(new Failure("not_live"));
  session.update({ voice: "ash" });
  await settle();
  expect(errors()).toEqual(["not_live"]);
});

const output = (call: string) => ({
  id: `item_${call}`,
  type: "function_call_output",
  call_id: call,
  output: "{}",
});

it("answers the calls of one response with an item each and asks for one response, once the running one is over", async () => {
  await live();
  channel().receive({ type: "response.created", response: response("r1") });
  session.answer(session.log()?.id ?? "", [output("c1"), output("c2")], {});
  const items = ["c1", "c2"].map((call) => ({
    type: "conversation.item.create",
    event_id: `item_${call}`,
    item: output(call),
  }));
  expect(channel().sent).toEqual(items);
  channel().receive({ type: "response.done", response: response("r1") });
  expect(channel().sent.slice(2)).toEqual([{ type: "response.create", event_id: expect.any(String) }]);
  expect(envelopes.filter(({ dir }) => dir === "out").map(({ event }) => event)).toEqual(channel().sent);
});

it("lets the answer to tools differ from what the session says", async () => {
  await live();
  session.answer(session.log()?.id ?? "", [output("c1")], { tool_choice: "auto" });
  expect(channel().sent[1]).toMatchObject({ type: "response.create", response: { tool_choice: "auto" } });
});

it("does not answer a tool of a session that is over in the next one", async () => {
  await live();
  const before = session.log()?.id ?? "";
  session.stop();
  session.answer(before, [output("c1")], {});
  await live();
  session.answer(before, [output("c1")], {});
  session.interrupt();
  expect(channel().sent).toEqual([]);
});
