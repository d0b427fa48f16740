/**
 * The button that is held while the user speaks: by pointer, or by the space bar or Enter while it has the focus. Whatever
 * takes it away from the finger lets it go. A screen reader, which can only click, presses it by one click and lets it
 * go by the next.
 */
import { useEffect } from "preact/hooks";
import { MicrophoneIcon } from "./Controls";

interface Props {
  readonly enabled: boolean;
  readonly held: boolean;
  readonly onHold: (held: boolean) => void;
}

export function HoldToTalk({ enabled, held, onHold }: Props) {
  const release = () => onHold(false);
  useEffect(() => {
    window.addEventListener("blur", release);
    return () => {
      window.removeEventListener("blur", release);
      release();
    };
  }, [onHold]);
  return (
    <div class="gv-hold-row">
      <button
        type="button"
        class="gv-button gv-hold"
        data-testid="hold"
        data-held={held}
        disabled={!enabled}
        onPointerDown={(event) => {
          if (event.button !== 0) return;
          event.currentTarget.setPointerCapture(event.pointerId);
          onHold(true);
        }}
        onPointerUp={release}
        onPointerCancel={release}
        onLostPointerCapture={release}
        onBlur={release}
        onContextMenu={(event) => event.preventDefault()}
        onKeyDown={(event) => {
          if (!isTalkKey(event)) return;
          event.preventDefault(); // else it also clicks
          if (!event.repeat) onHold(true);
        }}
        onKeyUp={(event) => {
          if (event.key !== " " && event.key !== "Enter") return;
          event.preventDefault();
          release();
        }}
        onClick={({ detail }) => detail === 0 && onHold(!held)}
      >
        <MicrophoneIcon off={false} />
        {held ? "Let go to send" : "Hold to talk"}
      </button>
    </div>
  );
}

function isTalkKey({ key, shiftKey, ctrlKey, altKey, metaKey }: KeyboardEvent): boolean {
  return (key === " " || key === "Enter") && !(shiftKey || ctrlKey || altKey || metaKey);
}
