// node crossing.mjs LOG: {messages, bytes} that the outbox sends for this log, on a clock that runs by the log's own times.
import { readFileSync } from "node:fs";
import { createOutbox } from "../js/src/outbox";
import type { Envelope } from "../js/src/protocol";

let now = 0;
let waiting: { at: number; run: () => void }[] = [];
Object.assign(globalThis, {
  setTimeout: (run: () => void, after: number) => {
    const timer = { at: now + after, run };
    waiting.push(timer);
    return timer;
  },
  clearTimeout: (timer: unknown) => {
    waiting = waiting.filter((one) => one !== timer);
  },
});
performance.now = () => now;

const envelopes: Envelope[] = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"));
const sent = { messages: 0, bytes: 0 };
const outbox = createOutbox((log, events) => {
  sent.messages += 1;
  sent.bytes += JSON.stringify({ op: "events", client: "0".repeat(36), log, events }).length;
});
const until = (time: number) => {
  for (const timer of waiting.filter(({ at }) => at <= time).sort((a, b) => a.at - b.at)) {
    now = timer.at;
    waiting = waiting.filter((one) => one !== timer);
    timer.run();
  }
  now = time;
};
for (const envelope of envelopes) {
  until(envelope.t);
  outbox.push("0".repeat(36), envelope);
}
until(Number.POSITIVE_INFINITY);
process.stdout.write(JSON.stringify(sent));
