/**
 * The words on the wire: the envelope, canonical event names, audio kept out of the log, the error catalogue.
 *
 * The data is in protocol.json, which both languages read. This module must not know what an event does to the state,
 * nor how events travel. The twin is genmb_voice_widget/protocol.py.
 */
import protocol from "../../genmb_voice_widget/protocol.json";
import { count, elements, isRecord, name, record, text } from "./reading";

/** `in` from the provider, `out` sent by us, `own` our lifecycle. */
export type Direction = "in" | "out" | "own";
export type SessionStatus = keyof typeof protocol.status;
export type ErrorCode = keyof typeof protocol.errors;

/** How the services of a dialect take calls by WebRTC. */
export interface CallForm {
  /** The label of the data channel. */
  readonly channel: string;
  /** The offer must hold all its candidates (Voice Live by WebRTC: there is no trickle). */
  readonly whole_offer: boolean;
  /** What a page says on the data channel is not read: its events go by another way. */
  readonly deaf: boolean;
  /** The type of a text that is put into an assistant's mouth. */
  readonly reply_text: string;
}

/** A realtime event as JSON: its type and the members that the type has. */
export interface WireEvent {
  readonly type: string;
  readonly [member: string]: unknown;
}

/** One line of a session's log. `seq` counts from 1 without holes; `t` is whole milliseconds since the log began. */
export interface Envelope {
  readonly seq: number;
  readonly t: number;
  readonly dir: Direction;
  readonly event: WireEvent;
}

/** Something that went wrong: what it is, what to do, and whether trying again can help. */
export interface Problem {
  readonly code: ErrorCode;
  readonly say: string;
  readonly fix: string;
  readonly retryable: boolean;
  readonly detail: string | null;
  /** The item of the conversation that it kept out or spoilt, where it is about one. */
  readonly item_id?: string;
}

const ALIASES: ReadonlyMap<string, string> = new Map(Object.entries(protocol.aliases));
const STATUS: ReadonlyMap<string, readonly string[]> = new Map(Object.entries(protocol.status));
const BENIGN: ReadonlySet<string> = new Set(protocol.benign_errors);

const FORMS: Readonly<Record<string, CallForm>> = protocol.calls;
export const GA_CALLS: CallForm = protocol.calls.ga;

/** The form of a dialect's calls; by default GA's. */
export function callForm(dialect: unknown): CallForm {
  return typeof dialect === "string" && Object.hasOwn(FORMS, dialect)
    ? (FORMS[dialect] ?? GA_CALLS)
    : GA_CALLS;
}

export function isStatus(value: unknown): value is SessionStatus {
  return typeof value === "string" && STATUS.has(value);
}

/** The statuses that may follow; none follows the last ones. */
export function following(status: SessionStatus): readonly string[] {
  return protocol.status[status];
}

/** Whether a provider's error only says that a race was lost. */
export function isBenign(code: string | null): boolean {
  return code !== null && BENIGN.has(code);
}

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(protocol.errors, code);
}

/** An event as it came from elsewhere, or null for what is none. */
export function readEvent(data: unknown): WireEvent | null {
  const type = name(record(data).type);
  return type === null ? null : (data as WireEvent);
}

/** Read an envelope that came from elsewhere; throws an Error that names the member which is wrong. */
export function envelopeFromJson(data: unknown): Envelope {
  const members = record(data);
  const [seq, t, dir, event] = [count(members.seq), count(members.t), members.dir, readEvent(members.event)];
  if (!seq) throw new Error("not an envelope: seq must be an integer from 1");
  if (t === null) throw new Error("not an envelope: t must be whole milliseconds");
  if (dir !== "in" && dir !== "out" && dir !== "own") {
    throw new Error('not an envelope: dir must be "in", "out" or "own"');
  }
  if (event === null) throw new Error("not an envelope: event must be an object with a type");
  return { seq, t, dir, event };
}

/** The event under its GA name; the same object when it already has it. The names never clash between dialects. */
export function canonical(event: WireEvent): WireEvent {
  const type = ALIASES.get(event.type);
  return type === undefined ? event : { ...event, type };
}

/**
 * The event with every piece of audio replaced by its size; the same object when it holds none.
 *
 * `delta` becomes `delta_bytes` in response.output_audio.delta, and `audio` becomes `audio_bytes` in
 * input_audio_buffer.append and in the content of items and parts: decoded bytes, not characters.
 */
export function stripAudio(event: WireEvent): WireEvent {
  const { type } = canonical(event);
  if (type === "response.output_audio.delta") return sized(event, "delta") as WireEvent;
  if (type === "input_audio_buffer.append") return sized(event, "audio") as WireEvent;
  const stripped = Object.entries({
    part: stripPart(event.part),
    content: stripPart(event.content),
    item: stripItem(event.item),
    response: stripElements(event.response, "output", stripItem),
  }).filter(([member, value]) => value !== event[member]);
  return stripped.length ? { ...event, ...Object.fromEntries(stripped) } : event;
}

function stripItem(item: unknown): unknown {
  return stripElements(item, "content", stripPart);
}

function stripPart(part: unknown): unknown {
  return isRecord(part) ? sized(part, "audio") : part;
}

function stripElements(holder: unknown, member: string, strip: (element: unknown) => unknown): unknown {
  const before = elements(record(holder)[member]);
  const after = before.map(strip);
  return before.every((element, index) => element === after[index])
    ? holder
    : { ...record(holder), [member]: after };
}

function sized(
  members: Readonly<Record<string, unknown>>,
  member: string,
): Readonly<Record<string, unknown>> {
  const { [member]: encoded, ...others } = members;
  const characters = text(encoded)?.replace(/=+$/, "").length;
  if (characters === undefined) return members;
  return { ...others, [`${member}_bytes`]: Math.floor((characters * 3) / 4) };
}

/** Look a code up in the catalogue; an unknown one is `internal` and stands in the detail. */
export function problem(code: string, detail: string | null = null, item: string | null = null): Problem {
  if (!isErrorCode(code)) return problem("internal", detail ? `${code}: ${detail}` : code, item);
  const { say, fix, retryable } = protocol.errors[code];
  return { code, say, fix, retryable, detail, ...(item === null ? {} : { item_id: item }) };
}
