// @vitest-environment jsdom
import { beforeEach, expect, it, vi } from "vitest";
import { createVoice, type Voice } from "../src/embed";
import { FakePeerConnection, installBrowser, ticket } from "./fakes";

let voice: Voice;
let browser: ReturnType<typeof installBrowser>;
const http = vi.fn<(url: string, init: RequestInit) => Promise<Response>>();

beforeEach(() => {
  vi.useFakeTimers();
  browser = installBrowser();
  vi.stubGlobal("fetch", http);
  http.mockReset().mockImplementation(async (url) => answer(url.endsWith("/sessions") ? 201 : 200, ticket));
  voice = createVoice();
  return () => {
    voice.stop();
    vi.useRealTimers();
  };
});

const settle = () => vi.advanceTimersByTimeAsync(0);
const answer = (status: number, body: unknown) => new Response(JSON.stringify(body), { status });
const requests = () => http.mock.calls.map(([url, { body }]) => [url, JSON.parse(String(body))]);

async function live(options = {}) {
  const started = voice.start(options);
  await settle();
  FakePeerConnection.last.connect();
  await started;
}

it("relays the offer through the endpoint, by default the origin of the script", async () => {
  await live();
  const audio = { input: { transcription: { model: "gpt-realtime-whisper" } } };
  expect(requests()).toEqual([
    [`${location.origin}/v1/sessions`, { session: { type: "realtime", audio }, sdp: "v=0 offer" }],
    [`${location.origin}/v1/sessions/ses_1/connected`, { call_id: "rtc_1" }],
  ]);
});

it("puts the words of the caller into the wire form of the session", async () => {
  await live({
    endpoint: "https://voice.example/",
    key: "app-key",
    provider: "azure",
    instructions: "Be brief.",
    voice: "marin",
    session: { tools: [] },
  });
  const [url, init] = http.mock.calls[0] ?? [];
  expect(url).toBe("https://voice.example/v1/sessions");
  expect(init?.headers).toMatchObject({ Authorization: "Bearer app-key" });
  expect(JSON.parse(String(init?.body))).toEqual({
    provider: "azure",
    sdp: "v=0 offer",
    session: {
      type: "realtime",
      instructions: "Be brief.",
      audio: {
        input: { transcription: { model: "gpt-realtime-whisper" } },
        output: { voice: "marin" },
      },
      tools: [],
    },
  });
});

it("resolves when the session is live and tells each status", async () => {
  const told: unknown[] = [];
  voice.onstatus = (status, activity) => told.push([status, activity]);
  await live();
  voice.stop();
  expect(told).toEqual([
    ["connecting", null],
    ["live", "listening"],
    ["ended", null],
  ]);
  expect(requests().at(-1)).toEqual([`${location.origin}/v1/sessions/ses_1/ended`, { reason: "stopped" }]);
});

it.each([
  [401, "unauthorized"],
  [402, "credits_exhausted"],
  [403, "plan_required"],
  [429, "rate_limited"],
  [502, "provider_unreachable"],
  [503, "service_unavailable"],
])(
  "rejects a refusal with status %i as %s, with what to say and to do, and leaves the microphone off",
  async (status, code) => {
    http.mockResolvedValue(answer(status, { code, detail: "because", retry_after: 90 }));
    const onerror = vi.fn();
    voice.onerror = onerror;
    const problem = {
      code,
      say: expect.any(String),
      fix: expect.any(String),
      retryable: expect.any(Boolean),
    };
    await expect(voice.start()).rejects.toMatchObject({ ...problem, retry_after: 90 });
    expect(onerror).toHaveBeenCalledExactlyOnceWith(expect.objectContaining(problem));
    expect(browser.live()).toBe(0);
  },
);

it.each([
  ["a page of HTML", () => Promise.resolve(new Response("<html>", { status: 500 }))],
  ["an empty answer", () => Promise.resolve(new Response("", { status: 201 }))],
  ["an answer that is no ticket", () => Promise.resolve(answer(201, { id: 3 }))],
  ["no answer", () => Promise.reject(new TypeError("failed to fetch"))],
])("calls the endpoint unreachable when there is %s", async (_, reply) => {
  http.mockImplementation(reply);
  await expect(voice.start()).rejects.toMatchObject({ code: "endpoint_unreachable" });
  expect(browser.live()).toBe(0);
});

it("tells each turn when it is new and when it has changed, and no other", async () => {
  const told: string[] = [];
  voice.ontranscript = ({ id, text }) => told.push(`${id} ${text}`);
  await live();
  const { channel } = FakePeerConnection.last;
  const item = { id: "a", type: "message", role: "assistant", content: [] };
  channel.receive({ type: "conversation.item.added", item });
  const ids = { item_id: "a", content_index: 0, response_id: "r" };
  channel.receive({ type: "response.output_audio_transcript.delta", ...ids, delta: "Good" });
  channel.receive({ type: "response.output_audio_transcript.delta", ...ids, delta: " day" });
  channel.receive({ type: "rate_limits.updated" });
  expect(told.filter((line) => line !== "a ")).toEqual(["a Good", "a Good day"]);
});

it("tells all that is to be told although each callback throws, and reports every mistake", async () => {
  const told: string[] = [];
  const fail = (what: string) => {
    told.push(what);
    throw new Error(what);
  };
  voice.ontranscript = ({ id }) => fail(id);
  voice.onerror = ({ code }) => fail(code);
  voice.onstatus = (status) => fail(status);
  await live();
  voice.stop();
  expect(told).toEqual(["connecting", "live", "ended"]);
  told.length = 0;
  await live();
  const { channel } = FakePeerConnection.last;
  const content = [{ type: "output_text", text: "Hi" }];
  const added = (id: string) => ({ type: "message", id, role: "assistant", status: "completed", content });
  channel.receive({
    type: "response.done",
    response: { id: "r", conversation_id: "c", status: "failed", output: [added("a"), added("b")] },
  });
  expect(told.slice(2)).toEqual(["a", "b", "response_failed"]);
  expect(reportError).toHaveBeenCalledTimes(3 + told.length);
});

it("joins a second start, and starts anew after a stop", async () => {
  const first = voice.start();
  await live();
  await first;
  expect(browser.getUserMedia).toHaveBeenCalledOnce();
  voice.stop();
  await live();
  expect(browser.getUserMedia).toHaveBeenCalledTimes(2);
});

it("types to the agent in a session and throws outside of one", async () => {
  expect(() => voice.say("Hi")).toThrow(expect.objectContaining({ code: "not_live" }));
  await live();
  voice.say("Hi");
  expect(FakePeerConnection.last.channel.types()).toEqual(["conversation.item.create", "response.create"]);
});

it("reports the end with a request that outlives the page", async () => {
  await live();
  window.dispatchEvent(new Event("pagehide"));
  const [url, init] = http.mock.calls.at(-1) ?? [];
  expect(url).toContain("/ended");
  expect(init?.keepalive).toBe(true);
  expect(browser.live()).toBe(0);
});
