/** Sessions recorded from the real services fold to what was said in them. Without the recordings nothing is tested. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Envelope, stripAudio } from "../src/protocol";
import { fold, State } from "../src/state";

const FOLDER = new URL("../../../shared/recordings/", import.meta.url);
const FILES = existsSync(FOLDER) ? readdirSync(FOLDER).sort() : [];

const LONDON = "user: What is the weather in London? (completed)";
const MARCELO = "user: Hello, my name is Marcelo. (completed)";
const CALL = { name: "get_weather", arguments: '{  \n  "city": "London" \n} \n' };
const OUTPUT = { output: "It is foggy and 12 degrees in London." };

interface Expected {
  readonly turns: readonly string[];
  readonly call?: Readonly<Record<string, string>>;
  readonly errors?: readonly string[];
  readonly model: string;
  /** Responses, total tokens, cached tokens, seconds of transcription. */
  readonly usage: readonly [number, number, number, number];
}

const EXPECTED: Readonly<Record<string, Expected>> = {
  "azure_voice_live_ws.text_in_audio_out_turn.jsonl": {
    turns: ["user: Say a short greeting. (completed)", "assistant: Hola, ¿qué tal? (completed)"],
    model: "gpt-realtime-global-standard",
    usage: [1, 61, 0, 0],
  },
  "azure_voice_live_ws.tool_call_round.jsonl": {
    turns: [
      LONDON,
      "tool:  (completed)",
      "assistant: It's foggy and 12 degrees in London right now. (completed)",
    ],
    call: { call_id: "call_gjTmnRCz6ans0s2H", ...CALL, ...OUTPUT },
    model: "gpt-realtime-global-standard",
    usage: [2, 195, 64, 0],
  },
  "azure_ws.audio_in_server_vad_transcribes.jsonl": {
    turns: [
      MARCELO,
      "assistant: Hi Marcelo, it's great to meet you! What can I help you with today? (completed)",
    ],
    model: "gpt-realtime",
    usage: [1, 146, 0, 3],
  },
  "azure_ws.audio_in_server_vad_transcription_requires_deployment.jsonl": {
    turns: [
      "user:  (failed)",
      "assistant: Hi Marcelo, it's great to meet you. How can I help you today? (completed)",
    ],
    errors: ["transcription_deployment_missing"],
    model: "gpt-realtime",
    usage: [1, 148, 0, 0],
  },
  "azure_ws.tool_call_round.jsonl": {
    turns: [LONDON, "tool:  (completed)", "assistant: It is foggy and 12 degrees in London. (completed)"],
    call: { call_id: "call_I5nx0fK2YAldYQZs", ...CALL, ...OUTPUT },
    model: "gpt-realtime",
    usage: [2, 194, 64, 0],
  },
  "azure_ws_sideband.webrtc_sideband_text_turn.jsonl": {
    turns: ["user: Say hello. (completed)", "assistant: Hello there! (completed)"],
    model: "gpt-realtime",
    usage: [1, 17, 0, 0],
  },
  "openai_ws.audio_in_server_vad_turn.jsonl": {
    turns: [MARCELO, "assistant: Hello, Marcelo! Great to meet you. How can I help you today? (completed)"],
    model: "gpt-realtime",
    usage: [1, 205, 0, 3],
  },
};

function read(file: string): Envelope[] {
  const lines = readFileSync(new URL(file, FOLDER), "utf8").trimEnd().split("\n");
  return lines.map((line, index) => {
    const { dir, event } = JSON.parse(line);
    return { seq: index + 1, t: index, dir, event: stripAudio(event) };
  });
}

it("finds the recordings only where they are", () => {
  expect(FILES.every((file) => file in EXPECTED)).toBe(true);
});

describe.each(FILES)("%s", (file) => {
  const log = read(file);

  it("folds to what was said, called, used and went wrong", () => {
    const state = fold(log);
    const { turns, call, errors = [], model, usage } = EXPECTED[file] ?? expect.unreachable(file);
    expect(state.turns.map(({ role, text, status }) => `${role}: ${text} (${status})`)).toEqual(turns);
    expect(state.turns.flatMap((turn) => turn.call ?? [])).toEqual(call ? [{ ...call, half: 0 }] : []);
    expect(state.errors.map(({ code }) => code)).toEqual(errors);
    expect(state.session).toMatchObject({ model, voice: "alloy" });
    const { responses, total_tokens, cached_tokens, transcription_seconds } = state.usage;
    expect([responses, total_tokens, cached_tokens, transcription_seconds]).toEqual(usage);
  });

  it("ends live and quiet, with nothing interrupted", () => {
    const state = fold(log);
    expect([state.status, state.activity, state.speech, state.awaiting]).toEqual([
      "live",
      "listening",
      null,
      false,
    ]);
    expect(state.responses.size).toBe(0);
    expect(state.turns.every(({ heard }) => heard === null)).toBe(true);
  });

  it("goes on from a snapshot at any event", () => {
    const whole = JSON.stringify(fold(log));
    for (let cut = 0; cut < log.length; cut += 7) {
      const state = State.fromJSON(JSON.parse(JSON.stringify(fold(log.slice(0, cut)))));
      for (const envelope of log.slice(cut)) state.apply(envelope);
      expect(JSON.stringify(state)).toBe(whole);
    }
  });
});
