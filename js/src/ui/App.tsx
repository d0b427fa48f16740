/** The whole widget: how it stands, what was said, what to do. */
import { useLayoutEffect, useState } from "preact/hooks";
import { Captions } from "./Captions";
import { Controls } from "./Controls";
import { HoldToTalk } from "./HoldToTalk";
import { NoticeBanner, ProblemBanner, RecordingNote, SoundBanner } from "./Problems";
import { SayBox } from "./SayBox";
import type { Shown, Store } from "./store";
import { activityWord, sourceLine, statusWord } from "./words";

export function App({ store }: { store: Store }) {
  const [shown, setShown] = useState(store.shown());
  useLayoutEffect(() => {
    setShown(store.shown());
    return store.subscribe(setShown);
  }, [store]);
  return (
    // Lumino's command-mode keys (b, dd, Enter…) must not reach the notebook from our buttons.
    <section
      class="genmb-voice"
      data-status={shown.status}
      aria-label="Voice agent"
      data-lm-suppress-shortcuts="true"
      onKeyDown={holdRunKeys}
    >
      <header class="gv-head">
        {!shown.recorded && <span class="gv-dot" data-activity={shown.activity} aria-hidden="true" />}
        <span class="gv-status" data-testid="status" data-status={shown.status} role="status">
          {shown.recorded ? "Recording" : statusWord(shown.status, shown.busy, shown.notice !== null)}
        </span>
        <span class="gv-activity" data-testid="activity" data-activity={shown.activity ?? ""}>
          {activityWord(shown.activity, shown)}
        </span>
        <span class="gv-source">{sourceLine(shown.provider, shown.model)}</span>
      </header>
      <Captions turns={shown.turns}>
        <Hint shown={shown} />
      </Captions>
      {shown.recorded ? (
        <RecordingNote last={shown.problems.at(-1) ?? null} />
      ) : (
        <Actions store={store} shown={shown} />
      )}
    </section>
  );
}

/**
 * Shift+Enter after a click on Start must not press Stop. Nor may it run the cell: the click made the agent's own cell
 * the active one, and running that again would end the call.
 */
function holdRunKeys(event: KeyboardEvent) {
  const { key, shiftKey, ctrlKey, altKey, metaKey } = event;
  if (key === "Enter" && (shiftKey || ctrlKey || altKey || metaKey)) event.preventDefault();
}

function Actions({ store, shown }: { store: Store; shown: Shown }) {
  const live = shown.busy && shown.status === "live";
  const away = shown.busy && shown.status === "reconnecting";
  return (
    <>
      <Banners store={store} shown={shown} />
      <Controls store={store} shown={shown} />
      {shown.pushToTalk && (
        <HoldToTalk enabled={live && !shown.muted} held={shown.held} onHold={store.session.talk} />
      )}
      <SayBox
        enabled={live || away}
        hint={away ? "Sent when the connection is back" : undefined}
        onSay={(text) => store.session.say(text) === null}
      />
    </>
  );
}

/** What a banner of its own shows for as long as it is so. */
const CONDITIONS: readonly string[] = ["autoplay_blocked", "active_elsewhere"];

function Banners({ store, shown }: { store: Store; shown: Shown }) {
  const [dismissed, setDismissed] = useState<unknown>(null);
  const { session } = store;
  const last = shown.problems.filter(({ code }) => !CONDITIONS.includes(code)).at(-1);
  // While another page holds the next session, what this page's last one failed of is over.
  const over = last?.code === shown.notice?.code || shown.notice?.code === "active_elsewhere";
  const told = last === undefined || last === dismissed || over;
  return (
    <>
      {shown.notice && <NoticeBanner {...shown.notice} />}
      {shown.soundBlocked && <SoundBanner onEnable={() => session.enableSound()} />}
      {!told && (
        <ProblemBanner
          problem={last}
          onDismiss={() => setDismissed(last)}
          onRetry={last.retryable && shown.ready && !shown.busy ? () => void session.start() : null}
        />
      )}
    </>
  );
}

function Hint({ shown: { busy, notice, pushToTalk, recorded, status } }: { shown: Shown }) {
  if (recorded) return <p class="gv-hint">Nothing was said.</p>;
  const invitation = pushToTalk ? "Hold the button and say something." : "Say something.";
  if (busy) return <p class="gv-hint">{status === "live" ? invitation : "One moment…"}</p>;
  if (notice) return <p class="gv-hint">Nothing has been said yet.</p>;
  return (
    <p class="gv-hint">
      Press Start and speak.
      <small>What you both say is written here.</small>
    </p>
  );
}
