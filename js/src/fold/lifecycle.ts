/**
 * What events about the session as a whole do: our own, the provider's session and errors.
 *
 * The twin is genmb_voice_widget/fold/lifecycle.py.
 */
import { following, isBenign, isStatus, problem, type WireEvent } from "../protocol";
import { count, name, record, text } from "../reading";
import type { State } from "../state";
import { sessionFromJson } from "./facts";
import { reached } from "./turn";

/** Move to a status that may follow; the code says why, unless an error has said so just before. */
function statusChanged(state: State, event: WireEvent): void {
  const { status } = event;
  if (!isStatus(status) || !following(state.status).includes(status)) return;
  state.status = status;
  const code = name(event.code);
  if (code !== null) {
    const why = problem(code);
    if (state.errors.at(-1)?.code !== why.code) state.addError(why);
  }
  if (following(status).length === 0) close(state);
}

/** Keep what the ticket said. */
function sessionDescribed(state: State, event: WireEvent): void {
  state.session = sessionFromJson({ ...event, expires_at: null }, state.session);
}

/** End what ran in the lost call: another has taken its place, with an id and an end of its own. */
function callReplaced(state: State, event: WireEvent): void {
  const { call_id: _, expires_at: __, ...stays } = state.session ?? {};
  state.session = sessionFromJson({ call_id: event.call_id }, stays);
  close(state);
}

/** Show an error from the catalogue. */
function errorOfOurs(state: State, event: WireEvent): void {
  state.addError(problem(name(event.code) ?? "internal", text(event.detail), name(event.item_id)));
}

/** Replace the whole state. */
function snapshot(state: State, event: WireEvent): void {
  state.restore(event.state);
}

/** Keep what the provider says about the session; hearing from it means that the session is live. */
function sessionReported(state: State, event: WireEvent): void {
  const reported = record(event.session);
  const output = record(record(reported.audio).output);
  const known = {
    model: name(reported.model),
    voice: voiceOf(output.voice) ?? voiceOf(reported.voice),
    expires_at: count(reported.expires_at),
  };
  state.session = sessionFromJson(known, state.session);
  if (state.status === "idle" || state.status === "connecting") state.status = "live";
}

/**
 * Show the provider's error, unless it only says that a race was lost. One that names an item, whose id its
 * `conversation.item.create` has for an `event_id`, is about that item; after any other no response is on its way.
 */
function errorReported(state: State, event: WireEvent): void {
  const error = record(event.error);
  const code = text(error.code);
  const refused = state.turn(name(error.event_id) ?? "");
  if (refused) state.put(reached(refused, "failed"));
  else state.awaiting = false;
  if (isBenign(code)) return;
  const detail = name(error.message) ?? name(code);
  const known = code === "session_expired" ? "session_expired" : "provider_error";
  state.addError(problem(known, detail, refused?.id ?? null));
}

/** Wait for the response that we asked for, unless it is to run beside the conversation. */
function responseRequested(state: State, event: WireEvent): void {
  state.awaiting ||= record(event.response).conversation !== "none";
}

function voiceOf(voice: unknown): string | null {
  return name(voice) ?? name(record(voice).id) ?? name(record(voice).name);
}

function close(state: State): void {
  for (const [each, response] of [...state.responses]) {
    for (const turn of state.ofResponse(each)) {
      if (turn.status === "in_progress") state.put(reached(turn, "interrupted"));
    }
    state.setResponse(each, { ...response, playing: false, done: true });
  }
  state.dropSpeech();
  state.awaiting = false;
}

export const OWN = {
  "genmb.status": statusChanged,
  "genmb.session": sessionDescribed,
  "genmb.reopened": callReplaced,
  "genmb.error": errorOfOurs,
  "genmb.snapshot": snapshot,
};
export const IN = {
  "session.created": sessionReported,
  "session.updated": sessionReported,
  error: errorReported,
};
export const OUT = { "response.create": responseRequested };
