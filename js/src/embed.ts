/**
 * `window.genmb.voice`: a voice session in a plain page, with a token endpoint and no notebook.
 * The page's own interface is the page's business; this file only calls back.
 */
import { createHttpBackend } from "./backend";
import { Failure } from "./failure";
import type { Turn } from "./fold/turn";
import { type Problem, problem, type SessionStatus } from "./protocol";
import { createSession, type Session } from "./session";
import type { Activity } from "./state";
import { connect } from "./webrtc";

export interface StartOptions {
  /** The token endpoint; by default the origin that this script came from. */
  readonly endpoint?: string;
  /** An app key of the endpoint, where it asks for one. */
  readonly key?: string;
  readonly provider?: string;
  readonly instructions?: string;
  readonly voice?: string;
  readonly model?: string;
  /** More of the session, in the wire form of the GA Realtime API; it wins over the words above. */
  readonly session?: Readonly<Record<string, unknown>>;
}

/** What is thrown: an error that is also a problem of the catalogue. */
export interface VoiceError extends Error, Problem {
  /** Seconds after which a start may succeed. */
  readonly retry_after?: number;
}

export interface Voice {
  /** Resolves when the session is live; rejects with a `VoiceError`. A second call joins the first. */
  start(options?: StartOptions): Promise<void>;
  stop(): void;
  /** Type to the agent. Throws a `VoiceError` when no session is live. */
  say(text: string): void;
  /** Switch the microphone off, or on again; before a start, for the session that comes. */
  mute(muted: boolean): void;
  onstatus: ((status: SessionStatus, activity: Activity | null) => void) | null;
  onerror: ((problem: Problem) => void) | null;
  /** Called with each turn that is new or has changed; `id` tells which one. */
  ontranscript: ((turn: Turn) => void) | null;
}

const origin = new URL((document.currentScript as HTMLScriptElement | null)?.src || location.href).origin;

export function createVoice(): Voice {
  let session: Session | null = null;
  let muted = false;
  const voice: Voice = {
    onstatus: null,
    onerror: null,
    ontranscript: null,
    start: async (options = {}) => {
      if (!session?.view().busy) {
        session = open(voice, options);
        session.mute(muted);
      }
      await session.start().catch((failure: Failure) => {
        throw asError(failure);
      });
    },
    stop: () => session?.stop(),
    mute: (next) => {
      muted = next;
      session?.mute(next);
    },
    say: (text) => {
      const failure = session ? session.say(text) : new Failure("not_live");
      if (failure) throw asError(failure);
    },
  };
  window.addEventListener("pagehide", () => session?.stop("page_gone"));
  return voice;
}

function open(voice: Voice, options: StartOptions): Session {
  const { endpoint = origin, key, provider } = options;
  const backend = createHttpBackend({
    endpoint,
    session: wireSession(options),
    ...(key ? { key } : {}),
    ...(provider ? { provider } : {}),
  });
  const session = createSession({ backend, connect });
  session.subscribe(watch(voice, session));
  return session;
}

/**
 * OpenAI Realtime API reference, the session object: voice is an option of the audio output, and what the user says is
 * written down only where a model for it is named.
 */
function wireSession({ instructions, voice, model, session }: StartOptions): Record<string, unknown> {
  const input = { transcription: { model: "gpt-realtime-whisper" } };
  return {
    type: "realtime",
    ...(model ? { model } : {}),
    ...(instructions ? { instructions } : {}),
    audio: { input, ...(voice ? { output: { voice } } : {}) },
    ...session,
  };
}

/** Tell the page what has changed since it was last told. */
function watch(voice: Voice, session: Session): () => void {
  let status: SessionStatus = "idle";
  let activity: Activity | null = null;
  let errors = 0;
  let turns: readonly Turn[] = [];
  return () => {
    const { state } = session.view();
    const known = new Set(turns);
    const news = turns === state.turns ? [] : state.turns.filter((turn) => !known.has(turn));
    const problems = state.errors.slice(errors);
    const moved = status !== state.status || activity !== state.activity;
    ({ status, activity, turns } = state);
    errors = state.errors.length;
    for (const turn of news) guarded(() => voice.ontranscript?.(turn));
    for (const found of problems) guarded(() => voice.onerror?.(found));
    if (moved) guarded(() => voice.onstatus?.(status, activity));
  };
}

/** A callback's mistake is the page's, and must not keep the other callbacks from what they wait for. */
function guarded(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    reportError(error);
  }
}

function asError({ code, detail, retryAfter }: Failure): VoiceError {
  const found = problem(code, detail ?? null);
  const when = retryAfter === undefined ? {} : { retry_after: retryAfter };
  return Object.assign(new Error(`${found.say} ${found.fix}`), { name: "VoiceError", ...found, ...when });
}
