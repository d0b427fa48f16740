// node folding.mjs LOG BEFORE RUNS: microseconds an event, over the envelopes after the first BEFORE.
import { readFileSync } from "node:fs";
import type { Envelope } from "../js/src/protocol";
import { State } from "../js/src/state";

const [log = "", before = "", runs = ""] = process.argv.slice(2);
const envelopes: Envelope[] = JSON.parse(readFileSync(log, "utf8"));
const found: number[] = [];
for (let run = 0; run < Number(runs); run++) {
  const state = new State();
  for (const envelope of envelopes.slice(0, Number(before))) state.apply(envelope);
  const rest = envelopes.slice(Number(before));
  const began = performance.now();
  for (const envelope of rest) state.apply(envelope);
  found.push(((performance.now() - began) * 1000) / rest.length);
}
console.log(JSON.stringify(found));
