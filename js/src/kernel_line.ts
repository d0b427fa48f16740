/**
 * A line that the notebook's kernel holds: events and sound as messages of the widget, sound in their buffers ("The bridge" in
 * docs/architecture.md). For a kernel that is elsewhere, and networks that let no UDP through.
 * Owns how the microphone's frames are gathered, and what becomes of them while the kernel takes none. It must not know what
 * the events mean.
 */
import { Failure } from "./failure";
import { type OpenLine, tooLong } from "./line";
import { canonical, readEvent } from "./protocol";
import { count, elements } from "./reading";

/** So many frames of 30 ms go in one message, 17 a second: some kernels stall at fifty, and each adds to the delay of a turn. */
const FRAMES = 2;
/**
 * How often it is looked whether the kernel takes sound, and how often in vain until what is spoken further on is lost: three
 * seconds, the length of a sentence. Looks are counted, not time, since a page that was held up has its answers yet to read.
 */
export const LOOK_MS = 250;
export const LOOKS = 12;

/** The page's end of whatever line the kernel holds for it. */
export interface LineEnd {
  send(members: object, sound?: Int16Array): void;
  /** Hear what comes by it. Returns the way to stop that. */
  hear(take: (message: Readonly<Record<string, unknown>>, sounds: readonly DataView[]) => void): () => void;
}

export function lineOf(end: LineEnd): OpenLine {
  return async (exchange, ear, signal) => {
    let [sent, taken] = [0, 0];
    let [looks, deaf] = [0, false];
    let frames: Int16Array[] = [];
    let open = true;

    const stop = end.hear((message, sounds) => {
      const now = count(message.taken) ?? taken;
      if (now > taken) looks = 0;
      taken = now;
      const rest = sounds.values();
      for (const event of elements(message.events).map(readEvent)) {
        if (!event || !open) continue;
        const sounding = canonical(event).type === "response.output_audio.delta";
        ear.event(event, sounding ? samplesOf(rest.next().value) : null);
      }
      if (!open || (message.over !== "service" && message.over !== "network")) return;
      close();
      ear.over(message.over);
    });
    const looking = setInterval(() => {
      looks = taken < sent ? looks + 1 : 0;
    }, LOOK_MS);
    const close = () => {
      open = false;
      clearInterval(looking);
      stop();
    };
    signal.addEventListener("abort", close, { once: true });
    const flush = () => {
      if (frames.length === 0) return;
      const sound = joined(frames);
      frames = [];
      const lost = looks >= LOOKS;
      if (lost && !deaf) ear.trouble(new Failure("kernel_deaf"));
      deaf = lost;
      if (lost) return;
      sent += 1;
      end.send({}, sound);
    };

    await exchange("").catch((thrown: unknown) => {
      close();
      throw thrown;
    });
    return {
      close,
      objection: (event) => (open ? tooLong(event) : new Failure("not_live")),
      send: (event) => {
        flush(); // what was spoken before it goes before it
        end.send({ event });
      },
      speak: (samples) => {
        frames.push(samples);
        if (frames.length === FRAMES) flush();
      },
    };
  };
}

function joined(frames: readonly Int16Array[]): Int16Array {
  const whole = new Int16Array(frames.reduce((length, frame) => length + frame.length, 0));
  let at = 0;
  for (const frame of frames) {
    whole.set(frame, at);
    at += frame.length;
  }
  return whole;
}

/** Copied, since a message's buffers may begin anywhere in it. */
function samplesOf(bytes: DataView | undefined): Int16Array {
  if (!bytes) return new Int16Array();
  return new Int16Array(
    bytes.buffer.slice(
      bytes.byteOffset,
      bytes.byteOffset + bytes.byteLength - (bytes.byteLength % 2),
    ) as ArrayBuffer,
  );
}
