/**
 * Everything that one attempt at a call opens in the page: microphone, loudspeaker, meters, connection.
 * All of it dies by one signal. It must not know the log, the endpoint or what an event means.
 */
import { openMeters, openMicrophone, openSpeaker } from "./audio";
import { onChosen } from "./devices";
import { asFailure, Failure } from "./failure";
import { look, obstacle, refusal } from "./preflight";
import type { WireEvent } from "./protocol";
import type { Connect, Report, Transport } from "./transport";

export type Side = "user" | "agent";

export interface CallOptions {
  readonly connect: Connect;
  readonly exchange: (offer: string) => Promise<string>;
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
  const { connect, exchange, report, signal } = options;
  const speaker = openSpeaker(signal, options.onSoundBlocked);
  const meter = openMeters(signal);
  const streams = new Map<Side, MediaStream>();
  let muted = options.muted;
  let transport: Transport | null = null;
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
    for (const track of stream.getAudioTracks()) track.onended = () => void replaceMicrophone(refused);
    return stream;
  };
  /**
   * A device was unplugged, or another chosen: the next one takes its place, if need be as soon as the call stands, and
   * only if there is none does anybody hear of it.
   */
  const replaceMicrophone = async (refused: string) => {
    try {
      const [track] = (await takeMicrophone(refused)).getAudioTracks();
      if (track) await (await standing)?.replaceMicrophone(track);
    } catch (thrown) {
      if (!signal.aborted) options.onMicrophoneLost(asFailure(thrown));
    }
  };
  // Chromium never lets go of a stream that getUserMedia gave, nor of what its tracks' handlers can reach.
  const letGo = () => {
    for (const track of streams.get("user")?.getTracks() ?? []) track.onended = null;
    streams.clear();
    transport = null;
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
    onChosen("audioinput", () => streams.has("user") && void replaceMicrophone(refused), signal);
    microphone.catch(() => undefined); // it is `connect` that answers for a refusal
    const connecting = connect({
      exchange,
      microphone,
      signal,
      eager: facts.permission === "granted",
      report: (told) => {
        if (signal.aborted) return;
        if (told.type === "sound") {
          streams.set("agent", told.stream);
          speaker.play(told.stream);
        }
        report(told);
      },
    });
    standing = connecting.catch(() => null);
    transport = await connecting;
  };

  return {
    ready: open(),
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
