/**
 * What carries a plain page's call: WebRTC, and a WebSocket where the network lets no UDP through. It must not know how either works.
 */
import { withDetour } from "./detour";
import type { Connect } from "./transport";
import { connect as webrtc } from "./webrtc";
import { connect as websocket } from "./websocket";

export type Carrier = "webrtc" | "websocket";

export const CARRIERS: Readonly<Record<Carrier, Connect>> = { webrtc, websocket };

export const automatic: Connect = withDetour(websocket, "By WebSocket");
