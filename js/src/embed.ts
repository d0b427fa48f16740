/**
 * `window.genmb.voice`: a voice session in a plain page, with a token endpoint and no notebook.
 * The page's own interface is the page's business; this file only calls back.
 */
import { type Backend, createHttpBackend } from "./backend";
import { automatic, CARRIERS, type Carrier } from "./carrier";
import type { Session } from "./driver";
import { Failure } from "./failure";
import type { Turn } from "./fold/turn";
import { type Problem, problem, type SessionStatus } from "./protocol";
import { record } from "./reading";
import { createSession } from "./session";
import type { Activity } from "./state";

export interface StartOptions {
  /** The token endpoint; by default the place that this script came from. */
  readonly endpoint?: string;
  /** The id of the app that the page belongs to; by default the script tag's `data-app`. */
  readonly app?: string;
  /** An app token of the endpoint, where the page was given one. An app's key belongs on a server. */
  readonly key?: string;
  /** Whether the endpoint is asked with the user's cookies, because it is a site that the user is signed in to. */
  readonly signedIn?: boolean;
  readonly provider?: string;
  readonly instructions?: string;
  readonly voice?: string;
  readonly model?: string;
  /** The user's turns begin and end with `talk`: the microphone is closed in between. */
  readonly pushToTalk?: boolean;
  /** What carries the call; by default WebRTC and, where no connection comes about, a WebSocket to the endpoint. */
  readonly transport?: Carrier;
  /** More of the session, in the wire form of the GA Realtime API; it wins over the words above. */
  readonly session?: Readonly<Record<string, unknown>>;
}

const OPTIONS: Readonly<Record<keyof StartOptions, true>> = {
  endpoint: true,
  app: true,
  key: true,
  signedIn: true,
  provider: true,
  instructions: true,
  voice: true,
  model: true,
  pushToTalk: true,
  transport: true,
  session: true,
};

/** A problem of the catalogue, and when it may be over. */
export interface VoiceProblem extends Problem {
  /** Seconds after which a start may succeed, where the endpoint said so. */
  readonly retry_after?: number;
}

/** What is thrown: an error that is also a problem. */
export interface VoiceError extends Error, VoiceProblem {}

export interface Voice {
  /** Resolves when the session is live; rejects with a `VoiceError`. A second call joins the first. */
  start(options?: StartOptions): Promise<void>;
  stop(): void;
  /** Type to the agent. Throws a `VoiceError` when no session is live. */
  say(text: string): void;
  /** Switch the microphone off, or on again; before a start, for the session that comes. */
  mute(muted: boolean): void;
  /** With `pushToTalk`: the user begins to speak, which cuts the agent short, or has spoken and is answered. */
  talk(held: boolean): void;
  onstatus: ((status: SessionStatus, activity: Activity | null) => void) | null;
  onerror: ((problem: VoiceProblem) => void) | null;
  /** Called with each turn that is new or has changed; `id` tells which one. */
  ontranscript: ((turn: Turn) => void) | null;
}

interface Place {
  readonly endpoint: string;
  readonly app: string | undefined;
}

/** `tag`: the script that brought this, which says where the endpoint is and which app the page belongs to. */
export function createVoice(tag: HTMLOrSVGScriptElement | null = document.currentScript): Voice {
  const place = readTag(tag);
  let session: Session | null = null;
  let muted = false;
  const voice: Voice = {
    onstatus: null,
    onerror: null,
    ontranscript: null,
    start: async (options = {}) => {
      const unknown = Object.keys(options).filter((name) => !Object.hasOwn(OPTIONS, name));
      if (unknown.length > 0) throw asError(unknownOptions(unknown));
      if (options.transport !== undefined && !Object.hasOwn(CARRIERS, options.transport))
        throw asError(new Failure("bad_option", `transport must be ${Object.keys(CARRIERS).join(" or ")}.`));
      if (!session?.view().busy) {
        session = open(voice, place, options);
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
    talk: (held) => session?.talk(held),
    say: (text) => {
      const failure = session ? session.say(text) : new Failure("not_live");
      if (failure) throw asError(failure);
    },
  };
  window.addEventListener("pagehide", () => session?.stop("page_gone"));
  return voice;
}

function unknownOptions(names: readonly string[]): Failure {
  const supported = Object.keys(OPTIONS).join(", ");
  return new Failure("bad_option", `Unknown: ${names.join(", ")}. Supported: ${supported}.`);
}

function readTag(tag: HTMLOrSVGScriptElement | null): Place {
  const src = tag instanceof HTMLScriptElement ? tag.src : "";
  return { endpoint: src ? new URL(".", src).href : location.origin, app: tag?.dataset.app };
}

function open(voice: Voice, place: Place, options: StartOptions): Session {
  const { endpoint = place.endpoint, app = place.app, key, provider, signedIn } = options;
  const waits = new Map<string, number>();
  const wire = wireSession(options);
  const backend = createHttpBackend({
    endpoint,
    session: wire,
    ...(app ? { app } : {}),
    ...(key ? { key } : {}),
    ...(provider ? { provider } : {}),
    ...(signedIn ? { signedIn } : {}),
  });
  const connect = options.transport ? CARRIERS[options.transport] : automatic;
  const session = createSession({ backend: noting(backend, waits), connect });
  session.pushToTalk(endsByButton(wire) ? { autoRespond: true } : null);
  session.subscribe(watch(voice, session, waits));
  return session;
}

/** The log keeps sentences and no waiting times, so those are noted on their way. */
function noting(backend: Backend, waits: Map<string, number>): Backend {
  const note = (thrown: unknown): never => {
    if (thrown instanceof Failure && thrown.retryAfter !== undefined)
      waits.set(thrown.code, thrown.retryAfter);
    throw thrown;
  };
  return {
    ...backend,
    open: (sdp, key) => backend.open(sdp, key).catch(note),
    connected: (ticket) => backend.connected(ticket).catch(note),
  };
}

/**
 * OpenAI Realtime API reference, the session object: voice is an option of the audio output, and what the user says is
 * written down only where a model for it is named.
 */
function wireSession(options: StartOptions): Record<string, unknown> {
  const { instructions, voice, model, pushToTalk, session } = options;
  const input = {
    transcription: { model: "gpt-realtime-whisper" },
    ...(pushToTalk ? { turn_detection: null } : {}),
  };
  return {
    type: "realtime",
    ...(model ? { model } : {}),
    ...(instructions ? { instructions } : {}),
    audio: { input, ...(voice ? { output: { voice } } : {}) },
    ...session,
  };
}

/** OpenAI Realtime API reference, turn_detection: null where the service shall not look for the end of a turn. */
function endsByButton(session: Record<string, unknown>): boolean {
  return record(record(session.audio).input).turn_detection === null;
}

/** Tell the page what has changed since it was last told. */
function watch(voice: Voice, session: Session, waits: ReadonlyMap<string, number>): () => void {
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
    for (const found of problems)
      guarded(() => voice.onerror?.({ ...found, ...after(waits.get(found.code)) }));
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
  const found = { ...problem(code, detail ?? null), ...after(retryAfter) };
  const words = [found.say, found.detail, found.fix].filter(Boolean).join(" ");
  return Object.assign(new Error(words), { name: "VoiceError", ...found });
}

function after(seconds: number | undefined): { readonly retry_after?: number } {
  return seconds === undefined ? {} : { retry_after: seconds };
}
