/**
 * What is tried where the network lets no UDP through: another way, once, after WebRTC.
 * It must not know how either works.
 */
import { asFailure, Failure } from "./failure";
import type { Connect } from "./transport";
import { connect as webrtc } from "./webrtc";

/** WebRTC and, when the call was accepted but no connection came about, one try by `another`, in words `named` so. */
export function withDetour(another: Connect, named: string): Connect {
  return async (options) => {
    try {
      return await webrtc(options);
    } catch (thrown) {
      const failure = asFailure(thrown);
      if (options.signal.aborted || failure.code !== "handshake_timeout") throw thrown;
      options.report({ type: "detour", code: failure.code });
      return another(options).catch((second: unknown) => {
        if (options.signal.aborted) throw second;
        // What is in the way is what the first one met.
        throw new Failure(failure.code, `${named}: ${asFailure(second).message}`);
      });
    }
  };
}
