/** Typing instead of speaking. */
import { useState } from "preact/hooks";

export function SayBox({ enabled, onSay }: { enabled: boolean; onSay: (text: string) => void }) {
  const [text, setText] = useState("");
  const words = text.trim();
  const submit = (event: Event) => {
    event.preventDefault();
    if (!enabled || !words) return;
    onSay(words);
    setText("");
  };
  return (
    <form class="gv-say" onSubmit={submit}>
      <input
        class="gv-input"
        data-testid="say-input"
        type="text"
        autocomplete="off"
        aria-label="Type to the agent"
        placeholder={enabled ? "Type to the agent" : "Start first, then type"}
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
