/**
 * A line made of a WebSocket to the endpoint, for networks that let no UDP through: events and sound on the same connection.
 * It must not know what the events mean, nor the endpoint: it asks it by an empty offer.
 *
 * Protocol facts: OpenAI Realtime API reference, WebSocket (sound is base64 in events).
 */
import { Failure } from "./failure";
import { type OpenLine, overLine, tooLong } from "./line";
import { fromBase64, RATE, toBase64 } from "./pcm";
import { canonical, readEvent, type WireEvent } from "./protocol";
import { text } from "./reading";

/** Ten seconds of sound that wait to be sent: the network takes nothing any more. */
export const STUCK_BYTES = (10 * RATE * 2 * 4) / 3;

const openSocket: OpenLine = async (exchange, ear, signal) => {
  const url = await exchange("");
  signal.throwIfAborted();
  const socket = open(url);
  const close = () => {
    socket.onmessage = socket.onclose = null;
    socket.close(1000);
  };
  signal.addEventListener("abort", close, { once: true });
  socket.onmessage = ({ data }) => {
    const event = parse(data);
    if (event) ear.event(event, soundOf(event));
  };
  socket.onclose = ({ code }) =>
    ear.over(code === 1000 ? "service" : "network", "The WebSocket was refused or closed.");
  const send = (event: WireEvent) => socket.send(JSON.stringify(event));
  return {
    close,
    send,
    objection: (event) => (socket.readyState === WebSocket.OPEN ? tooLong(event) : new Failure("not_live")),
    speak: (samples) => {
      if (socket.readyState !== WebSocket.OPEN) return;
      if (socket.bufferedAmount <= STUCK_BYTES)
        return send({ type: "input_audio_buffer.append", audio: toBase64(samples) });
      close();
      ear.over("network");
    },
  };
};

export const connect = overLine(openSocket);

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

function soundOf(event: WireEvent): Int16Array | null {
  return canonical(event).type === "response.output_audio.delta" ? fromBase64(text(event.delta) ?? "") : null;
}

function parse(data: unknown): WireEvent | null {
  try {
    return typeof data === "string" ? readEvent(JSON.parse(data)) : null;
  } catch {
    return null;
  }
}
