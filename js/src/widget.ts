/**
 * The anywidget entry. The connection belongs to the model, a view only draws: `initialize` makes the one session of a
 * model and returns at once (anywidget drops every message of a model whose `initialize` takes two seconds), `render`
 * shows it. The default export is a function, so that each model gets a closure of its own: anywidget hands `initialize`
 * and `render` different model objects.
 */
import { type Left, leftOf } from "./allowance";
import { createAudience } from "./audience";
import { withDetour } from "./detour";
import type { Session } from "./driver";
import { type Command, type Kernel, type Link, type Model, openKernel, type Settings } from "./kernel";
import { lineOf } from "./kernel_line";
import { overLine } from "./line";
import { inspect } from "./preflight";
import { callForm, problem } from "./protocol";
import { elements, isRecord, record } from "./reading";
import { createSession } from "./session";
import { State } from "./state";
import type { Connect } from "./transport";
import { mount } from "./ui/mount";
import { createStore, type Notice, type Store } from "./ui/store";
import { connect as webrtc } from "./webrtc";

interface Agent {
  show(element: HTMLElement): () => void;
  close(): void;
}

export default function widget() {
  let agent: Agent | null = null;
  return {
    initialize({ model }: { model: Model }): () => void {
      agent = createAgent(model);
      return agent.close;
    },
    render({ el }: { el: HTMLElement }): (() => void) | undefined {
      return agent?.show(el);
    },
  };
}

function createAgent(model: Model): Agent {
  let settings: Settings = {};
  let left: Left | null = null;
  const onSettings = (told: Settings) => {
    settings = told;
    session.pushToTalk(told.push_to_talk === true ? { autoRespond: told.auto_respond === true } : null);
    store.refresh();
  };
  // The three know each other only through these closures, which run after all of them exist.
  const kernel: Kernel = openKernel({
    model,
    environment: inspect(),
    snapshot: (after) => {
      const log = session.log();
      return (
        log && { log: log.id, seq: log.state.seq, state: log.state.toJSON(), heard: log.heardAfter(after) }
      );
    },
    onHeard: (log, events) => session.overhear(log, events),
    onWelcome: (welcome) => {
      const earlier = readState(welcome.snapshot);
      if (earlier) session.restore(earlier);
      onSettings(welcome.settings);
    },
    onSettings,
    onCommand: (command) => obey(session, command),
    onAllowance: (told) => {
      left = leftOf(told, new Date());
      store.refresh();
    },
    onLost: () => session.stop("kernel_gone"),
    onChange: () => store.refresh(),
  });
  const byKernel = overLine(lineOf(kernel.line));
  const automatic = withDetour(byKernel, "Through the kernel");
  const carriers: Record<string, Connect> = { webrtc, kernel: byKernel };
  const session: Session = createSession({
    connect: (call) => carriers[text(settings.transport) ?? ""]?.(call) ?? automatic(call),
    form: () => callForm(settings.dialect),
    backend: kernel.backend,
    onEnvelope: kernel.push,
  });
  const store: Store = createStore(session, () => ({
    provider: text(settings.provider),
    model: text(settings.model),
    ready: kernel.link() === "ready" && !kernel.elsewhere(),
    notice: notice(kernel.link(), kernel.elsewhere()),
    recorded: settings.recorded === true,
    left,
  }));

  const audience = createAudience(() => session.stop("view_gone"));
  const unwatch = session.subscribe(() => audience.running(session.view().busy));
  const leave = () => {
    session.stop("page_gone");
    kernel.bye();
  };
  window.addEventListener("pagehide", leave);

  return {
    show: (element) => {
      const unjoin = audience.join();
      const unmount = mount(element, store);
      return () => {
        unmount();
        unjoin();
      };
    },
    close: () => {
      window.removeEventListener("pagehide", leave);
      leave();
      unwatch();
      store.close();
      kernel.close();
    },
  };
}

/** What the notebook asks for. What cannot be done is in the log, or the session has ended in the meantime. */
function obey(session: Session, command: Command): void {
  if (command.do === "start") void session.start(text(command.log) ?? undefined);
  if (command.do === "stop") session.stop();
  if (command.do === "interrupt") session.interrupt();
  if (command.do === "respond") session.respond();
  if (command.do === "answer")
    session.answer(
      text(command.log) ?? "",
      elements(command.items).filter(isRecord),
      record(command.response),
    );
  if (command.do === "update" && isRecord(command.session))
    session.update(command.session, text(command.event_id) ?? undefined);
  if (command.do === "mute") session.mute(command.muted === true);
  if (command.do === "say") session.say(text(command.text) ?? "", text(command.item_id) ?? undefined);
}

function notice(link: Link, elsewhere: boolean): Notice | null {
  if (link === "silent") return problem("no_kernel");
  if (link === "gone") return problem("kernel_gone");
  if (link === "mismatch") return problem("version_mismatch");
  return elsewhere ? problem("active_elsewhere") : null;
}

function readState(json: unknown): State | null {
  try {
    return State.fromJSON(json);
  } catch {
    return null;
  }
}

const text = (value: unknown): string | null => (typeof value === "string" && value ? value : null);
