/**
 * Folds logs for a comparison with the other language: node fold.mjs logs.jsonl > states.jsonl
 *
 * Each line of the input is {hops, envelopes}: at each index in `hops` the state goes through its JSON. Each line of the
 * output is the array of the states at these indices and at the end.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { build } from "esbuild";

const entry = new URL("../src/state.ts", import.meta.url).pathname;
const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });
const { State } = await import(
  `data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString("base64")}`
);

for await (const line of createInterface({ input: createReadStream(process.argv[2]) })) {
  const { hops, envelopes } = JSON.parse(line);
  const states = [];
  let state = new State();
  for (const [index, envelope] of envelopes.entries()) {
    if (hops.includes(index)) {
      const json = JSON.stringify(state);
      states.push(json);
      state = State.fromJSON(JSON.parse(json));
    }
    state.apply(envelope);
  }
  process.stdout.write(`[${[...states, JSON.stringify(state)].join(",")}]\n`);
}
