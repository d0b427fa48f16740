/** The shapes of what a page may send: those of tests/outbound.jsonl, which pytest checks against the official types. */
import { readFileSync } from "node:fs";
import { isRecord } from "../src/reading";

const LINES = readFileSync(`${import.meta.dirname}/../../tests/outbound.jsonl`, "utf8")
  .trim()
  .split("\n");
const ALLOWED = new Set(LINES.map((line) => shape(JSON.parse(line))));

/** Those events whose members are not those of a line; what a session object holds is Python's, and checked there. */
export function strangers(events: readonly unknown[]): unknown[] {
  return events.filter((event) => !ALLOWED.has(shape(event)));
}

function shape(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(shape).join()}]`;
  if (!isRecord(value)) return typeof value;
  const members = Object.entries(value).map(([name, member]) => {
    if (name === "session") return name;
    return `${name}:${name === "type" ? String(member) : shape(member)}`;
  });
  return `{${members.sort().join()}}`;
}
