/**
 * What a session has used: the sums that the provider bills by.
 *
 * It must not know prices, nor which events carry the numbers. The twin is genmb_voice_widget/fold/usage.py.
 */
import { count, LARGEST, number, record } from "../reading";

/** Nothing used yet: tokens, except `responses` (a count) and `transcription_seconds`. */
export const NOTHING = {
  responses: 0,
  input_tokens: 0,
  output_tokens: 0,
  total_tokens: 0,
  input_text_tokens: 0,
  input_audio_tokens: 0,
  cached_tokens: 0,
  output_text_tokens: 0,
  output_audio_tokens: 0,
  transcription_tokens: 0,
  transcription_seconds: 0,
};

/** Sums over the session. Transcription is billed by tokens or by seconds, apart from the responses. */
export type Usage = Readonly<typeof NOTHING>;

const NAMES = Object.keys(NOTHING) as (keyof Usage)[];

/** Add member by member; a sum stops at the largest integer that both languages hold. */
export function plus(usage: Usage, other: Usage): Usage {
  return fromEach((each) => Math.min(usage[each] + other[each], LARGEST));
}

/** Read a usage that was JSON; members that are missing or not numbers are 0. */
export function usageFromJson(data: unknown): Usage {
  const members = record(data);
  return fromEach((each) => (each === "transcription_seconds" ? number : count)(members[each]) ?? 0);
}

/** Read `response.usage` of response.done (OpenAI Realtime API reference); it may be absent. */
export function ofResponse(usage: unknown): Usage {
  const members = record(usage);
  const [given, made] = [record(members.input_token_details), record(members.output_token_details)];
  return {
    ...NOTHING,
    responses: 1,
    input_tokens: count(members.input_tokens) ?? 0,
    output_tokens: count(members.output_tokens) ?? 0,
    total_tokens: count(members.total_tokens) ?? 0,
    input_text_tokens: count(given.text_tokens) ?? 0,
    input_audio_tokens: count(given.audio_tokens) ?? 0,
    cached_tokens: count(given.cached_tokens) ?? 0,
    output_text_tokens: count(made.text_tokens) ?? 0,
    output_audio_tokens: count(made.audio_tokens) ?? 0,
  };
}

/** Read `usage` of a transcription: `{type: "tokens", …}` or `{type: "duration", seconds}`. */
export function ofTranscription(usage: unknown): Usage {
  const members = record(usage);
  return {
    ...NOTHING,
    transcription_tokens: count(members.total_tokens) ?? 0,
    transcription_seconds: number(members.seconds) ?? 0,
  };
}

function fromEach(value: (each: keyof Usage) => number): Usage {
  const usage = { ...NOTHING };
  for (const each of NAMES) usage[each] = value(each);
  return usage;
}
