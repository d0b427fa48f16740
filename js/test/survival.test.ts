// @vitest-environment jsdom
import { beforeEach, expect, it, vi } from "vitest";
import type { Backend } from "../src/backend";
import type { Session } from "../src/driver";
import { Failure } from "../src/failure";
import type { Envelope } from "../src/protocol";
import { createSession } from "../src/session";
import type { Ticket } from "../src/transport";
import { connect } from "../src/webrtc";
import { deferred, FakePeerConnection, installBrowser, ticket } from "./fakes";

const second: Ticket = { ...ticket, call_id: "rtc_2" };
let browser: ReturnType<typeof installBrowser>;
let envelopes: Envelope[];
let session: Session;
let online: boolean;
const backend = {
  open: vi.fn<Backend["open"]>(),
  reopen: vi.fn<Backend["reopen"]>(),
  connected: vi.fn<Backend["connected"]>(),
  ended: vi.fn<Backend["ended"]>(),
};

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0);
  online = true;
  vi.spyOn(navigator, "onLine", "get").mockImplementation(() => online);
  browser = installBrowser();
  envelopes = [];
  backend.open.mockReset().mockResolvedValue(ticket);
  backend.reopen.mockReset().mockResolvedValue(second);
  backend.connected.mockReset().mockResolvedValue();
  backend.ended.mockReset().mockResolvedValue();
  session = createSession({
    backend,
    connect,
    onEnvelope: (_, envelope) => envelopes.push(structuredClone(envelope)),
  });
  return () => {
    session.stop();
    vi.useRealTimers();
  };
});

const settle = (ms = 0) => vi.advanceTimersByTimeAsync(ms);
const state = () => session.view().state;
const peer = () => FakePeerConnection.last;
const errors = () => state().errors.map(({ code }) => code);
const statuses = () =>
  envelopes.filter(({ event }) => event.type === "genmb.status").map(({ event }) => event.status);

async function live() {
  const started = session.start();
  await settle();
  peer().connect();
  await started;
}

/** The network takes the call away, and lets the next one through. */
async function lose({ andConnect = true } = {}) {
  peer().become("failed");
  await settle();
  if (!andConnect) return;
  peer().connect();
  await settle();
}

const message = (id: string, role: string, text: string, more: object = {}) => ({
  id,
  type: "message",
  role,
  status: "completed",
  content: [{ type: role === "assistant" ? "output_text" : "input_text", text }],
  ...more,
});
const added = (item: object, previous: string | null = null) =>
  peer().channel.receive({ type: "conversation.item.added", previous_item_id: previous, item });

