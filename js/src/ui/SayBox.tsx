/** Typing instead of speaking. What could not be sent stays in the box. */
import { useState } from "preact/hooks";

interface Box {
  readonly enabled: boolean;
  /** What becomes of what is typed now, where that is not plain. */
  readonly hint?: string | undefined;
  /** False when it was not sent. */
  readonly onSay: (text: string) => boolean;
}

export function SayBox({ enabled, hint, onSay }: Box) {
  const [text, setText] = useState("");
  const words = text.trim();
  const submit = (event: Event) => {
    event.preventDefault();
    if (!enabled || !words) return;
    if (onSay(words)) setText("");
  };
  return (
    <form class="gv-say" onSubmit={submit}>
      <input
        class="gv-input"
        data-testid="say-input"
        type="text"
        autocomplete="off"
        aria-label="Type to the agent"
        placeholder={hint ?? (enabled ? "Type to the agent" : "Start first, then type")}
        disabled={!enabled}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
      <button type="submit" class="gv-button" data-testid="say-send" disabled={!enabled || !words}>
        Send
      </button>
    </form>
  );
}
