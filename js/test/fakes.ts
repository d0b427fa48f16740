/** Doubles of the page's outermost edges: a peer connection, a microphone, a loudspeaker, a widget model. */
import { vi } from "vitest";
import type { Model } from "../src/kernel";
import type { Ticket } from "../src/transport";

export class FakeTrack extends EventTarget {
  readyState = "live";
  enabled = true;
  onended: (() => void) | null = null;
  /** Which device it is, where the browser says so. */
  deviceId: string | undefined;
  getSettings = () => ({ deviceId: this.deviceId });
  /** Its device goes. */
  unplug() {
    this.stop();
    this.onended?.();
  }
  stop() {
    this.readyState = "ended";
  }
}

export class FakeStream {
  constructor(readonly tracks = [new FakeTrack()]) {}
  getTracks = () => this.tracks;
  getAudioTracks = () => this.tracks;
}

export class FakeChannel {
  readyState = "connecting";
  sent: Array<Record<string, unknown>> = [];
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  constructor(readonly label: string) {}
  send = (text: string) => this.sent.push(JSON.parse(text));
  close = () => {
    this.readyState = "closed";
  };
  receive = (event: object) => this.onmessage?.({ data: JSON.stringify(event) });
  types = () => this.sent.map(({ type }) => type);
}

/** An offer with its candidates: one that no UDP can reach would be given up. */
export const WHOLE_OFFER = "v=0\r\na=candidate:1 1 udp 2113937151 a.local 5000 typ host\r\n";

export class FakePeerConnection {
  static all: FakePeerConnection[] = [];
  /** What the making of an offer waits for. */
  static beforeOffer: Promise<void> | null = null;
  static get last(): FakePeerConnection {
    const last = FakePeerConnection.all.at(-1);
    if (!last) throw new Error("no peer connection has been made");
    return last;
  }
  connectionState = "new";
  iceGatheringState = "gathering";
  localDescription: { sdp: string } | null = null;
  remoteDescription: { sdp: string } | null = null;
  readonly dtls = { state: "connected", onstatechange: null as (() => void) | null };
  sctp: { maxMessageSize: number; transport: FakePeerConnection["dtls"] } | null = {
    maxMessageSize: 1000,
    transport: this.dtls,
  };
  /** Whether the other side answers, and whether it sends sound beside its answers. */
  reachable = true;
  sending = true;
  private pair = { requestsSent: 0, responsesReceived: 0, packetsReceived: 0 };
  private rtp = { packetsReceived: 0 };
  channel = new FakeChannel("");
  sender = {
    track: null as unknown,
    replaceTrack: async (track: unknown) => {
      this.sender.track = track;
    },
  };
  onconnectionstatechange: (() => void) | null = null;
  onicegatheringstatechange: (() => void) | null = null;
  ontrack: ((event: { track: FakeTrack; streams: FakeStream[] }) => void) | null = null;
  constructor(readonly configuration: object) {
    FakePeerConnection.all.push(this);
  }
  createDataChannel = (label: string) => {
    if (this.localDescription) throw new Error("the channel comes after the offer");
    this.channel = new FakeChannel(label);
    return this.channel;
  };
  addTransceiver = () => ({ sender: this.sender });
  setLocalDescription = async () => {
    await FakePeerConnection.beforeOffer;
    this.localDescription = { sdp: "v=0 offer" };
  };
  setRemoteDescription = async (description: { sdp: string }) => {
    if (this.connectionState === "closed") throw new DOMException("closed", "InvalidStateError");
    this.remoteDescription = description;
  };
  /** As if half a second had passed since it was looked at: a browser asks more often when it gets no answer. */
  getStats = async () => {
    this.pair.requestsSent += this.reachable ? 1 : 8;
    if (this.reachable) this.pair.responsesReceived += 1;
    if (this.reachable && this.sending) this.rtp.packetsReceived += 25;
    return new Map<string, object>([
      ["P", { type: "candidate-pair", nominated: true, ...this.pair }],
      ["R", { type: "inbound-rtp", ...this.rtp }],
    ]);
  };
  /** The service ends the call: its events go first, then the rest. */
  hangUp() {
    this.reachable = false;
    this.channel.readyState = "closed";
    this.channel.onclose?.();
    this.dtls.state = "closed";
    this.dtls.onstatechange?.();
  }
  close = () => this.become("closed", false);
  become(state: string, told = true) {
    this.connectionState = state;
    if (told) this.onconnectionstatechange?.();
  }
  /** The offer holds all its candidates. */
  gathered() {
    this.iceGatheringState = "complete";
    this.localDescription = { sdp: WHOLE_OFFER };
    this.onicegatheringstatechange?.();
  }
  /** Media and events both flow. */
  connect() {
    this.become("connected");
    this.channel.readyState = "open";
    this.channel.onopen?.();
  }
}