it("puts another call in the place of one that is lost: same session, same log, same microphone", async () => {
  await live();
  session.mute(true);
  const [track] = browser.streams[0]?.tracks ?? [];
  const first = peer();
  await lose();
  expect(backend.reopen).toHaveBeenCalledExactlyOnceWith(ticket, "v=0 offer");
  expect(backend.open).toHaveBeenCalledOnce();
  expect(statuses()).toEqual(["connecting", "live", "reconnecting", "live"]);
  expect(state().session?.call_id).toBe("rtc_2");
  expect(first.connectionState).toBe("closed");
  expect(browser.getUserMedia).toHaveBeenCalledOnce();
  expect(peer().sender.track).toBe(track);
  expect(track).toMatchObject({ readyState: "live", enabled: false });
  expect(backend.connected).toHaveBeenLastCalledWith(second);
  session.stop();
  expect(backend.ended).toHaveBeenCalledExactlyOnceWith(second, "stopped");
  expect(browser.live()).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

it("does the same when only the events are lost", async () => {
  await live();
  peer().channel.onclose?.();
  await settle(501);
  expect(state().status).toBe("reconnecting");
  await settle();
  peer().connect();
  await settle();
  expect(state().status).toBe("live");
});

it("ends what ran in the lost call, so that the agent does not seem to speak for ever", async () => {
  await live();
  peer().channel.receive({ type: "response.created", response: { id: "r", conversation_id: "c" } });
  peer().channel.receive({
    type: "response.output_audio_transcript.delta",
    response_id: "r",
    item_id: "a",
    content_index: 0,
    delta: "It is",
  });
  peer().channel.receive({ type: "output_audio_buffer.started", response_id: "r" });
  expect(state().activity).toBe("speaking");
  await lose();
  expect(state().activity).toBe("listening");
  expect(state().turns).toMatchObject([{ id: "a", text: "It is", status: "interrupted" }]);
  session.say("Go on"); // the new call's sequencer does not wait for the lost response
  expect(peer().channel.types()).toContain("response.create");
});

it("tells the new call first what was said, and takes its echoes for no turns", async () => {
  await live();
  added(message("u1", "user", "What time is it?"));
  added(message("a1", "assistant", "Ten."), "u1");
  await lose();
  const { channel } = peer();
  expect(channel.sent).toMatchObject([
    { item: { role: "user", content: [{ type: "input_text", text: "What time is it?" }] } },
    { item: { role: "assistant", content: [{ type: "output_text", text: "Ten." }] } },
  ]);
  for (const { item } of channel.sent) {
    added(item as object);
    channel.receive({ type: "conversation.item.done", item });
  }
  added(message("u2", "user", "And now?"), String(channel.sent[1]?.event_id));
  expect(state().turns.map(({ text }) => text)).toEqual(["What time is it?", "Ten.", "And now?"]);
  expect(channel.types()).not.toContain("response.create");
});

it("tells the new call its settings too, where the endpoint could not", async () => {
  const update = { type: "realtime", instructions: "Be brief." };
  backend.reopen.mockResolvedValue({ ...second, update });
  await live();
  added(message("u1", "user", "Hi"));
  await lose();
  expect(peer().channel.sent).toMatchObject([
    { type: "session.update", session: update },
    { type: "conversation.item.create" },
  ]);
});

it("tries three times, then says that the connection is lost and lets go of everything", async () => {
  backend.reopen.mockRejectedValue(new Failure("endpoint_unreachable"));
  await live();
  await lose({ andConnect: false });
  expect(backend.reopen).toHaveBeenCalledTimes(1);
  await settle(999);
  expect(backend.reopen).toHaveBeenCalledTimes(1);
  await settle(1);
  expect(backend.reopen).toHaveBeenCalledTimes(2);
  await settle(3_000);
  expect(backend.reopen).toHaveBeenCalledTimes(3);
  expect(state().status).toBe("failed");
  expect(errors()).toEqual(["connection_lost"]);
  expect(backend.ended).toHaveBeenCalledExactlyOnceWith(ticket, "connection_lost");
  expect(browser.live()).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});

it("tries again when a new call is answered but does not come about", async () => {
  await live();
  await lose({ andConnect: false });
  peer().become("failed");
  await settle(1_000);
  peer().connect();
  await settle();
  expect(backend.reopen).toHaveBeenLastCalledWith(second, "v=0 offer");
  expect(state().status).toBe("live");
  expect(FakePeerConnection.all.map(({ connectionState }) => connectionState)).toEqual([
    "closed",
    "closed",
    "connected",
  ]);
});

it("does not ask again for what was refused for good", async () => {
  backend.reopen.mockRejectedValue(new Failure("session_over", "It was ended before."));
  await live();
  await lose({ andConnect: false });
  expect(backend.reopen).toHaveBeenCalledOnce();
  expect(state().errors).toMatchObject([{ code: "connection_lost", detail: "It was ended before." }]);
});

it("waits for a network that is away, tries at its return at once, and gives up after a minute", async () => {
  await live();
  online = false;
  await lose({ andConnect: false });
  await settle(20_000);
  expect(backend.reopen).not.toHaveBeenCalled();
  online = true;
  window.dispatchEvent(new Event("online"));
  await settle();
  peer().connect();
  await settle();
  expect(state().status).toBe("live");
  online = false;
  await lose({ andConnect: false });
  await settle(60_000);
  expect(backend.reopen).toHaveBeenCalledOnce();
  expect(errors()).toEqual(["connection_lost"]);
});

it("gives a call back whose answer comes after the stop", async () => {
  const answer = deferred<Ticket>();
  backend.reopen.mockReturnValue(answer.promise);
  await live();
  await lose({ andConnect: false });
  session.stop();
  answer.resolve(second);
  await settle();
  expect(backend.ended).toHaveBeenLastCalledWith(second, "stopped");
  expect(state().status).toBe("ended");
  expect(FakePeerConnection.all.every(({ connectionState }) => connectionState === "closed")).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

/** The service has said that the call ends in so many seconds. */
const endsIn = (seconds: number) =>
  peer().channel.receive({
    type: "session.created",
    session: { expires_at: Math.floor(Date.now() / 1000) + seconds },
  });

it("replaces a call a minute before the service ends it, when nobody speaks, and nobody notices", async () => {
  await live();
  endsIn(120);
  const first = peer();
  backend.reopen.mockImplementation(async () => {
    first.hangUp(); // the endpoint lets go of a call that is replaced
    return second;
  });
  await settle(55_000);
  expect(backend.reopen).not.toHaveBeenCalled();
  await settle(7_000);
  expect(backend.reopen).toHaveBeenCalledOnce();
  peer().connect();
  await settle();
  endsIn(3_600);
  await settle(120_000);
  expect(statuses()).toEqual(["connecting", "live"]);
  expect(errors()).toEqual([]);
  expect(FakePeerConnection.all.map(({ connectionState }) => connectionState)).toEqual([
    "closed",
    "connected",
  ]);
});

it("keeps what is typed while one call takes the place of another, and sends it after what was said", async () => {
  await live();
  added(message("u1", "user", "Hi"));
  endsIn(30);
  await settle(1_000);
  expect(backend.reopen).toHaveBeenCalledOnce();
  expect(session.say("How are you?", "item_x")).toBeNull();
  expect(peer().channel.sent).toEqual([]);
  peer().connect();
  await settle();
  expect(peer().channel.sent).toMatchObject([
    { type: "conversation.item.create", item: { content: [{ text: "Hi" }] } },
    { type: "conversation.item.create", event_id: "item_x" },
    { type: "response.create" },
  ]);
  expect(state().turns.map(({ id }) => id)).toEqual(["u1", "item_x"]);
  expect(errors()).toEqual([]);
});

const typedTexts = () =>
  peer()
    .channel.sent.filter(({ event_id }) => !String(event_id).startsWith("seed_"))
    .flatMap(({ type, item }) => (type === "conversation.item.create" ? [(item as { id: string }).id] : []));

it("sends what is typed while the connection is away when it is back, in order and once", async () => {
  await live();
  peer().become("disconnected");
  expect(state().status).toBe("reconnecting");
  expect(session.say("One", "item_1")).toBeNull();
  expect(session.say("Two", "item_2")).toBeNull();
  expect(peer().channel.sent).toEqual([]);
  peer().become("connected");
  expect(state().status).toBe("live");
  expect(peer().channel.types()).toEqual([
    "conversation.item.create",
    "response.create",
    "conversation.item.create",
  ]);
  expect(typedTexts()).toEqual(["item_1", "item_2"]);
  peer().become("disconnected");
  peer().become("connected");
  expect(typedTexts()).toEqual(["item_1", "item_2"]);
  expect(errors()).toEqual([]);
});

it("sends it to the call that takes a lost one's place, after what was said, and has it answered", async () => {
  await live();
  added(message("u1", "user", "Hi"));
  peer().become("disconnected");
  session.say("One", "item_1");
  peer().become("failed");
  await settle();
  session.say("Two", "item_2");
  peer().connect();
  await settle();
  expect(state().status).toBe("live");
  expect(peer().channel.sent[0]).toMatchObject({ item: { content: [{ text: "Hi" }] } });
  expect(typedTexts()).toEqual(["item_1", "item_2"]);
  expect(peer().channel.types()).toContain("response.create");
  expect(errors()).toEqual([]);
});

it("says of each message that was kept in vain that it was not sent", async () => {
  backend.reopen.mockRejectedValue(new Failure("session_over"));
  await live();
  peer().become("disconnected");
  session.say("One", "item_1");
  peer().become("failed");
  await settle();
  expect(state().status).toBe("failed");
  expect(state().errors).toMatchObject([
    { code: "connection_lost" },
    { code: "connection_lost", item_id: "item_1", detail: 'Not sent: "One"' },
  ]);
  await live();
  peer().become("disconnected");
  session.say("Two", "item_2");
  session.stop();
  expect(state().errors).toMatchObject([{ code: "not_live", item_id: "item_2" }]);
  await live();
  expect(typedTexts()).toEqual([]);
});

it("is live again after a renewal during which the former call began to waver", async () => {
  const answer = deferred<Ticket>();
  backend.reopen.mockReturnValue(answer.promise);
  await live();
  endsIn(30);
  await settle(1_000);
  FakePeerConnection.all[0]?.become("disconnected");
  expect(state().status).toBe("reconnecting");
  answer.resolve(second);
  await settle();
  peer().connect();
  await settle();
  expect(state().status).toBe("live");
});

it("does not cut a reply short for it before the last ten seconds", async () => {
  await live();
  endsIn(120);
  peer().channel.receive({ type: "response.created", response: { id: "r", conversation_id: "c" } });
  await settle(108_000);
  expect(backend.reopen).not.toHaveBeenCalled();
  await settle(3_000);
  expect(backend.reopen).toHaveBeenCalledOnce();
});

it.each(["says so", "does not say so"])(
  "a call that could not be replaced goes on until the service ends it for its age, which %s",
  async (how) => {
    backend.reopen.mockRejectedValue(new Failure("too_many_attempts"));
    await live();
    const first = peer();
    endsIn(120);
    await settle(119_500);
    expect(backend.reopen.mock.calls.length).toBeGreaterThan(3);
    expect(state().status).toBe("live");
    if (how === "says so") first.channel.receive({ type: "error", error: { code: "session_expired" } });
    first.hangUp();
    expect(state().status).toBe("ended");
    expect(errors()).toEqual(["session_expired"]);
    expect(backend.ended).toHaveBeenCalledExactlyOnceWith(ticket, "session_expired");
  },
);

it.each(["no other is there", "the other does not stand yet"])(
  "answers a tool that ran while the call was lost in the next one, which is told of its call, though %s",
  async (when) => {
    const reopened = deferred<Ticket>();
    if (when === "no other is there") backend.reopen.mockReturnValue(reopened.promise);
    await live();
    const call = { id: "f1", type: "function_call", status: "completed", call_id: "c1", name: "look" };
    const response = { id: "r1", conversation_id: "c" };
    const item = { ...call, arguments: "{}" };
    peer().channel.receive({ type: "response.created", response });
    peer().channel.receive({ type: "response.output_item.done", response_id: "r1", item });
    peer().channel.receive({ type: "response.done", response: { ...response, status: "completed" } });
    await lose({ andConnect: false });
    const output = { id: "item_1", type: "function_call_output", call_id: "c1", output: "{}" };
    session.answer(session.log()?.id ?? "", [output], {});
    reopened.resolve(second);
    await settle();
    expect(FakePeerConnection.all.flatMap(({ channel }) => channel.sent)).toEqual([]);
    peer().connect();
    await settle();
    const sent = peer().channel.sent as { type: string; item?: object }[];
    const types = ["conversation.item.create", "conversation.item.create", "response.create"];
    expect(sent.map(({ type }) => type)).toEqual(types);
    expect(sent[0]?.item).toMatchObject({ type: "function_call", call_id: "c1", name: "look" });
    expect(sent[1]?.item).toEqual(output);
  },
);
