/**
 * Everything that one attempt at a call opens in the page: microphone, loudspeaker, meters, connection.
 * All of it dies by one signal. It must not know the log, the endpoint or what an event means.
 */
import { openMeters, openMicrophone, openSpeaker } from "./audio";
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
  /** The microphone went away in the middle of the call and no other took its place; the call goes on. */
  readonly onMicrophoneLost: (failure: Failure) => void;
  readonly signal: AbortSignal;
}

export interface Call {
  /** Resolves when the call stands; rejects with a `Failure` or the signal's reason. */
  readonly ready: Promise<void>;
  /** False while there is nothing to send through. Throws a `Failure` when the event is too large. */
  send(event: WireEvent): boolean;
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

  const applyMute = () => {
    for (const track of streams.get("user")?.getAudioTracks() ?? []) track.enabled = !muted;
  };
  const takeMicrophone = async (refused: string): Promise<MediaStream> => {
    const stream = await openMicrophone(signal, refused);
    streams.set("user", stream);
    applyMute();
    for (const track of stream.getAudioTracks()) track.onended = () => void replaceMicrophone(refused);
    return stream;
  };
  /** A device was unplugged: the next one takes its place, and only if there is none does anybody hear of it. */
  const replaceMicrophone = async (refused: string) => {
    try {
      const [track] = (await takeMicrophone(refused)).getAudioTracks();
      if (track) await transport?.replaceMicrophone(track);
    } catch (thrown) {
      if (!signal.aborted) options.onMicrophoneLost(asFailure(thrown));
    }
  };
  // Chromium never lets go of a stream that getUserMedia gave, nor of what its tracks' handlers can reach.
  const letGo = () => {
    for (const track of streams.get("user")?.getTracks() ?? []) track.onended = null;
    streams.clear();
    transport = null;
  };
  signal.addEventListener("abort", letGo, { once: true });
  const open = async () => {
    const facts = await look();
    signal.throwIfAborted();
    const code = obstacle(facts);
    if (code) throw new Failure(code);
    const microphone = takeMicrophone(refusal(facts));
    microphone.catch(() => undefined); // it is `connect` that answers for a refusal
    transport = await connect({
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
  };

  return {
    ready: open(),
    send: (event) => transport?.send(event) ?? false,
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
