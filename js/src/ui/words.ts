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

/** A muted listener hears nothing, so it must not claim to. */
export function activityWord(activity: Activity | null, muted: boolean): string {
  if (activity === null) return "";
  return activity === "listening" && muted ? "Microphone off" : ACTIVITY[activity];
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
