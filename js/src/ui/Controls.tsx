/** Start and stop, mute, the two levels; before a call, in the levels' place, what is left for it. */
import { Fragment } from "preact";
import { useState } from "preact/hooks";
import type { Left } from "../allowance";
import { uuid } from "../preflight";
import { Devices } from "./Devices";
import { Icon } from "./Icon";
import { Meter } from "./Meter";
import type { Shown, Store } from "./store";

export function Controls({ store, shown }: { store: Store; shown: Shown }) {
  const { session } = store;
  const level = shown.busy && shown.status !== "connecting" ? session.level : null;
  const left = shown.busy || !shown.ready ? null : shown.left;
  const [leftId] = useState(uuid); // each widget of a page is drawn by itself: a counter would begin anew
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
          aria-describedby={left ? leftId : undefined}
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
      <Devices />
      {left ? (
        <LeftLine id={leftId} {...left} />
      ) : (
        <div class="gv-meters">
          <Meter side="user" label="You" level={level} />
          <Meter side="agent" label="Agent" level={level} />
        </div>
      )}
    </div>
  );
}

/** It wraps between its phrases. A screen reader reads it with Start. */
function LeftLine({ id, words, room }: Left & { readonly id: string }) {
  return (
    <p class="gv-left" id={id} data-testid="allowance" data-room={room}>
      <span>
        {words.map((phrase, at) => (
          <Fragment key={phrase}>
            {at > 0 && " · "}
            <span class="gv-phrase">{phrase}</span>
          </Fragment>
        ))}
      </span>
    </p>
  );
}

export function MicrophoneIcon({ off }: { off: boolean }) {
  return (
    <Icon>
      <rect x="5.75" y="1.5" width="4.5" height="8" rx="2.25" />
      <path d="M3 7.5a5 5 0 0 0 10 0M8 12.5v2" />
      {off && <path d="M2 2l12 12" />}
    </Icon>
  );
}
