// The transport of OpenAI's agents SDK, as it comes.
import { OpenAIRealtimeWebRTC } from "@openai/agents-realtime";

window.connectAgents = async (url, secret) => {
  marks.begin();
  const transport = new OpenAIRealtimeWebRTC({ baseUrl: `${url}/v1/realtime/calls` });
  const connected = transport.connect({ apiKey: secret, model: "demo" });
  const times = await marks.finished;
  await connected;
  transport.close();
  return times;
};
