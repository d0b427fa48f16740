/**
 * Small facts about a running session: which call it is, and how far a response has come.
 *
 * It must not know events or turns. The twin is genmb_voice_widget/fold/facts.py.
 */
import { count, name, record } from "../reading";

/** What is known about the call; members are absent when unknown, `expires_at` is in Unix seconds. */
export interface Session {
  readonly id?: string;
  readonly provider?: string;
  readonly transport?: string;
  readonly model?: string;
  readonly voice?: string;
  readonly call_id?: string;
  readonly expires_at?: number;
}

const NAMES = ["id", "provider", "transport", "model", "voice", "call_id"] as const;

/** Read the members that are there, over those that are known already; anything else is left out. */
export function sessionFromJson(data: unknown, known: Session | null = null): Session {
  const members = record(data);
  const session: { -readonly [Member in keyof Session]: Session[Member] } = { ...known };
  for (const each of NAMES) {
    const value = name(members[each]);
    if (value !== null) session[each] = value;
  }
  const expires = count(members.expires_at);
  if (expires) session.expires_at = expires;
  return session;
}

/**
 * A response that is not over.
 *
 * `buffered` means that the server tells when its sound plays (output_audio_buffer events), so that the sound may
 * outlast the response; otherwise it plays until the response is done. `outside` means that it runs beside the
 * conversation and adds nothing to it (OpenAI Realtime API reference, response.create, `conversation`).
 */
export interface Response {
  readonly playing: boolean;
  readonly buffered: boolean;
  readonly done: boolean;
  readonly outside: boolean;
}

export const NEW_RESPONSE: Response = { playing: false, buffered: false, done: false, outside: false };

/** Read a response that was JSON; what is not true is false. */
export function responseFromJson(data: unknown): Response {
  const { playing, buffered, done, outside } = record(data);
  return {
    playing: playing === true,
    buffered: buffered === true,
    done: done === true,
    outside: outside === true,
  };
}