/** What is plugged in; `list` may change. */
class FakeDevices extends EventTarget {
  list = [{ kind: "audioinput", deviceId: "", label: "" }];
  constructor(readonly getUserMedia: (asked: MediaStreamConstraints) => Promise<FakeStream>) {
    super();
  }
  enumerateDevices = async () => this.list;
  plug(...names: string[]) {
    this.list = names.flatMap((name) =>
      ["audioinput", "audiooutput"].map((kind) => ({ kind, deviceId: `${kind}-${name}`, label: name })),
    );
    this.dispatchEvent(new Event("devicechange"));
  }
}

/** One for all tests of a file, as a page has one: its state changes, the object does not. */
const microphonePermission = { state: "granted" };

/** Put the doubles where a browser has the real ones. Returns the microphone's streams as they are opened. */
export function installBrowser({ permission = "granted" } = {}) {
  const streams: FakeStream[] = [];
  const getUserMedia = vi.fn(async (_asked: MediaStreamConstraints) => {
    const stream = new FakeStream();
    streams.push(stream);
    return stream;
  });
  FakePeerConnection.all = [];
  FakePeerConnection.beforeOffer = null;
  microphonePermission.state = permission;
  vi.stubGlobal("isSecureContext", true);
  vi.stubGlobal("RTCPeerConnection", FakePeerConnection);
  vi.stubGlobal("MediaStream", FakeStream);
  vi.stubGlobal(
    "IntersectionObserver",
    class {
      constructor(readonly told: (entries: object[]) => void) {}
      observe() {
        this.told([{ isIntersecting: true }]);
      }
      disconnect() {}
    },
  );
  vi.stubGlobal("reportError", vi.fn());
  vi.spyOn(HTMLMediaElement.prototype, "play").mockResolvedValue();
  vi.spyOn(HTMLMediaElement.prototype, "pause").mockReturnValue();
  const devices = new FakeDevices(getUserMedia);
  Object.defineProperty(navigator, "mediaDevices", { configurable: true, value: devices });
  localStorage.clear();
  Object.defineProperty(navigator, "permissions", {
    configurable: true,
    value: { query: async () => microphonePermission },
  });
  return {
    streams,
    devices,
    getUserMedia,
    live: () =>
      streams.flatMap(({ tracks }) => tracks).filter(({ readyState }) => readyState === "live").length,
  };
}

export const ticket: Ticket = {
  id: "ses_1",
  provider: "local",
  dialect: "ga",
  transport: "webrtc",
  model: "practice",
  voice: "robin",
  call_id: "rtc_1",
  sdp: "v=0 answer",
};

/** A promise and its two ends. */
export function deferred<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (reason: unknown) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

type Message = Record<string, unknown>;
type Handler = Parameters<Model["on"]>[1];

