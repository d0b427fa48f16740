/** Example states for the gallery: what a widget shows before, during and after a call, and when something is wrong. */
import type { Turn } from "../src/fold/turn";
import { newTurn } from "../src/fold/turn";
import { problem } from "../src/protocol";
import type { Shown } from "../src/ui/store";

const turn = (id: string, role: Turn["role"], text: string, more: Partial<Turn> = {}): Turn => ({
  ...newTurn(id, role),
  text,
  status: "completed",
  ...more,
});

const conversation: Turn[] = [
  turn("1", "user", "What is the weather like in Lisbon today?"),
  turn("2", "tool", "", {
    call: {
      call_id: "c1",
      name: "get_weather",
      arguments: '{"city": "Lisbon", "unit": "celsius"}',
      output: "22 °C, clear sky",
      half: 0,
    },
  }),
  turn(
    "3",
    "assistant",
    "It is twenty-two degrees and the sky is clear. You will not need an umbrella, but take sunglasses.",
    {
      status: "interrupted",
      heard: "It is twenty-two degrees and the sky is clear.",
    },
  ),
  turn("4", "user", "And tomorrow?"),
  turn("5", "assistant", "Tomorrow it stays dry, with a light wind from the", { status: "in_progress" }),
];

const idle: Shown = {
  status: "idle",
  activity: null,
  turns: [],
  problems: [],
  provider: "local",
  model: null,
  busy: false,
  muted: false,
  pushToTalk: false,
  held: false,
  soundBlocked: false,
  notice: null,
  ready: true,
  recorded: false,
  left: null,
};
const live: Shown = {
  ...idle,
  status: "live",
  activity: "speaking",
  busy: true,
  turns: conversation,
  provider: "azure",
  model: "gpt-realtime",
};

export const examples: Record<string, Shown> = {
  idle,
  connecting: { ...idle, status: "connecting", busy: true },
  speaking: live,
  hearing: {
    ...live,
    activity: "hearing",
    turns: [...conversation.slice(0, 3), turn("6", "user", "", { status: "in_progress" })],
    muted: false,
  },
  muted: {
    ...live,
    activity: "listening",
    muted: true,
    turns: [...conversation, ...conversation.map((old) => ({ ...old, id: `${old.id}b` }))],
  },
  waiting: { ...live, activity: "listening", turns: conversation.slice(0, 3), pushToTalk: true },
  held: { ...live, activity: "listening", turns: conversation.slice(0, 3), pushToTalk: true, held: true },
  closed: { ...live, activity: "listening", turns: conversation.slice(0, 3), pushToTalk: true, muted: true },
  denied: { ...idle, status: "failed", problems: [problem("mic_denied")] },
  few: {
    ...idle,
    left: { words: ["12 of 20 sessions left this hour", "95 credits, 5 a session"], room: true },
  },
  none: { ...idle, left: { words: ["No sessions left this hour", "room again at 14:05"], room: false } },
  poor: { ...idle, left: { words: ["3 credits, a session takes 5"], room: false } },
  counted: { ...live, left: { words: ["12 of 20 sessions left this hour"], room: true } },
  limited: { ...idle, status: "failed", problems: [problem("rate_limited", "Possible again in 12 min.")] },
  blocked: { ...live, soundBlocked: true },
  reconnecting: { ...live, status: "reconnecting", activity: null },
  ended: {
    ...live,
    status: "ended",
    activity: null,
    busy: false,
    turns: conversation.slice(0, 4),
    problems: [problem("view_gone")],
  },
  saved: {
    ...idle,
    ready: false,
    turns: conversation.slice(0, 4),
    notice: problem("kernel_gone"),
  },
  recorded: {
    ...idle,
    status: "failed",
    recorded: true,
    turns: conversation.slice(0, 4),
    problems: [problem("connection_lost")],
  },
};
