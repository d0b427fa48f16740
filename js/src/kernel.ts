/**
 * The page's end of the bridge ("The bridge" in docs/architecture.md): greeting, batches, beats.
 * Custom messages only, since trait updates from the page can stop for good (docs/decisions/0003).
 * It must not know WebRTC or the UI, and it keeps no state of the session: that comes through `snapshot` when asked.
 */
import type { Backend } from "./backend";
import { createElsewhere } from "./elsewhere";
import { createCalls, type Reply } from "./kernel_calls";
import type { LineEnd } from "./kernel_line";
import { createOutbox } from "./outbox";
import { type Environment, uuid } from "./preflight";
import type { Envelope } from "./protocol";
import { count, elements } from "./reading";

const PROTO = 1;
const TICK_MS = 1_000;
const UNANSWERED_MS = 5_000;
const BEAT_MS = 5_000;
const KERNEL_SILENCE_MS = 12_000;

/** `silent`: no welcome yet, so perhaps a saved page or a busy kernel. `gone`: nothing can be sent any more. */
export type Link = "greeting" | "ready" | "silent" | "gone" | "mismatch";

/** The part of anywidget's model that we use. */
export interface Model {
  send(content: unknown, callbacks?: unknown, buffers?: ArrayBufferView[]): void;
  on(event: string, callback: (message: unknown, buffers?: DataView[]) => void): void;
  off(event: string, callback: (message: unknown, buffers?: DataView[]) => void): void;
}

export interface Welcome {
  /** The state of an earlier or running session as JSON, or null. */
  readonly snapshot: unknown;
  readonly settings: Settings;
}

/** What the agent is set up to be: who answers, who ends the user's turns. */
export type Settings = Readonly<Record<string, unknown>>;

export interface Command {
  readonly do: string;
  readonly [member: string]: unknown;
}

export interface KernelOptions {
  readonly model: Model;
  readonly environment: Promise<Environment>;
  /** What answers a `resync`; `state` is JSON, `heard` the ids of the service's events that stand after `after`. */
  readonly snapshot: (after: number) => { log: string; seq: number; state: unknown; heard: string[] } | null;
  /** What the kernel has heard of the session beside this page, for a log. */
  readonly onHeard: (log: string, events: readonly unknown[]) => void;
  readonly onWelcome: (welcome: Welcome) => void;
  /** An option has changed. */
  readonly onSettings: (settings: Settings) => void;
  readonly onCommand: (command: Command) => void;
  /** What is left at the endpoint, as JSON. */
  readonly onAllowance: (left: unknown) => void;
  /** The kernel has stopped, restarted or fallen silent in the middle of a call. */
  readonly onLost: () => void;
  readonly onChange: () => void;
}

export interface Kernel {
  readonly backend: Backend;
  /** For calls whose sound goes through the kernel. */
  readonly line: LineEnd;
  link(): Link;
  /** Whether somebody else holds the agent's call. */
  elsewhere(): boolean;
  push(log: string, envelope: Envelope): void;
  /** Send what waits and say good-bye; the last words of a page. */
  bye(): void;
  close(): void;
}

