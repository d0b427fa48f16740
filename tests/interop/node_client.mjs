// node node_client.mjs URL SPEECH.pcm TURNS, the secret in PEER_SECRET: the SDK's own WebSocket transport, speech sent in real time.
import { readFileSync } from "node:fs";
import { OpenAIRealtimeWebSocket } from "@openai/agents-realtime";
import { converse } from "./conversation.mjs";

const [url, speech, turns] = process.argv.slice(2);
const transport = new OpenAIRealtimeWebSocket({ url: `${url.replace("http", "ws")}/v1/realtime?model=demo` });
const { session, until } = await converse(transport, process.env.PEER_SECRET);

const BYTES_PER_MS = 48; // 24 kHz, 16-bit, mono
const CHUNK_MS = 40;
const pcm = readFileSync(speech);
const started = performance.now();
let sent = 0;
const microphone = setInterval(() => {
  const due = Math.floor((performance.now() - started) / CHUNK_MS) * CHUNK_MS * BYTES_PER_MS;
  while (sent < due) {
    const chunk = new Uint8Array(CHUNK_MS * BYTES_PER_MS);
    chunk.set(pcm.subarray(sent, sent + chunk.length));
    session.sendAudio(chunk.buffer);
    sent += chunk.length;
  }
}, 10);

const result = await until(Number(turns));
clearInterval(microphone);
session.close();
console.log(JSON.stringify(result));
