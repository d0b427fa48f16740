/**
 * Everything that one attempt at a call opens in the page: microphone, loudspeaker, meters, connection. A connection can
 * be replaced by another with the same microphone. All of it dies by one signal. It must not know the log, the endpoint or what an event means.
 */
import { openMeters, openMicrophone, openSpeaker } from "./audio";
import { onChosen } from "./devices";
import { asFailure, Failure } from "./failure";
import { look, obstacle, refusal } from "./preflight";
import { type CallForm, problem, type WireEvent } from "./protocol";
import type { Connect, Report, Transport } from "./transport";

export type Side = "user" | "agent";

export interface CallOptions {
  readonly connect: Connect;
  readonly exchange: (offer: string) => Promise<string>;
  readonly form: CallForm;
  /** Takes events to a service that does not read its channel. */
  readonly carry: (event: WireEvent) => void;
  readonly muted: boolean;
  readonly report: (report: Report) => void;
  readonly onSoundBlocked: (blocked: boolean) => void;
  /** The microphone went away, before or in the call, and no other took its place; the call goes on. */
  readonly onMicrophoneLost: (failure: Failure) => void;
  readonly signal: AbortSignal;
}

export interface Call {
  /** Resolves when the call stands; rejects with a `Failure` or the signal's reason. */
  readonly ready: Promise<void>;
  /**
   * Open another connection. It takes the place of the one there is, which is closed, as soon as its offer is answered;
   * an offer that is not leaves everything as it was. Resolves and rejects as `ready` does.
   */
  redial(exchange: (offer: string) => Promise<string>): Promise<void>;
  /** Why this event could not be sent now, or null. */
  objection(event: WireEvent): Failure | null;
  /** Send, unless there is an objection, which is returned. */
  send(event: WireEvent): Failure | null;
  mute(muted: boolean): void;
  enableSound(): void;
  /** Loudness of a side now, from 0 to 1. */
  level(side: Side): number;
}

export function openCall(options: CallOptions): Call {
  const { connect, report, signal } = options;
  const speaker = openSpeaker(signal, options.onSoundBlocked);
  const meter = openMeters(signal);
  const streams = new Map<Side, MediaStream>();
  let muted = options.muted;
  let searching = false;
  let transport: Transport | null = null;
  /** Closes the connection that is the call's. */
  let line: AbortController | null = null;
  /** Null when the call never stood. */
  let standing: Promise<Transport | null> = Promise.resolve(null);

  const applyMute = () => {
    for (const track of streams.get("user")?.getAudioTracks() ?? []) track.enabled = !muted;
  };
  const takeMicrophone = async (refused: string): Promise<MediaStream> => {
    const stream = await openMicrophone(signal, refused);
    close(streams.get("user"));
    streams.set("user", stream);
    applyMute();
    for (const track of stream.getAudioTracks()) track.onended = () => void missMicrophone(refused, true);
    return stream;
  };
  /**
   * A device was unplugged, or another chosen: the next one takes its place, if need be as soon as the call stands, and
   * only if there is none does anybody hear of it, once.
   */
  const replaceMicrophone = async (refused: string, isNews: boolean) => {
    try {
      const [track] = (await takeMicrophone(refused)).getAudioTracks();
      if (track) await ((await standing) ?? transport)?.replaceMicrophone(track);
    } catch (thrown) {
      const failure = asFailure(thrown);
      const lost = streams.get("user")?.getAudioTracks()[0]?.readyState !== "live";
      const told = lost ? new Failure("mic_lost", problem(failure.code).say) : failure;
      if (isNews && !signal.aborted) options.onMicrophoneLost(told);
    }
  };
  /** Its end may be told twice. */
  const missMicrophone = async (refused: string, isNews: boolean) => {
    if (searching) return;
    searching = true;
    await replaceMicrophone(refused, isNews);
    searching = false;
  };
  /** A device came or went, the call's own perhaps, of which not every system says that it has ended. */
  const lookForMicrophone = async (refused: string) => {
    const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
    const track = streams.get("user")?.getAudioTracks()[0];
    if (!track) return;
    const { deviceId: its } = track.getSettings();
    const there =
      its === undefined || devices.some(({ kind, deviceId }) => kind === "audioinput" && deviceId === its);
    const was = track.readyState === "live";
    if (!(was && there)) await missMicrophone(refused, was);
  };
  // Chromium never lets go of a stream that getUserMedia gave, nor of what its tracks' handlers can reach.
  const letGo = () => {
    for (const track of streams.get("user")?.getTracks() ?? []) track.onended = null;
    streams.clear();
    transport = line = null;
    standing = Promise.resolve(null);
  };
  signal.addEventListener("abort", letGo, { once: true });
  const open = async () => {
    const facts = await look();
    signal.throwIfAborted();
    const code = obstacle(facts);
    if (code) throw new Failure(code);
    const refused = refusal(facts);
    const microphone = takeMicrophone(refused);
    onChosen("audioinput", () => streams.has("user") && void replaceMicrophone(refused, true), signal);
    navigator.mediaDevices.addEventListener("devicechange", () => void lookForMicrophone(refused), {
      signal,
    });
    microphone.catch(() => undefined); // it is `connect` that answers for a refusal
    await dial(options.exchange, microphone, facts.permission === "granted");
  };
  const dial = async (
    exchange: CallOptions["exchange"],
    microphone: Promise<MediaStream>,
    eager: boolean,
  ) => {
    const own = new AbortController();
    const drop = () => own.abort(signal.reason);
    signal.addEventListener("abort", drop, { once: true, signal: own.signal });
    const take = () => {
      line?.abort();
      line = own;
      transport = null;
    };
    if (!line) take();
    const connecting = connect({
      form: options.form,
      carry: options.carry,
      exchange: async (offer) => {
        const answer = await exchange(offer);
        if (line !== own) take();
        return answer;
      },
      microphone,
      signal: own.signal,
      eager,
      report: (told) => {
        if (own.signal.aborted || line !== own) return;
        if (told.type === "sound") {
          streams.set("agent", told.stream);
          speaker.play(told.stream);
        }
        report(told);
      },
    });
    standing = connecting.catch(() => null);
    try {
      transport = await connecting;
    } catch (failure) {
      own.abort(failure);
      throw failure;
    }
  };

  return {
    ready: open(),
    redial: (exchange) => dial(exchange, Promise.resolve(streams.get("user") ?? new MediaStream()), true),
    objection: (event) => (transport ? transport.objection(event) : new Failure("not_live")),
    send: (event) => (transport ? transport.send(event) : new Failure("not_live")),
    mute: (next) => {
      muted = next;
      applyMute();
    },
    enableSound: () => speaker.enable(),
    level: (side) => {
      const stream = streams.get(side);
      return stream && !(side === "user" && muted) ? meter(stream)() : 0;
    },
  };
}

function close(stream: MediaStream | undefined): void {
  for (const track of stream?.getTracks() ?? []) {
    track.onended = null;
    track.stop();
  }
}