/** A widget model whose kernel is the test. */
export class FakeModel implements Model {
  sent: Message[] = [];
  buffers: unknown[] = [];
  broken = false;
  private handlers = new Map<string, Set<Handler>>();
  send = (content: unknown, _callbacks?: unknown, buffers: unknown[] = []) => {
    if (this.broken) throw new Error("Cannot send");
    this.sent.push(structuredClone(content) as Message);
    this.buffers.push(...buffers);
  };
  on = (event: string, callback: Handler) => {
    this.handlers.set(event, (this.handlers.get(event) ?? new Set()).add(callback));
  };
  off = (event: string, callback: Handler) => void this.handlers.get(event)?.delete(callback);
  fire = (event: string, message?: unknown, buffers?: DataView[]) => {
    for (const handler of this.handlers.get(event) ?? []) handler(message, buffers);
  };
  ops = (op: string) => this.sent.filter((message) => message.op === op);
  get client(): string {
    return String(this.ops("hello")[0]?.client);
  }
  /** What the kernel says to this page. */
  tell = (message: Message, buffers?: DataView[]) =>
    this.fire("msg:custom", { client: this.client, ...message }, buffers);
  welcome = (more: Message = {}) =>
    this.tell({ op: "welcome", proto: 1, snapshot: null, settings: {}, ...more });
  /** What all pages hear while a call is held: by this page unless said otherwise, null for no page. */
  beat = (holder: string | null = this.client) => this.fire("msg:custom", { op: "beat", holder });
  /** Answer the newest call of a method. */
  reply = (method: string, answer: Message) =>
    this.tell({
      op: "reply",
      id: this.ops("call")
        .filter((call) => call.method === method)
        .at(-1)?.id,
      ...answer,
    });
}

/** A socket whose other end is the test. */
export class FakeSocket extends EventTarget {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  static get last(): FakeSocket {
    const last = FakeSocket.all.at(-1);
    if (!last) throw new Error("no socket has been opened");
    return last;
  }
  readyState = 1;
  bufferedAmount = 0;
  sent: Array<Record<string, unknown>> = [];
  closedWith: number | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  constructor(readonly url: string) {
    super();
    FakeSocket.all.push(this);
  }
  send = (text: string) => this.sent.push(JSON.parse(text));
  close = (code: number) => {
    this.readyState = 3;
    this.closedWith = code;
  };
  receive = (event: object) => {
    this.onmessage?.({ data: JSON.stringify(event) });
    this.dispatchEvent(new Event("message"));
  };
  hangUp = (code: number) => {
    this.readyState = 3;
    this.onclose?.({ code });
    this.dispatchEvent(new Event("close"));
  };
  types = () => this.sent.map(({ type }) => type);
}

/** The audio thread, whose time the test brings: `play` plays so many samples. */
export class FakeWorklet {
  static all = new Map<string, FakeWorklet>();
  static of(name: string): FakeWorklet {
    const node = FakeWorklet.all.get(name);
    if (!node) throw new Error(`there is no ${name}`);
    return node;
  }
  posted: unknown[] = [];
  port = {
    onmessage: null as ((message: { data: unknown }) => void) | null,
    postMessage: (message: unknown) => this.posted.push(message),
  };
  constructor(_context: unknown, name: string) {
    FakeWorklet.all.set(name, this);
  }
  connect = () => undefined;
  tell = (data: unknown) => this.port.onmessage?.({ data });
}

/** Put a socket and an audio thread where a browser has the real ones; returns the contexts as they are opened. */
export function installSocket() {
  const contexts: Array<{ closed: boolean; heard: unknown[] }> = [];
  FakeSocket.all = [];
  FakeWorklet.all.clear();
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("AudioWorkletNode", FakeWorklet);
  vi.stubGlobal(
    "AudioContext",
    class {
      closed = false;
      heard: unknown[] = [];
      audioWorklet = { addModule: async () => undefined };
      constructor() {
        contexts.push(this);
      }
      resume = async () => undefined;
      close = async () => {
        this.closed = true;
      };
      createMediaStreamDestination = () => ({ stream: new FakeStream() });
      createMediaStreamSource = (stream: unknown) => {
        this.heard.push(stream);
        return { connect: () => undefined, disconnect: () => undefined };
      };
    },
  );
  URL.createObjectURL = () => "blob:worklets";
  URL.revokeObjectURL = () => undefined;
  return contexts;
}
