/**
 * Which handler an event goes to.
 *
 * The fold's rules: no I/O, no clock, no randomness; never look at who the provider is; nothing throws, whatever the
 * JSON: an event that is not known, or that makes no sense, changes nothing; reports about one thing may come in any
 * order. The twin is genmb_voice_widget/fold/reduce.py; tests/vectors keeps the two equal.
 */
import { canonical, type Direction, type WireEvent } from "../protocol";
import type { State } from "../state";
import * as items from "./items";
import * as lifecycle from "./lifecycle";
import * as replies from "./replies";

type Handler = (state: State, event: WireEvent) => void;

const HANDLERS: Readonly<Record<Direction, ReadonlyMap<string, Handler>>> = {
  own: new Map(Object.entries(lifecycle.OWN)),
  in: new Map(Object.entries({ ...lifecycle.IN, ...items.IN, ...replies.IN })),
  out: new Map(Object.entries({ ...lifecycle.OUT, ...items.OUT })),
};

/** Change the state as the event says, whichever of its names (GA, beta, Voice Live) it bears. */
export function reduce(state: State, direction: Direction, event: WireEvent): void {
  const known = canonical(event);
  HANDLERS[direction].get(known.type)?.(state, known);
}