export function openKernel(options: KernelOptions): Kernel {
  const { model } = options;
  const client = uuid();
  let link: Link = "greeting";
  let live = false;
  let current = "";
  let greeted = now();
  let heard = now();
  let beaten = now();
  let ticked = now();
  let doubted = Number.POSITIVE_INFINITY;
  let onLine: Parameters<LineEnd["hear"]>[0] | null = null;

  const become = (next: Link) => {
    if (next === link) return;
    link = next;
    options.onChange();
  };
  const post = (message: Record<string, unknown>, sound?: Int16Array): boolean => {
    if (link === "gone") return false;
    try {
      if (sound) model.send({ ...message, client }, undefined, [sound]);
      else model.send({ ...message, client });
      return true;
    } catch {
      become("gone");
      lost();
      return false;
    }
  };
  const outbox = createOutbox((log, events) => post({ op: "events", log, events }));

  const hello = () =>
    void options.environment.then((environment) => {
      if (link === "greeting" || link === "silent") post({ op: "hello", proto: PROTO, environment });
    });
  const greet = () => {
    greeted = now();
    become("greeting");
    hello();
  };
  const elsewhere = createElsewhere(now, (held) => {
    options.onChange();
    if (!held && link === "ready" && !live) greet(); // how the other call went stands in the welcome
  });
  const lost = () => {
    calls.abandon();
    if (live) options.onLost();
  };

  const onMessage = (content: unknown, buffers: readonly DataView[] = []) => {
    const message = (content ?? {}) as Message;
    const beat = message.op === "beat"; // told to every page, about the one that holds the call
    if ((beat ? message.holder : message.client) !== client) {
      if (beat) elsewhere.beat();
      return;
    }
    heard = now();
    doubted = Number.POSITIVE_INFINITY;
    if (message.op === "welcome") {
      elsewhere.shown(message.snapshot);
      become(message.proto === PROTO ? "ready" : "mismatch");
      options.onWelcome({ snapshot: message.snapshot ?? null, settings: message.settings ?? {} });
    }
    if (message.op === "settings") options.onSettings(message.settings ?? {});
    if (message.op === "reply") calls.take(message);
    if (message.op === "command" && typeof message.do === "string") options.onCommand(message as Command);
    if (message.op === "allowance") options.onAllowance(message.allowance);
    if (message.op === "line" && message.log === current) onLine?.(message, buffers);
    if (message.op === "heard") options.onHeard(String(message.log), elements(message.events));
    if (message.op === "resync") {
      const snapshot = options.snapshot(count(message.after) ?? 0);
      if (snapshot?.log !== message.log) return;
      outbox.drop();
      post({ op: "snapshot", ...snapshot });
    }
  };
  const onRestart = () => {
    lost();
    greet();
  };
  const tick = () => {
    // After a sleep of the machine the kernel's beats still wait in the queue: give them one round.
    if (now() - ticked > 2 * BEAT_MS) heard = now();
    ticked = now();
    elsewhere.tick();
    if (now() - doubted >= UNANSWERED_MS) {
      doubted = Number.POSITIVE_INFINITY;
      greet();
    }
    if (link === "greeting" && now() - greeted >= UNANSWERED_MS) become("silent");
    if (link === "greeting" || (link === "silent" && now() - beaten >= BEAT_MS)) {
      beaten = now();
      hello();
    }
    if (!live) return;
    if (now() - heard >= KERNEL_SILENCE_MS) return onRestart();
    if (now() - beaten < BEAT_MS) return;
    beaten = now();
    post({ op: "beat" });
  };

  const calls = createCalls({
    post,
    log: () => current,
    live: () => live,
    onRefused: elsewhere.refused,
    onEnding: () => {
      doubted = now();
    },
  });

  model.on("msg:custom", onMessage);
  model.on("comm_live_update", onRestart);
  const timer = setInterval(tick, TICK_MS);
  hello();

  return {
    backend: calls.backend,
    line: {
      send: (members, sound) => void post({ op: "line", log: current, ...members }, sound),
      hear: (take) => {
        onLine = take;
        return () => {
          if (onLine === take) onLine = null;
        };
      },
    },
    link: () => link,
    elsewhere: elsewhere.held,
    push: (log, envelope) => {
      const { type, status } = envelope.event;
      // An earlier log may still have late words.
      if (type === "genmb.status" && status === "connecting") current = log;
      if (type !== "genmb.status") return outbox.push(log, envelope);
      const was = live;
      live = status === "live" || status === "reconnecting";
      if (live && !was) heard = now();
      // The offer goes first: what the kernel has to do for this would delay the answer.
      outbox.push(log, envelope, status === "connecting");
    },
    bye: () => {
      outbox.flush();
      post({ op: "bye" });
    },
    close: () => {
      clearInterval(timer);
      outbox.drop();
      model.off("msg:custom", onMessage);
      model.off("comm_live_update", onRestart);
    },
  };
}

interface Message extends Reply {
  readonly [member: string]: unknown;
  readonly settings?: Settings;
}

const now = () => performance.now();
