/** Start and stop, mute, the two levels. */

import { Meter } from "./Meter";
import type { Shown, Store } from "./store";

export function Controls({ store, shown }: { store: Store; shown: Shown }) {
  const { session } = store;
  const level = shown.busy && shown.status !== "connecting" ? session.level : null;
  return (
    <div class="gv-controls">
      {shown.busy ? (
        <button type="button" class="gv-button gv-stop" data-testid="stop" onClick={() => session.stop()}>
          <span class="gv-square" aria-hidden="true" />
          {shown.status === "connecting" ? "Cancel" : "Stop"}
        </button>
      ) : (
        <button
          type="button"
          class="gv-button gv-start"
          data-testid="start"
          disabled={!shown.ready}
          onClick={() => void session.start()}
        >
          <MicrophoneIcon off={false} />
          Start
        </button>
      )}
      <button
        type="button"
        class="gv-button gv-mute"
        data-testid="mute"
        aria-pressed={shown.muted}
        disabled={!shown.ready && !shown.busy}
        onClick={() => session.mute(!shown.muted)}
      >
        <MicrophoneIcon off={shown.muted} />
        {shown.muted ? "Unmute" : "Mute"}
      </button>
      <div class="gv-meters">
        <Meter side="user" label="You" level={level} />
        <Meter side="agent" label="Agent" level={level} />
      </div>
    </div>
  );
}

function MicrophoneIcon({ off }: { off: boolean }) {
  return (
    <svg
      class="gv-icon"
      viewBox="0 0 16 16"
      aria-hidden="true"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
    >
      <rect x="5.75" y="1.5" width="4.5" height="8" rx="2.25" />
      <path d="M3 7.5a5 5 0 0 0 10 0M8 12.5v2" />
      {off && <path d="M2 2l12 12" />}
    </svg>
  );
}
