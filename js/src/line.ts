/**
 * One call over a line that carries events, and sound as PCM beside them: where WebRTC's own media cannot pass.
 * Owns the sound that goes over it. Towards the driver it is as a WebRTC call: what a service that plays the sound itself
 * tells and does, the page tells and does here. It must not know what the line is made of, nor the endpoint.
 *
 * Protocol facts: OpenAI Realtime API reference, WebSocket (the client owns the playback and truncates what was not heard;
 * `output_audio_buffer` is WebRTC's alone).
 */
import { abortable, Failure } from "./failure";
import { openPcm, type Pcm, RATE } from "./pcm";
import { createPlayback } from "./playback";
import { canonical, isErrorCode, type WireEvent } from "./protocol";
import { count, name, record, text } from "./reading";
import type { Connect } from "./transport";
import type { FromPlayer } from "./worklets";

/** How long an accepted call may take to begin. */
export const PATIENCE_MS = 15_000;
/** The endpoint's relay takes no longer message, nor do some notebooks' servers. */
export const LARGEST_CHARACTERS = 1024 * 1024;

/** An open line. Once `close` was called, nothing is heard of it. */
export interface Line {
  /** Why this event could not be sent now, or null. */
  objection(event: WireEvent): Failure | null;
  send(event: WireEvent): void;
  /** 30 ms of the microphone, after everything that was sent before it. */
  speak(samples: Int16Array): void;
  close(): void;
}

/** What comes over a line. */
export interface Ear {
  /** An event of the service, by any of its names, and the sound that it brings. */
  event(event: WireEvent, sound: Int16Array | null): void;
  /** Something of the user's was lost; the call goes on. */
  trouble(failure: Failure): void;
  /** Nothing comes any more: the service has ended it, or it broke. */
  over(by: "service" | "network", why?: string): void;
}

/** Have a session made and a line to it opened. `exchange` is the driver's: an empty offer in, the line's address out. */
export type OpenLine = (
  exchange: (offer: string) => Promise<string>,
  ear: Ear,
  signal: AbortSignal,
) => Promise<Line>;

/** The way of connecting by such a line. */
export function overLine(open: OpenLine): Connect {
  return async ({ exchange, microphone, report, signal }) => {
    signal.throwIfAborted();
    let stream = await abortable(microphone, signal);
    const playback = createPlayback();
    let line: Line | null = null;
    let live = false;
    /** Whether the service looks for turns, and whether the user's voice cuts the agent short. */
    let detects = true;
    let interrupts = true;
    let began: (created: WireEvent) => void = () => undefined;
    let failed: (failure: Failure) => void = () => undefined;
    const begun = new Promise<WireEvent>((resolve, reject) => {
      began = resolve;
      failed = reject;
    });
    begun.catch(() => undefined); // it may fail before anybody waits for it

    const onFrame = (samples: Int16Array) => {
      if (!live) return;
      // Where nobody looks for turns, nobody needs the silence of a closed microphone.
      const closed = stream.getAudioTracks().every(({ enabled }) => !enabled);
      if (detects || !closed) line?.speak(samples);
    };
    const played = (what: "started" | "stopped" | "cleared", response_id: string) =>
      report({ type: "event", event: { type: `output_audio_buffer.${what}`, response_id } });
    const onPlayer = (told: FromPlayer) => {
      if ("finished" in told) {
        const response = playback.finished(told.finished);
        if (response !== null) played("stopped", response);
        return;
      }
      const { responses, last } = playback.cut(told.cut.id, told.cut.samples);
      const audio_end_ms = Math.floor(((last?.samples ?? 0) * 1000) / RATE);
      if (last && audio_end_ms > 0) {
        const { item, index } = last.part;
        const event_id = `cut_${item}`; // else its refusal could be taken for a response's
        const event = {
          type: "conversation.item.truncate",
          event_id,
          item_id: item,
          content_index: index,
          audio_end_ms,
        };
        if (line?.objection(event) === null) {
          line.send(event);
          report({ type: "sent", event });
        }
      }
      for (const response of responses) played("cleared", response);
    };
    const pcm: Pcm = await openPcm({ onFrame, onPlayer, signal });
    const cut = () => {
      if (playback.stop()) pcm.tellPlayer(null);
    };
    const play = (event: WireEvent, samples: Int16Array) => {
      const [response, item] = [text(event.response_id) ?? "", text(event.item_id) ?? ""];
      const added = playback.add(response, item, count(event.content_index) ?? 0, samples.length);
      if (!added) return;
      if (added.begins) played("started", response);
      pcm.tellPlayer({ id: added.id, samples });
    };
    const hear = (raw: WireEvent, sound: Int16Array | null) => {
      const event = canonical(raw);
      if (sound) play(event, sound);
      report({ type: "event", event: raw });
      if (event.type === "session.created" || event.type === "session.updated") {
        const found = detection(event.session);
        detects = found !== null;
        interrupts = record(found).interrupt_response !== false;
      }
      if (event.type === "response.done") {
        const response = name(record(event.response).id) ?? "";
        if (playback.complete(response)) played("stopped", response);
      }
      if (event.type === "input_audio_buffer.speech_started" && interrupts) cut();
    };
    const ear: Ear = {
      event: (event, sound) => {
        if (live) hear(event, sound);
        else if (event.type === "error") failed(refusal(record(event.error)));
        else if (event.type === "session.created") {
          live = true;
          hear(event, null);
          began(event);
        }
      },
      trouble: (failure) => report({ type: "trouble", failure }),
      over: (by, why) => {
        failed(new Failure("handshake_timeout", why));
        if (live) report({ type: "over", by });
        live = false;
      },
    };

    const opened = await open(exchange, ear, signal);
    line = opened;
    const deadline = setTimeout(() => failed(new Failure("handshake_timeout")), PATIENCE_MS);
    try {
      await abortable(begun, signal);
    } catch (failure) {
      opened.close();
      throw failure;
    } finally {
      clearTimeout(deadline);
    }
    pcm.listen(stream);
    report({ type: "sound", stream: pcm.stream });

    return {
      replaceMicrophone: async (track) => {
        stream = new MediaStream([track]);
        pcm.listen(stream);
      },
      objection: opened.objection,
      send: (event) => {
        const found = opened.objection(event);
        if (found) return found;
        if (event.type === "output_audio_buffer.clear") cut();
        else opened.send(event);
        return null;
      },
    };
  };
}

/** Why an event is too long for any line, or null. */
export function tooLong(event: WireEvent): Failure | null {
  if (JSON.stringify(event).length <= LARGEST_CHARACTERS) return null;
  return new Failure(
    "message_too_long",
    `The message is longer than the ${LARGEST_CHARACTERS} characters that the call carries.`,
  );
}

/** The endpoint's own errors have the catalogue's codes. */
function refusal({ code, message }: Readonly<Record<string, unknown>>): Failure {
  const known = name(code);
  return new Failure(known && isErrorCode(known) ? known : "provider_error", text(message) ?? undefined);
}

/** The session's turn detection: GA has it in `audio.input`, the beta at the top. Null: none. */
function detection(session: unknown): unknown {
  const members = record(session);
  if ("turn_detection" in members) return members.turn_detection;
  return record(record(members.audio).input).turn_detection;
}
