// @vitest-environment jsdom
import { beforeEach, expect, it, vi } from "vitest";
import { createVoice, type Voice } from "../src/embed";
import { FakePeerConnection, FakeSocket, installBrowser, installSocket, ticket } from "./fakes";

let voice: Voice;
let browser: ReturnType<typeof installBrowser>;
const http = vi.fn<(url: string, init: RequestInit) => Promise<Response>>();

beforeEach(() => {
  vi.useFakeTimers();
  browser = installBrowser();
  vi.stubGlobal("fetch", http);
  http
    .mockReset()
    .mockImplementation(async (url) => answer(/\/sessions(\?|$)/.test(url) ? 201 : 200, ticket));
  voice = createVoice();
  return () => {
    voice.stop();
    vi.useRealTimers();
  };
});

const NO_SESSION = "Something answers there, but it gives no session.";
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

it("asks the endpoint for another call of the same session when one is lost", async () => {
  await live({ app: "shop" });
  FakePeerConnection.last.become("failed");
  await settle();
  const audio = { input: { transcription: { model: "gpt-realtime-whisper" } } };
  expect(requests().at(-1)).toEqual([
    `${location.origin}/v1/sessions/ses_1/offer?app=shop`,
    { session: { type: "realtime", audio }, sdp: "v=0 offer" },
  ]);
  expect(http.mock.lastCall?.[1].keepalive).toBe(false);
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
    http.mockImplementation(async () => answer(status, { code, detail: "because", retry_after: 90 }));
    const onerror = vi.fn();
    voice.onerror = onerror;
    const problem = {
      code,
      say: expect.any(String),
      fix: expect.any(String),
      retryable: expect.any(Boolean),
    };
    const refused = expect(voice.start()).rejects.toMatchObject({ ...problem, retry_after: 90 });
    await vi.advanceTimersByTimeAsync(2_000);
    await refused;
    expect(onerror).toHaveBeenCalledExactlyOnceWith({
      ...problem,
      detail: "because Possible again in 2 min.",
      retry_after: 90,
    });
    expect(browser.live()).toBe(0);
  },
);

