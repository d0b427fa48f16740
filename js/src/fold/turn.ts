/**
 * One turn of the conversation, and the ways in which it grows.
 *
 * Turns are values: every function here gives a new turn and leaves the old one alone, and gives the same one when
 * nothing changes, so a view may compare turns by identity. This module must not know events or the order of turns.
 * The twin is genmb_voice_widget/fold/turn.py.
 */
import { count, elements, LARGEST, name, record, text } from "../reading";

const ROLES = ["user", "assistant", "system", "tool"] as const;
/** In this order a turn only ever rises, so reports may arrive in any order. */
const STATUSES = ["in_progress", "completed", "interrupted", "failed"] as const;
/** PCM of 16 bits, one channel, 24 kHz (OpenAI Realtime API reference, audio formats). */
const BYTES_PER_MS = 48;
/** How long a spoken word takes where the length of its audio is not known. */
const MS_PER_WORD = 400;

/** Who speaks; `tool` is a function call and its output. */
export type Role = (typeof ROLES)[number];
export type TurnStatus = (typeof STATUSES)[number];

/**
 * What the content at one `content_index` says; a closed part takes no more deltas. `half` is the code of the first half
 * of a surrogate pair in which the last delta ended, else 0: the second half may come with the next one.
 */
export interface Part {
  readonly index: number;
  readonly text: string;
  readonly closed: boolean;
  readonly half: number;
}

/**
 * A function that the model called. `arguments` is whole once the turn is completed; until then `half` is for it what it
 * is for a part. `output` is null until known.
 */
export interface ToolCall {
  readonly call_id: string | null;
  readonly name: string | null;
  readonly arguments: string;
  readonly output: string | null;
  readonly half: number;
}

/**
 * What one item of the conversation said or did, as it stands in the state's JSON.
 *
 * `text` is the parts' text joined by spaces, without the space that some transcribers begin with. `heard` is the part
 * of it that had been played when the turn was cut at `audio_end_ms`. A turn that `needs_text` is shown only once there
 * is something to show: an empty reply, or a user who was only asked whether they are still there.
 */
export interface Turn {
  readonly id: string;
  readonly role: Role;
  readonly text: string;
  readonly status: TurnStatus;
  readonly heard: string | null;
  readonly call: ToolCall | null;
  readonly response_id: string | null;
  readonly parts: readonly Part[];
  readonly audio_bytes: number;
  readonly audio_end_ms: number | null;
  readonly needs_text: boolean;
}

export function newTurn(id: string, role: Role): Turn {
  return {
    id,
    role,
    text: "",
    status: "in_progress",
    heard: null,
    call: null,
    response_id: null,
    parts: [],
    audio_bytes: 0,
    audio_end_ms: null,
    needs_text: false,
  };
}

export function isRole(value: unknown): value is Role {
  return ROLES.some((role) => role === value);
}

/** Whether this is one of the turns of the conversation. */
export function isShown(turn: Turn): boolean {
  return !turn.needs_text || turn.text !== "" || turn.audio_bytes > 0;
}

/** Read a turn that was JSON; `text` and `heard` are found again from the parts. Throws an Error when it is none. */
export function turnFromJson(data: unknown): Turn {
  const members = record(data);
  const [id, role] = [name(members.id), members.role];
  const status = STATUSES.find((known) => known === members.status);
  if (id === null || !isRole(role) || status === undefined) throw new Error("not a turn");
  const call = record(members.call);
  let turn: Turn = {
    ...newTurn(id, role),
    status,
    call:
      members.call === null || members.call === undefined
        ? null
        : {
            call_id: name(call.call_id),
            name: name(call.name),
            arguments: text(call.arguments) ?? "",
            output: text(call.output),
            half: firstHalf(call.half),
          },
    response_id: name(members.response_id),
    audio_bytes: count(members.audio_bytes) ?? 0,
    audio_end_ms: count(members.audio_end_ms),
    needs_text: members.needs_text === true,
  };
  for (const part of elements(members.parts).map(record)) {
    const index = count(part.index);
    if (index === null) continue;
    const words = text(part.text) ?? "";
    turn = put(turn, { index, text: words, closed: part.closed === true, half: firstHalf(part.half) });
  }
  return withHeard(turn);
}

/** Add a delta to an open part; it may begin or end in the middle of a surrogate pair. */
export function appended(turn: Turn, index: number, delta: string): Turn {
  const part = partAt(turn, index);
  if (part.closed || delta === "") return turn;
  const { words, half } = joined(part.half, delta);
  return put(turn, { index, text: part.text + words, closed: false, half });
}

