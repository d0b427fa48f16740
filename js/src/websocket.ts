/**
 * One call over a WebSocket, for networks that let no UDP through: events and sound on the same connection.
 * Owns the socket and the sound that goes over it. Towards the driver it is as a WebRTC call: what a service that plays the
 * sound itself tells and does, the page tells and does here. It must not know the endpoint: it asks it by an empty offer.
 *
 * Protocol facts: OpenAI Realtime API reference, WebSocket (sound is base64 in events; the client owns the playback and
 * truncates what was not heard; `output_audio_buffer` is WebRTC's alone).
 */
import { abortable, Failure } from "./failure";
import { fromBase64, openPcm, type Pcm, RATE, toBase64 } from "./pcm";
import { createPlayback } from "./playback";
import { canonical, isErrorCode, readEvent, type WireEvent } from "./protocol";
import { count, name, record, text } from "./reading";
import type { Connect } from "./transport";
import type { FromPlayer } from "./worklets";

/** How long an accepted call may take to begin. */
export const PATIENCE_MS = 15_000;
/** The endpoint's relay takes no longer message. */
export const LARGEST_CHARACTERS = 1024 * 1024;
/** Ten seconds of sound that wait to be sent: the network takes nothing any more. */
export const STUCK_BYTES = (10 * RATE * 2 * 4) / 3;

export const connect: Connect = async ({ exchange, microphone, report, signal }) => {
  signal.throwIfAborted();
  let stream = await abortable(microphone, signal);
  const playback = createPlayback();
  let socket: WebSocket | null = null;
  let live = false;
  /** Whether the service looks for turns, and whether the user's voice cuts the agent short. */
  let detects = true;
  let interrupts = true;

  const transmit = (event: WireEvent) => socket?.send(JSON.stringify(event));
  const onFrame = (samples: Int16Array) => {
    if (!live || socket?.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > STUCK_BYTES) return over("network");
    // Where nobody looks for turns, nobody needs the silence of a closed microphone.
    const closed = stream.getAudioTracks().every(({ enabled }) => !enabled);
    if (detects || !closed) transmit({ type: "input_audio_buffer.append", audio: toBase64(samples) });
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
    if (last && audio_end_ms > 0 && socket?.readyState === WebSocket.OPEN) {
      const { item, index } = last.part;
      const event_id = `cut_${item}`; // else its refusal could be taken for a response's
      const event = {
        type: "conversation.item.truncate",
        event_id,
        item_id: item,
        content_index: index,
        audio_end_ms,
      };
      transmit(event);
      report({ type: "sent", event });
    }
    for (const response of responses) played("cleared", response);
  };
  const pcm: Pcm = await openPcm({ onFrame, onPlayer, signal });
  const cut = () => {
    if (playback.stop()) pcm.tellPlayer(null);
  };
  const play = (event: WireEvent) => {
    const samples = fromBase64(text(event.delta) ?? "");
    const [response, item] = [text(event.response_id) ?? "", text(event.item_id) ?? ""];
    const added = playback.add(response, item, count(event.content_index) ?? 0, samples.length);
    if (!added) return;
    if (added.begins) played("started", response);
    pcm.tellPlayer({ id: added.id, samples });
  };
  const hear = (raw: WireEvent) => {
    const event = canonical(raw);
    if (event.type === "response.output_audio.delta") play(event);
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
  const close = () => {
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close(1000);
    socket = null;
  };
  const over = (by: "service" | "network") => {
    close();
    report({ type: "over", by });
  };

  const url = await exchange("");
  signal.throwIfAborted();
  signal.addEventListener("abort", close, { once: true });
  const opening = open(url);
  socket = opening;
  try {
    const created = await abortable(begun(opening), signal);
    live = true;
    hear(created);
  } catch (failure) {
    close();
    throw failure;
  }
  opening.onmessage = ({ data }) => {
    const event = parse(data);
    if (event) hear(event);
  };
  opening.onclose = ({ code }) => over(code === 1000 ? "service" : "network");
  pcm.listen(stream);
  report({ type: "sound", stream: pcm.stream });

  const objection = (event: WireEvent): Failure | null => {
    if (socket?.readyState !== WebSocket.OPEN) return new Failure("not_live");
    if (JSON.stringify(event).length <= LARGEST_CHARACTERS) return null;
    return new Failure(
      "message_too_long",
      `The message is longer than the ${LARGEST_CHARACTERS} characters that the call carries.`,
    );
  };
  return {
    replaceMicrophone: async (track) => {
      stream = new MediaStream([track]);
      pcm.listen(stream);
    },
    objection,
    send: (event) => {
      const found = objection(event);
      if (found) return found;
      if (event.type === "output_audio_buffer.clear") cut();
      else transmit(event);
      return null;
    },
  };
};

function open(url: string): WebSocket {
  try {
    return new WebSocket(url);
  } catch {
    throw new Failure(
      "endpoint_unreachable",
      "The endpoint's answer has no address that this page may open.",
    );
  }
}

/** The service's first word: that there is a session, or why there is none. */
function begun(socket: WebSocket): Promise<WireEvent> {
  return new Promise<WireEvent>((resolve, reject) => {
    const deadline = setTimeout(() => reject(new Failure("handshake_timeout")), PATIENCE_MS);
    socket.onclose = () => reject(new Failure("handshake_timeout", "The WebSocket was refused or closed."));
    socket.onmessage = ({ data }) => {
      const event = parse(data);
      if (event?.type === "session.created") resolve(event);
      if (event?.type === "error") reject(refusal(record(event.error)));
    };
    const settled = () => clearTimeout(deadline);
    socket.addEventListener("close", settled, { once: true });
    socket.addEventListener("message", settled, { once: true });
  });
}

/** The relay's own errors have the catalogue's codes. */
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

function parse(data: unknown): WireEvent | null {
  try {
    return typeof data === "string" ? readEvent(JSON.parse(data)) : null;
  } catch {
    return null;
  }
}
