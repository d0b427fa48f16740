/** What went wrong and what to do about it. */
import type { ComponentChildren } from "preact";
import { type Problem, problem } from "../protocol";
import type { Notice } from "./store";

interface Banner {
  readonly problem: Problem;
  readonly onDismiss: () => void;
  readonly onRetry: (() => void) | null;
}

export function ProblemBanner({ problem: found, onDismiss, onRetry }: Banner) {
  return (
    <Sentences testid="error" role="alert" {...found}>
      {onRetry && (
        <button type="button" class="gv-button gv-small" onClick={onRetry}>
          Try again
        </button>
      )}
      <button type="button" class="gv-button gv-small gv-plain" onClick={onDismiss}>
        Dismiss
      </button>
    </Sentences>
  );
}

/** A state of affairs, not an event: it cannot be dismissed and goes when it is over. */
export function NoticeBanner({ code, say, fix }: Notice) {
  return <Sentences testid="notice" role="status" code={code} say={say} fix={fix} detail={null} />;
}

/** What a recording is; nothing is wrong and nothing can be pressed. `last` is the last problem in it. */
export function RecordingNote({ last }: { last: Problem | null }) {
  const { code, say, fix } = problem("read_only");
  return (
    <div class="gv-note" data-testid="notice" data-code={code}>
      {say} {fix}
      {last && <div>The last problem in it: {last.say}</div>}
    </div>
  );
}

export function SoundBanner({ onEnable }: { onEnable: () => void }) {
  const { code, say } = problem("autoplay_blocked");
  return (
    <Sentences testid="sound" role="alert" code={code} say={say} fix="" detail={null}>
      <button type="button" class="gv-button gv-small" data-testid="enable-sound" onClick={onEnable}>
        Enable sound
      </button>
    </Sentences>
  );
}

interface Words extends Notice {
  readonly testid: string;
  readonly role: "alert" | "status";
  readonly detail: string | null;
  readonly children?: ComponentChildren;
}

function Sentences({ testid, role, code, say, fix, detail, children }: Words) {
  return (
    <div class="gv-banner" data-testid={testid} data-code={code} role={role}>
      <div class="gv-banner-words">
        <strong>{say}</strong> {fix}
        {detail && <div class="gv-detail">{detail}</div>}
      </div>
      {children && <div class="gv-banner-actions">{children}</div>}
    </div>
  );
}
