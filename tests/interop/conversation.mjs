// One conversation as a stock client of OpenAI's agents SDK sees it: two spoken turns, the second with a tool call.
import { RealtimeAgent, RealtimeSession, tool } from "@openai/agents-realtime";
import { z } from "zod";

/** Opens a session over the given transport; `until(n)` resolves once n user turns were written down and each was answered. */
export const converse = async (transport, apiKey) => {
  const calls = [];
  const errors = [];
  const weather = tool({
    name: "get_weather",
    description: "The weather in a city.",
    parameters: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      calls.push(city);
      return `It is sunny and 21 degrees in ${city}.`;
    },
  });
  const agent = new RealtimeAgent({ name: "guide", instructions: "Answer briefly.", tools: [weather] });
  const session = new RealtimeSession(agent, {
    transport,
    model: "demo",
    config: { audio: { input: { turnDetection: { type: "server_vad", silenceDurationMs: 500 } } } },
  });
  session.on("error", ({ error }) => errors.push(JSON.stringify(error) ?? String(error)));
  const events = [];
  session.on("transport_event", (event) => {
    events.push(event.type);
    if (event.type === "error") errors.push(JSON.stringify(event));
  });
  await session.connect({ apiKey });
  const turns = () =>
    session.history
      .filter((item) => item.type === "message")
      .map((item) => ({ role: item.role, text: item.content.map((part) => part.transcript ?? part.text ?? "").join("") }));
  const said = () => turns().filter((turn) => turn.text);
  const answered = (count) => {
    const spoken = said();
    const users = spoken.filter((turn) => turn.role === "user").length;
    return users >= count && spoken.at(-1).role === "assistant" && events.filter((type) => type === "response.done").length > count;
  };
  const until = async (count, limit = 40_000) => {
    const deadline = performance.now() + limit;
    while (!answered(count) && performance.now() < deadline) await new Promise((next) => setTimeout(next, 50));
    return { turns: said(), calls, errors, events };
  };
  return { session, until };
};
