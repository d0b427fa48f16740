/**
 * The user's turns where the service does not look for their end: a button is held down while somebody speaks.
 * Owns what is sent for a press and for a release, and whether the microphone is open. It must not know what the button
 * looks like, nor what carries the events.
 *
 * Protocol facts: OpenAI Realtime API reference, turn_detection: without it the client clears the buffer, into which a
 * call's sound flows all the time, commits it, and asks for the response; a commit of less than 100 ms is refused.
 */
import type { WireEvent } from "./protocol";

/** The end of a word is still spoken when the finger goes up. */
export const TAIL_MS = 150;
/** Nobody says a word in less: it was a tap, which is no turn. */
export const TAP_MS = 200;

/** How the user's turns end: by a button; null: the service finds their end. */
export interface ByButton {
  /** Whether an answer is asked for as soon as a turn is over. */
  readonly autoRespond: boolean;
}

export interface PushToTalkOptions {
  readonly send: (event: WireEvent) => void;
  readonly interrupt: () => void;
  readonly respond: () => void;
  /** The microphone is to be opened or closed. */
  readonly onChange: () => void;
  readonly newId: () => string;
}

export interface PushToTalk {
  /** Choose how turns end from now on. */
  choose(rule: ByButton | null): void;
  /** Whether turns end by the button. */
  on(): boolean;
  held(): boolean;
  /** Whether the microphone is open, as far as the button is concerned. */
  open(): boolean;
  press(): void;
  release(): void;
  /** Let the button go, with nothing said. */
  drop(): void;
  /** Show every event of the service, with its canonical name. */
  observe(event: WireEvent | null): void;
}

type Button =
  | { readonly phase: "up" }
  | { readonly phase: "held"; readonly since: number }
  | { readonly phase: "tail"; readonly timer: ReturnType<typeof setTimeout> };

export function createPushToTalk(options: PushToTalkOptions): PushToTalk {
  const { send, newId } = options;
  let rule: ByButton | null = null;
  let button: Button = { phase: "up" };
  /** A turn is on its way into the conversation that shall be answered then: one without sound never gets there. */
  let unanswered = false;

  const become = (next: Button) => {
    if (button.phase === "tail") clearTimeout(button.timer);
    button = next;
    options.onChange();
  };
  const commit = () => {
    become({ phase: "up" });
    unanswered = rule?.autoRespond === true;
    send({ type: "input_audio_buffer.commit", event_id: newId() }); // else its refusal could be taken for a response's
  };
  const drop = () => {
    unanswered = false;
    if (button.phase !== "up") become({ phase: "up" });
  };

  return {
    choose: (next) => {
      const was = rule !== null;
      rule = next;
      if (was === (next !== null)) return;
      drop();
      options.onChange();
    },
    on: () => rule !== null,
    held: () => button.phase === "held",
    open: () => rule === null || button.phase !== "up",
    press: () => {
      if (rule === null || button.phase === "held") return;
      const since = performance.now();
      if (button.phase === "tail") return become({ phase: "held", since: since - TAP_MS }); // the same turn goes on
      unanswered = false;
      options.interrupt();
      send({ type: "input_audio_buffer.clear", event_id: newId() });
      become({ phase: "held", since });
    },
    release: () => {
      if (button.phase !== "held") return;
      if (performance.now() - button.since < TAP_MS) return drop();
      become({ phase: "tail", timer: setTimeout(commit, TAIL_MS) });
    },
    drop,
    observe: (event) => {
      if (event?.type !== "input_audio_buffer.committed" || !unanswered) return;
      unanswered = false;
      options.respond();
    },
  };
}
