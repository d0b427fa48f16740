/**
 * One WebRTC call: a peer connection, the microphone's sender and the data channel for events.
 * Owns the peer connection from creation to close. It must not know the endpoint (the offer goes out through
 * `exchange`), the meaning of an event, or who opened the microphone.
 *
 * Protocol facts: OpenAI Realtime API, "Realtime API with WebRTC" (the channel is created before the offer, the offer
 * is posted without waiting for candidates, no ICE servers are needed). Voice Live waits for them (`whole_offer`).
 */
import { abortable, Failure } from "./failure";
import type { WireEvent } from "./protocol";
import { countsOf, createPulse } from "./pulse";
import type { Connect, ConnectOptions, Transport } from "./transport";

/** How long an accepted call may take to connect, and a wavering one to heal (Chromium itself gives up after 15 s). */
export const PATIENCE_MS = 15_000;
/** How long an offer waits for candidates, where it must hold them (Voice Live's own sample). */
export const GATHERING_MS = 3_000;
/** How often it is looked whether the other side is still there: when something had come, and when nothing had. */
const LOOK_MS = 500;
const LOOK_AGAIN_MS = 200;
/** A page that did not get to look for so long was asleep; its connection has this long to show that it lives. */
const ASLEEP_MS = 15_000;
const WAKING_MS = 3_000;
/** A network that has come back heals a connection at once (60 ms, measured), unless it is another network. */
const RETURN_MS = 1_500;
/** How soon after its events a service that hangs up takes the rest away: 10 ms, measured, where it says so at all. */
const PARTING_MS = 500;
/** RFC 8841: a peer that names no limit takes 64 kB. */
const DEFAULT_MESSAGE_BYTES = 65_536;

/** Handles live in the variants, so a closed call has none to touch. */
type Call =
  | { readonly phase: "idle" }
  | { readonly phase: "opening"; readonly opened: () => void; readonly failed: (reason: unknown) => void }
  | { readonly phase: "open" }
  | { readonly phase: "wavering"; readonly until: number }
  | { readonly phase: "closed" };

export const connect: Connect = async (options) => {
  const { microphone, signal } = options;
  signal.throwIfAborted();
  // A prompt may stand for a minute or end in a refusal: then nothing has been asked of anybody yet.
  if (!options.eager) await abortable(microphone, signal);
  return dial(options);
};

