// Bundled for the browser by the test: window.converse({url, secret, turns}) over the SDK's own WebRTC transport.
import { OpenAIRealtimeWebRTC } from "@openai/agents-realtime";
import { converse } from "./conversation.mjs";

window.converse = async ({ url, secret, turns }) => {
  const transport = new OpenAIRealtimeWebRTC({ baseUrl: `${url}/v1/realtime/calls` });
  const { session, until } = await converse(transport, secret);
  const result = await until(turns);
  session.close();
  return result;
};