/** Replace what the deltas said by the whole text; the first to close a part has the last word. */
export function closed(turn: Turn, index: number, words: string): Turn {
  return partAt(turn, index).closed ? turn : put(turn, { index, text: words, closed: true, half: 0 });
}

/** Give a part the text of an unfinished item, unless it has text already. */
export function filled(turn: Turn, index: number, words: string): Turn {
  const part = partAt(turn, index);
  return part.closed || part.text ? turn : put(turn, { index, text: words, closed: false, half: 0 });
}

/** Make this the turn of a function call; of what is known already nothing changes. */
export function called(turn: Turn, callId: string | null, called: string | null): Turn {
  const before = turn.call ?? { call_id: null, name: null, arguments: "", output: null, half: 0 };
  const call = { ...before, call_id: before.call_id ?? callId, name: before.name ?? called };
  const same = call.call_id === turn.call?.call_id && call.name === turn.call.name;
  return same ? turn : { ...turn, role: "tool", call };
}

/** Add a delta to the call's arguments, or replace what the deltas said by the whole. */
export function argued(turn: Turn, given: string, whole: boolean): Turn {
  const { call, status } = turn;
  if (call === null || status === "completed") return turn;
  if (whole) return reached({ ...turn, call: { ...call, arguments: given, half: 0 } }, "completed");
  if (given === "" || status !== "in_progress") return turn;
  const { words, half } = joined(call.half, given);
  return { ...turn, call: { ...call, arguments: call.arguments + words, half } };
}

/** Note what the function gave back; a later output has the last word. */
export function answered(turn: Turn, output: string): Turn {
  if (turn.call === null || turn.call.output === output) return turn;
  return { ...turn, call: { ...turn.call, output } };
}

/** Count the bytes of audio that came for this turn. */
export function sounded(turn: Turn, size: number): Turn {
  return size ? withHeard({ ...turn, audio_bytes: Math.min(turn.audio_bytes + size, LARGEST) }) : turn;
}

/** Note how much had been played when the turn was interrupted; of two reports the shorter counts. */
export function cut(turn: Turn, audioEndMs: number): Turn {
  const end = Math.min(turn.audio_end_ms ?? audioEndMs, audioEndMs);
  const same = end === turn.audio_end_ms;
  return reached(same ? turn : withHeard({ ...turn, audio_end_ms: end }), "interrupted");
}

/** Raise the status; a turn never goes back. */
export function reached(turn: Turn, status: TurnStatus): Turn {
  return STATUSES.indexOf(status) > STATUSES.indexOf(turn.status) ? { ...turn, status } : turn;
}

/** Show the turn only if it has something to show. */
export function needingText(turn: Turn): Turn {
  return turn.needs_text ? turn : { ...turn, needs_text: true };
}

/** Note which response made the turn, the first time that it is said. */
export function attributed(turn: Turn, response: string | null): Turn {
  return response === null || turn.response_id !== null ? turn : { ...turn, response_id: response };
}

function partAt(turn: Turn, index: number): Part {
  return turn.parts.find((part) => part.index === index) ?? { index, text: "", closed: false, half: 0 };
}

/** The text that a delta adds after a half, and the half in which it ends. */
function joined(before: number, delta: string): { words: string; half: number } {
  const more = before ? String.fromCharCode(before) + delta : delta;
  const half = firstHalf(more.charCodeAt(more.length - 1));
  return { words: (half ? more.slice(0, -1) : more).toWellFormed(), half };
}

function firstHalf(code: unknown): number {
  const known = count(code) ?? 0;
  return known >= 0xd800 && known <= 0xdbff ? known : 0;
}

function put(turn: Turn, part: Part): Turn {
  const others = turn.parts.filter((other) => other.index !== part.index);
  const parts = [...others, part].sort((one, other) => one.index - other.index);
  const words = parts.map((one) => one.text.replace(/^ +/, "")).filter((one) => one !== "");
  return withHeard({ ...turn, parts, text: words.join(" ") });
}

function withHeard(turn: Turn): Turn {
  const { audio_end_ms: end, audio_bytes: bytes } = turn;
  if (end === null) return turn;
  const words = turn.text === "" ? [] : turn.text.split(" ");
  const played = bytes ? (words.length * end * BYTES_PER_MS) / bytes : end / MS_PER_WORD;
  return { ...turn, heard: words.slice(0, Math.floor(Math.min(played, words.length))).join(" ") };
}