async function dial(options: ConnectOptions): Promise<Transport> {
  const { exchange, form, microphone, report, signal } = options;
  const pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  const channel = pc.createDataChannel(form.channel);
  const { sender } = pc.addTransceiver("audio", { direction: "sendrecv" });
  let call: Call = { phase: "idle" };
  let parting: ReturnType<typeof setTimeout> | undefined;
  let looking: ReturnType<typeof setTimeout> | undefined;
  const pulse = createPulse(Date.now());
  let looked = Date.now();

  const close = () => {
    if (call.phase === "closed") return;
    if (call.phase === "opening") call.failed(signal.reason);
    call = { phase: "closed" };
    clearTimeout(looking);
    clearTimeout(parting);
    window.removeEventListener("online", hasten);
    pc.onconnectionstatechange = pc.onicegatheringstatechange = pc.ontrack = null;
    channel.onopen = channel.onclose = channel.onmessage = null;
    channel.close();
    pc.close();
  };
  const over = (by: "service" | "network") => {
    if (call.phase === "opening") return call.failed(new Failure("handshake_timeout"));
    if (call.phase !== "open" && call.phase !== "wavering") return;
    close();
    report({ type: "over", by });
  };
  const proceed = () => {
    const connected = pc.connectionState === "connected";
    if (call.phase === "wavering" && connected) {
      call = { phase: "open" };
      report({ type: "steady" });
    } else if (call.phase === "opening" && connected && channel.readyState === "open") {
      call.opened();
      call = { phase: "open" };
      watch();
    }
  };
  const waver = (since: number) => {
    if (call.phase !== "open") return;
    call = { phase: "wavering", until: Math.max(since + PATIENCE_MS, Date.now() + WAKING_MS) };
    report({ type: "wavering" });
  };
  /** By the clock, not by counting: the timers of a page that sleeps stand still. */
  const look = async () => {
    const now = Date.now();
    if (call.phase === "wavering" && now - looked > ASLEEP_MS)
      call = { ...call, until: Math.max(call.until, now + WAKING_MS) };
    looked = now;
    const before = pulse.heard();
    const stats = await pc.getStats().catch(() => null);
    if (stats && pulse.feel(countsOf(stats), now)) waver(pulse.heard());
    else if (pulse.heard() > before) proceed();
    if (call.phase === "wavering" && now >= call.until) over("network");
  };
  const hasten = () => {
    if (call.phase === "wavering") call = { ...call, until: Math.min(call.until, Date.now() + RETURN_MS) };
  };
  const watch = () => {
    const pause = pulse.heard() === looked ? LOOK_MS : LOOK_AGAIN_MS;
    looking = setTimeout(() => void look().then(() => call.phase !== "closed" && watch()), pause);
  };
  /** Without its events a call is of no use; if everything else still comes, nobody has hung up. */
  const leave = () => {
    if (call.phase !== "open") return over("network");
    const dtls = pc.sctp?.transport;
    if (dtls) dtls.onstatechange = () => dtls.state === "closed" && over("service");
    const part = () => {
      const then = pulse.heard();
      parting = setTimeout(() => {
        if (dtls) dtls.onstatechange = null;
        void look().then(() => over(pulse.heard() > then ? "network" : "service"));
      }, PARTING_MS);
    };
    void look().then(() => call.phase !== "closed" && part());
  };

  signal.addEventListener("abort", close, { once: true });
  window.addEventListener("online", hasten);
  pc.onconnectionstatechange = () => {
    if (pc.connectionState === "connected") proceed();
    if (pc.connectionState === "disconnected") waver(pulse.heard());
    if (pc.connectionState === "failed") over("network");
  };
  pc.ontrack = ({ track, streams }) =>
    report({ type: "sound", stream: streams[0] ?? new MediaStream([track]) });
  channel.onopen = proceed;
  channel.onclose = leave;
  channel.onmessage = ({ data }) => {
    const event = parse(data);
    if (event !== undefined) report({ type: "event", event });
  };

  const opened = new Promise<void>((resolve, reject) => {
    call = { phase: "opening", opened: resolve, failed: reject };
  });
  /** A browser that may send no UDP finds no address to offer: the services answer on nothing else. */
  const giveUpWithoutUdp = () => {
    if (pc.iceGatheringState !== "complete") return;
    if (!/^a=candidate:\S+ \d+ udp /im.test(pc.localDescription?.sdp ?? "")) over("network");
  };
  const negotiate = async () => {
    await pc.setLocalDescription();
    if (form.whole_offer) await abortable(gathered(pc, signal), signal);
    const answer = await exchange(pc.localDescription?.sdp ?? "");
    signal.throwIfAborted();
    await pc.setRemoteDescription({ type: "answer", sdp: answer });
    pc.onicegatheringstatechange = giveUpWithoutUdp;
    giveUpWithoutUdp();
    const deadline = setTimeout(() => over("network"), PATIENCE_MS);
    await opened.finally(() => clearTimeout(deadline));
  };
  const speak = async () => {
    const [track] = (await microphone).getAudioTracks();
    if (track && !signal.aborted) await sender.replaceTrack(track);
  };

  try {
    await abortable(Promise.all([negotiate(), speak(), opened]), signal);
  } catch (failure) {
    close();
    throw failure;
  }
  const objection = (event: WireEvent): Failure | null => {
    if (channel.readyState !== "open") return new Failure("not_live");
    const limit = pc.sctp?.maxMessageSize ?? DEFAULT_MESSAGE_BYTES;
    if (new TextEncoder().encode(JSON.stringify(event)).length <= limit) return null;
    return new Failure(
      "message_too_long",
      `The message is longer than the ${limit} bytes that the call carries.`,
    );
  };
  return {
    replaceMicrophone: (track) => sender.replaceTrack(track),
    objection,
    send: (event) => {
      const found = objection(event);
      if (!found) form.deaf ? options.carry(event) : channel.send(JSON.stringify(event));
      return found;
    },
  };
}

/** Resolves when the offer holds all its candidates, or as many as came in time. */
function gathered(pc: RTCPeerConnection, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(waiting);
      pc.onicegatheringstatechange = null;
      resolve();
    };
    const waiting = setTimeout(done, GATHERING_MS);
    signal.addEventListener("abort", done, { once: true });
    pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done();
    if (pc.iceGatheringState === "complete") done();
  });
}

function parse(data: unknown): unknown {
  if (typeof data !== "string") return undefined;
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}
