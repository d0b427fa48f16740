/**
 * What carries a call: WebRTC, and a WebSocket where the network lets no UDP through. It must not know how either works.
 */
import { asFailure, Failure } from "./failure";
import type { Connect } from "./transport";
import { connect as webrtc } from "./webrtc";
import { connect as websocket } from "./websocket";

export type Carrier = "webrtc" | "websocket";

export const CARRIERS: Readonly<Record<Carrier, Connect>> = { webrtc, websocket };

/** WebRTC and, when the call was accepted but no connection came about, one try by WebSocket. */
export const automatic: Connect = async (options) => {
  try {
    return await webrtc(options);
  } catch (thrown) {
    const failure = asFailure(thrown);
    if (options.signal.aborted || failure.code !== "handshake_timeout") throw thrown;
    options.report({ type: "detour", code: failure.code });
    return websocket(options).catch((second: unknown) => {
      if (options.signal.aborted) throw second;
      // What is in the way is what the first one met.
      throw new Failure(failure.code, `By WebSocket: ${asFailure(second).message}`);
    });
  }
};