it.each([
  [
    "a page of HTML",
    "The endpoint answered with status 500.",
    () => Promise.resolve(new Response("<html>", { status: 500 })),
  ],
  ["an empty answer", NO_SESSION, () => Promise.resolve(new Response("", { status: 201 }))],
  ["an answer that is no ticket", NO_SESSION, () => Promise.resolve(answer(201, { id: 3 }))],
  ["no answer", null, () => Promise.reject(new TypeError("failed to fetch"))],
  ["silence", "Nothing came in time.", () => Promise.reject(new DOMException("late", "TimeoutError"))],
])("calls the endpoint unreachable when there is %s", async (_, detail, reply) => {
  http.mockImplementation(reply);
  await expect(voice.start()).rejects.toMatchObject({ code: "endpoint_unreachable", detail });
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

it("tells no waiting time where the endpoint said none, nor an earlier start's", async () => {
  const told: unknown[] = [];
  voice.onerror = (problem) => told.push("retry_after" in problem);
  for (const body of [{ code: "rate_limited", retry_after: 9 }, { code: "rate_limited" }]) {
    http.mockResolvedValue(answer(429, body));
    await expect(voice.start()).rejects.toHaveProperty("code", "rate_limited");
  }
  expect(told).toEqual([true, false]);
});

it("tells the waiting time of a problem that does not end the call", async () => {
  const onerror = vi.fn();
  voice.onerror = onerror;
  http.mockImplementation(async (url) =>
    url.endsWith("/connected")
      ? answer(503, { code: "service_unavailable", retry_after: 2 })
      : answer(201, ticket),
  );
  await live();
  await settle();
  expect(onerror).toHaveBeenCalledExactlyOnceWith(
    expect.objectContaining({ code: "service_unavailable", retry_after: 2 }),
  );
});

it("asks an endpoint that is away three times with one key", async () => {
  http
    .mockResolvedValueOnce(answer(503, { code: "service_unavailable", retry_after: 5 }))
    .mockResolvedValueOnce(answer(503, { code: "service_unavailable", retry_after: 5 }));
  const started = voice.start();
  await vi.advanceTimersByTimeAsync(2_000);
  FakePeerConnection.last.connect();
  await started;
  const keys = http.mock.calls.map(([, { headers }]) => new Headers(headers).get("Idempotency-Key"));
  expect(keys).toEqual([keys[0], keys[0], keys[0], null]);
  expect(browser.getUserMedia).toHaveBeenCalledOnce();
});

it("names the app on every call, and sends a key of its own with each start", async () => {
  for (let start = 0; start < 2; start++) {
    await live({ app: "my app" });
    voice.stop();
  }
  expect(http.mock.calls.map(([url]) => new URL(url).search)).toEqual(Array(6).fill("?app=my%20app"));
  const keys = http.mock.calls.map(([, { headers }]) => new Headers(headers).get("Idempotency-Key"));
  expect(keys.map((key) => key !== null)).toEqual([true, false, false, true, false, false]);
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(keys[0]).not.toBe(keys[3]);
});

it("sends the user's cookies to another origin only when asked to", async () => {
  await live();
  voice.stop();
  await live({ signedIn: true });
  voice.stop();
  const sent = http.mock.calls.map(([, { credentials }]) => credentials);
  expect(sent).toEqual([undefined, undefined, undefined, "include", "include", "include"]);
});

it("takes the endpoint and the app from its script tag, and the page's own words before those", async () => {
  const tag = document.createElement("script");
  tag.src = "https://voice.example/beta/sdk.js?v=2";
  tag.dataset.app = "shop";
  voice = createVoice(tag);
  await live();
  expect(http.mock.calls[0]?.[0]).toBe("https://voice.example/beta/v1/sessions?app=shop");
  voice.stop();
  await live({ endpoint: "https://other.example", app: "other" });
  expect(http.mock.calls.at(-1)?.[0]).toBe("https://other.example/v1/sessions/ses_1/connected?app=other");
});

it("refuses an option that does not exist and names those that do", async () => {
  const options = { instruction: "Be kind." } as object;
  await expect(voice.start(options)).rejects.toMatchObject({
    code: "bad_option",
    detail: expect.stringMatching(/^Unknown: instruction\. Supported: endpoint, app, /),
    message: expect.stringContaining("Unknown: instruction."),
  });
});

it("says what may be the reason when an endpoint of another origin does not answer, and guesses at no other time", async () => {
  http.mockRejectedValue(new TypeError("failed to fetch"));
  await expect(voice.start({ endpoint: "https://voice.example" })).rejects.toMatchObject({
    code: "endpoint_unreachable",
    detail: expect.stringContaining(`or pages of ${location.origin} may not ask there`),
  });
  await expect(voice.start()).rejects.toMatchObject({ code: "endpoint_unreachable", detail: null });
});

const beacons = (sent: boolean) => {
  const beacon = vi.fn<(url: string, body: string) => boolean>(() => sent);
  Object.defineProperty(navigator, "sendBeacon", { configurable: true, value: beacon });
  return beacon;
};

it("hangs up by a beacon when the page goes", async () => {
  const beacon = beacons(true);
  await live({ app: "shop" });
  window.dispatchEvent(new Event("pagehide"));
  expect(beacon).toHaveBeenCalledExactlyOnceWith(
    `${location.origin}/v1/sessions/ses_1/ended?app=shop`,
    '{"reason":"page_gone"}',
  );
  expect(requests().map(([url]) => url)).not.toContainEqual(expect.stringContaining("/ended"));
  expect(browser.live()).toBe(0);
});

it.each([
  ["the browser takes no beacon", {}, false],
  ["a key must go along, which a beacon cannot carry", { key: "gvt_token" }, true],
])("hangs up by a request that outlives the page when %s", async (_, options, taken) => {
  beacons(taken);
  await live(options);
  window.dispatchEvent(new Event("pagehide"));
  const [url, init] = http.mock.calls.at(-1) ?? [];
  expect(url).toContain("/ended");
  expect(init?.keepalive).toBe(true);
  expect(browser.live()).toBe(0);
});

it("hangs up by a request when the page stays", async () => {
  const beacon = beacons(true);
  await live();
  voice.stop();
  expect(beacon).not.toHaveBeenCalled();
  expect(requests().at(-1)).toEqual([`${location.origin}/v1/sessions/ses_1/ended`, { reason: "stopped" }]);
});

it.each([{ pushToTalk: true }, { session: { audio: { input: { turn_detection: null } } } }])(
  "ends the user's turns by talk where no turn detection is wanted: %j",
  async (options) => {
    await live(options);
    const [[, body]] = requests() as [[string, { session: { audio: { input: object } } }]];
    expect(body.session.audio.input).toMatchObject({ turn_detection: null });
    const [track] = browser.streams[0]?.tracks ?? [];
    expect(track?.enabled).toBe(false);
    voice.talk(true);
    expect(track?.enabled).toBe(true);
    await vi.advanceTimersByTimeAsync(1_000);
    voice.talk(false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(FakePeerConnection.last.channel.types()).toContain("input_audio_buffer.commit");
  },
);

it("goes over a socket where it shall, and tells the service there what the address did not", async () => {
  installSocket();
  http.mockImplementation(async () =>
    answer(201, { ...ticket, sdp: undefined, transport: "relay", url: "wss://v/s" }),
  );
  const started = voice.start({
    transport: "websocket",
    voice: "marin",
    model: "m",
    instructions: "Be brief.",
  });
  await settle();
  FakeSocket.last.receive({ type: "session.created", session: {} });
  await started;
  expect(requests()[0]?.[1]).toMatchObject({ transport: "relay", session: { instructions: "Be brief." } });
  expect(FakeSocket.last.sent).toMatchObject([
    {
      type: "session.update",
      session: {
        type: "realtime",
        instructions: "Be brief.",
        audio: { input: { transcription: { model: "gpt-realtime-whisper" } } },
      },
    },
  ]);
  expect(JSON.stringify(FakeSocket.last.sent)).not.toMatch(/marin|"model":"m"/);
});

it("tries a socket once when no connection comes about, and gives the first session back before", async () => {
  installSocket();
  http.mockImplementation(async (url, { body }) => {
    const relay = String(body).includes('"relay"');
    return answer(
      /\/sessions(\?|$)/.test(url) ? 201 : 200,
      relay ? { id: "ses_2", url: "wss://v/s" } : ticket,
    );
  });
  const statuses: string[] = [];
  voice.onstatus = (status) => statuses.push(status);
  const started = voice.start();
  await settle();
  FakePeerConnection.last.become("failed");
  await settle();
  FakeSocket.last.receive({ type: "session.created", session: {} });
  await started;
  expect(requests().map(([url, body]) => [url.split("/v1/")[1], body.reason ?? body.transport])).toEqual([
    ["sessions", undefined],
    ["sessions/ses_1/ended", "handshake_timeout"],
    ["sessions", "relay"],
    ["sessions/ses_2/connected", undefined],
  ]);
  expect(statuses).toEqual(["connecting", "live"]);
});

it("fails of what the first way met when the socket fails too, and of nothing else twice", async () => {
  installSocket();
  const started = voice.start();
  started.catch(() => undefined);
  await settle();
  FakePeerConnection.last.become("failed");
  await settle();
  FakeSocket.last.hangUp(1006);
  await expect(started).rejects.toMatchObject({ code: "handshake_timeout" });
  http.mockResolvedValue(answer(402, { code: "credits_exhausted" }));
  const before = http.mock.calls.length;
  await expect(voice.start()).rejects.toMatchObject({ code: "credits_exhausted" });
  expect(http.mock.calls.length).toBe(before + 1);
});

it("refuses a transport that there is not, and says which there are", async () => {
  await expect(voice.start({ transport: "pigeon" as "webrtc" })).rejects.toMatchObject({
    code: "bad_option",
    detail: "transport must be webrtc or websocket.",
  });
});

it("ends with a socket that is lost: a relay is one session and one socket", async () => {
  installSocket();
  http.mockImplementation(async () => answer(201, { id: "ses_2", url: "wss://v/s" }));
  const problems: string[] = [];
  voice.onerror = ({ code }) => problems.push(code);
  const started = voice.start({ transport: "websocket" });
  await settle();
  FakeSocket.last.receive({ type: "session.created", session: {} });
  await started;
  FakeSocket.last.hangUp(1006);
  await settle();
  expect(problems).toEqual(["connection_lost"]);
  expect(requests().map(([url]) => url.split("/v1/")[1])).not.toContain("sessions/ses_2/offer");
});
