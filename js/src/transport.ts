/**
 * What the driver asks of a connection to a provider, whatever carries it.
 * Types only: how a connection is made belongs to `webrtc.ts`, what its events mean to `state.ts`.
 */
import type { Failure } from "./failure";
import type { CallForm, WireEvent } from "./protocol";

/** The endpoint's answer to an offer, or to none: then it has an address in the place of an SDP. Members keep their wire names. */
export interface Ticket {
  readonly id: string;
  readonly provider: string;
  readonly dialect: string;
  readonly transport: string;
  readonly sdp?: string;
  /** Of a WebSocket, good for one opening. */
  readonly url?: string;
  readonly model?: string | null;
  readonly voice?: string | null;
  readonly call_id?: string | null;
  /** The `session` of a `session.update` that must be sent first: the service was not told it with the offer. */
  readonly update?: object | null;
}

/** What an open or opening connection reports. */
export type Report =
  | { readonly type: "event"; readonly event: unknown }
  /** What the transport itself had to say to the service. */
  | { readonly type: "sent"; readonly event: WireEvent }
  | { readonly type: "sound"; readonly stream: MediaStream }
  /** Something of the user's was lost; the call goes on. */
  | { readonly type: "trouble"; readonly failure: Failure }
  /** This failed; another way is tried. */
  | { readonly type: "detour"; readonly code: string }
  | { readonly type: "wavering" }
  | { readonly type: "steady" }
  | { readonly type: "over"; readonly by: "service" | "network" };

export interface ConnectOptions {
  /** The offer in, the answer out (both SDP); to an empty offer, the address of a WebSocket. */
  readonly exchange: (offer: string) => Promise<string>;
  readonly form: CallForm;
  /** Takes events to a service that does not read its channel. */
  readonly carry: (event: WireEvent) => void;
  readonly microphone: Promise<MediaStream>;
  /** Send the offer while the microphone still opens; right only when no permission prompt can come. */
  readonly eager: boolean;
  readonly report: (report: Report) => void;
  /** Aborting is the only way to close. */
  readonly signal: AbortSignal;
}

export interface Transport {
  /** Why this event could not be sent now: the connection is closed, or carries none so large. Null when it could. */
  objection(event: WireEvent): Failure | null;
  /** Send, unless there is an objection, which is returned. */
  send(event: WireEvent): Failure | null;
  replaceMicrophone(track: MediaStreamTrack): Promise<void>;
}

/** Resolves when media and events both flow; rejects with a `Failure` or the signal's reason, and then holds nothing. */
export type Connect = (options: ConnectOptions) => Promise<Transport>;
