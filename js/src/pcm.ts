/**
 * Sound as PCM, 16-bit mono at 24 kHz, both ways: frames of the microphone, and a stream of what is to be played.
 * All of it dies by the signal it was opened with. It must not know events or sockets.
 */
import { Failure } from "./failure";
import { type FromPlayer, processors, type ToPlayer } from "./worklets";

export const RATE = 24_000;

export interface PcmOptions {
  /** 30 ms of the microphone. */
  readonly onFrame: (samples: Int16Array) => void;
  readonly onPlayer: (told: FromPlayer) => void;
  readonly signal: AbortSignal;
}

export interface Pcm {
  /** What is played. */
  readonly stream: MediaStream;
  /** Hear this microphone, and no other any more. */
  listen(microphone: MediaStream): void;
  tellPlayer(message: ToPlayer): void;
}

/** Rejects with a `Failure` where the browser has no AudioWorklet, or lets this page load none. */
export async function openPcm({ onFrame, onPlayer, signal }: PcmOptions): Promise<Pcm> {
  if (typeof AudioWorkletNode === "undefined")
    throw new Failure("webrtc_unsupported", "It has no AudioWorklet.");
  const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
  const close = () => void context.close().catch(() => undefined);
  signal.addEventListener("abort", close, { once: true });
  try {
    await load(context);
  } catch (error) {
    close();
    throw new Failure("internal", `The sound's own thread could not be loaded: ${String(error)}`);
  }
  signal.throwIfAborted();
  void context.resume(); // a page that records may play, too
  const capture = new AudioWorkletNode(context, "genmb-capture", { numberOfOutputs: 0 });
  const player = new AudioWorkletNode(context, "genmb-player", {
    numberOfInputs: 0,
    outputChannelCount: [1],
  });
  const speaker = context.createMediaStreamDestination();
  player.connect(speaker);
  capture.port.onmessage = ({ data }) => onFrame(data as Int16Array);
  player.port.onmessage = ({ data }) => onPlayer(data as FromPlayer);
  let source: MediaStreamAudioSourceNode | null = null;
  return {
    stream: speaker.stream,
    listen: (microphone) => {
      source?.disconnect();
      source = context.createMediaStreamSource(microphone);
      source.connect(capture);
    },
    tellPlayer: (message) => player.port.postMessage(message),
  };
}

async function load(context: AudioContext): Promise<void> {
  const url = URL.createObjectURL(new Blob([`(${processors})()`], { type: "text/javascript" }));
  try {
    await context.audioWorklet.addModule(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

export function toBase64(samples: Int16Array): string {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** Half a sample at the end is dropped, and what is no base64 is silence of no length. */
export function fromBase64(text: string): Int16Array {
  try {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    return new Int16Array(bytes.buffer, 0, bytes.length >> 1);
  } catch {
    return new Int16Array();
  }
}
