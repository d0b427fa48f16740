/** What the interface calls things. Words only; the sentences for errors are in `protocol.json`. */
import type { SessionStatus } from "../protocol";
import type { Activity } from "../state";

const STATUS: Record<SessionStatus, string> = {
  idle: "Ready",
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Reconnecting…",
  ended: "Ended",
  failed: "Failed",
};

const ACTIVITY: Record<Activity, string> = {
  listening: "Listening",
  hearing: "Hearing you",
  thinking: "Thinking…",
  speaking: "Speaking",
};

const PROVIDERS: Record<string, string> = {
  local: "Local practice peer",
  azure: "Azure OpenAI",
  openai: "OpenAI",
  "voice-live": "Azure Voice Live",
  "openai-compatible": "OpenAI-compatible service",
};

/** A call that runs, but not in this page, is held by another page or by none; while something is in the way nothing can begin. */
export function statusWord(status: SessionStatus, busy: boolean, hindered: boolean): string {
  const running = status === "connecting" || status === "live" || status === "reconnecting";
  if (running && !busy) return "In a call elsewhere";
  return status === "idle" && hindered ? "Offline" : STATUS[status];
}

export interface Ear {
  readonly muted: boolean;
  readonly pushToTalk: boolean;
  readonly held: boolean;
}

/** Who hears nothing must not claim to listen; and no service says that it hears a turn which ends by a button. */
export function activityWord(activity: Activity | null, { muted, pushToTalk, held }: Ear): string {
  if (activity === null) return "";
  if (pushToTalk && held) return ACTIVITY.hearing;
  if (activity !== "listening") return ACTIVITY[activity];
  if (muted) return "Microphone off";
  return pushToTalk ? "Waiting for you" : ACTIVITY.listening;
}

/** Who answers; the local peer's model has no name of its own. */
export function sourceLine(provider: string | null, model: string | null): string {
  const name = provider && (PROVIDERS[provider] ?? provider);
  return [name, model === provider ? null : model].filter(Boolean).join(" · ");
}

export const speaker = { user: "You", assistant: "Agent", system: "System", tool: "Tool" } as const;

/** A tool call on one line: the function with its arguments, and what came of it. */
export function toolLine(name: string | null, args: string): string {
  return `${name ?? "function"}(${compactArguments(args)})`;
}

function compactArguments(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (value === null || typeof value !== "object" || Array.isArray(value)) return text;
    return Object.entries(value)
      .map(([key, member]) => `${key}: ${typeof member === "string" ? member : JSON.stringify(member)}`)
      .join(", ");
  } catch {
    return text;
  }
}
