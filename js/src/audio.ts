/**
 * Sound on this side of the wire: the microphone, the loudspeaker, how loud each is.
 * Whatever is opened here dies by the signal it was opened with. It must not know sessions, peers or events.
 */
import { ANY, canChoose, chosen, onChosen } from "./devices";
import { Failure } from "./failure";

/** The catalogue's codes for what `getUserMedia` throws (Media Capture and Streams, 10.2). */
const CODES: Record<string, string> = {
  NotFoundError: "mic_not_found",
  OverconstrainedError: "mic_not_found",
  NotReadableError: "mic_busy",
  AbortError: "mic_busy",
};
const REFUSALS = ["NotAllowedError", "SecurityError"];

/**
 * Ask for the microphone; `refused` is the code for a refusal. A prompt cannot be withdrawn: a stream that is granted
 * after the abort is closed at once.
 */
export async function openMicrophone(signal: AbortSignal, refused: string): Promise<MediaStream> {
  const stream = await request(chosen("audioinput")).catch((error: unknown) => {
    const name = nameOf(error);
    if (REFUSALS.includes(name)) throw new Failure(refused);
    throw new Failure(CODES[name] ?? "internal", name in CODES ? undefined : String(error));
  });
  const stop = () => {
    for (const track of stream.getTracks()) track.stop();
  };
  if (signal.aborted) stop();
  signal.throwIfAborted();
  signal.addEventListener("abort", stop, { once: true });
  return stream;
}

/** Should the chosen one be unplugged, another is better than none; iOS may refuse every `exact`. */
async function request(deviceId: string): Promise<MediaStream> {
  const ask = (audio: MediaStreamConstraints["audio"]) => navigator.mediaDevices.getUserMedia({ audio });
  if (deviceId === ANY) return ask(true);
  return ask({ deviceId: { exact: deviceId } }).catch((error: unknown) => {
    if (CODES[nameOf(error)] !== "mic_not_found") throw error;
    return ask({ deviceId: { ideal: deviceId } });
  });
}

function nameOf(error: unknown): string {
  return String((error as { name?: unknown } | null)?.name);
}

export interface Speaker {
  /** Play this stream from now on. */
  play(stream: MediaStream): void;
  /** Try again after the browser held the sound back; call it from a click. */
  enable(): void;
}

/** A loudspeaker without a place in the document, so that no view can take the sound with it. */
export function openSpeaker(signal: AbortSignal, onBlocked: (blocked: boolean) => void): Speaker {
  const element = new Audio();
  element.autoplay = true;
  const start = () =>
    element.play().then(
      () => signal.aborted || onBlocked(false),
      (error: unknown) => {
        // AbortError only says that a newer stream took the place of this one.
        if (signal.aborted || nameOf(error) !== "NotAllowedError") return;
        onBlocked(true);
        // Whatever the user clicks will do: a plain page may have no button for it.
        window.addEventListener("click", () => void start(), { once: true, signal });
      },
    );
  const stop = () => {
    element.pause();
    element.srcObject = null;
  };
  const route = () => void element.setSinkId(chosen("audiooutput")).catch(() => undefined); // it may be unplugged
  if (canChoose("audiooutput")) {
    if (chosen("audiooutput") !== ANY) route();
    onChosen("audiooutput", route, signal);
  }
  signal.addEventListener("abort", stop, { once: true });
  return {
    play: (stream) => {
      element.srcObject = stream;
      void start();
    },
    enable: () => void start(),
  };
}

/** Loudness of a stream now, from 0 to 1. */
export type Level = () => number;

/**
 * Meters for the streams of one call. No AudioContext is woken before somebody looks, and none outlives the signal.
 * A remote stream gives WebAudio nothing but zeros until an audio element plays it too; the speaker does.
 */
export function openMeters(signal: AbortSignal): (stream: MediaStream) => Level {
  let context: AudioContext | null = null;
  const levels = new WeakMap<MediaStream, Level>();
  signal.addEventListener("abort", () => void context?.close().catch(() => undefined), { once: true });
  return (stream) => {
    const known = levels.get(stream);
    if (known) return known;
    if (signal.aborted || typeof AudioContext === "undefined") return () => 0;
    context ??= new AudioContext();
    const level = analyse(context, stream);
    levels.set(stream, level);
    return level;
  };
}

function analyse(context: AudioContext, stream: MediaStream): Level {
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return () => {
    if (context.state === "suspended") void context.resume();
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    return loudness(Math.sqrt(power));
  };
}

/** Root mean square (0 to 1) on a scale of decibels: -60 dB and less is 0, -12 dB and more is 1. */
export function loudness(rms: number): number {
  if (rms <= 0) return 0;
  const decibels = 20 * Math.log10(rms);
  return Math.min(1, Math.max(0, (decibels + 60) / 48));
}
