/**
 * The live captions of both sides. Follows the newest line unless the reader has scrolled up to read.
 */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Turn } from "../fold/turn";
import { Caption } from "./Turn";

/** So close to the end counts as being there. */
const AT_END_PX = 24;

/** `children` stand in for the conversation until there is one. */
export function Captions({ turns, children }: { turns: readonly Turn[]; children: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  const [following, setFollowing] = useState(true);

  const toEnd = () => {
    if (box.current) box.current.scrollTop = box.current.scrollHeight;
  };
  useLayoutEffect(() => {
    if (following) toEnd();
  });
  const onScroll = () => {
    const { scrollTop = 0, scrollHeight = 0, clientHeight = 0 } = box.current ?? {};
    setFollowing(scrollHeight - scrollTop - clientHeight <= AT_END_PX);
  };

  return (
    <div class="gv-captions-frame">
      <div
        class="gv-captions"
        data-testid="captions"
        ref={box}
        onScroll={onScroll}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse must be able to scroll too
        tabIndex={0}
        role="log"
        aria-live="polite"
        aria-label="Conversation"
      >
        {turns.length === 0 ? (
          children
        ) : (
          <ol class="gv-turns">
            {turns.map((turn) => (
              <Caption key={turn.id} turn={turn} />
            ))}
          </ol>
        )}
      </div>
      {!following && (
        <button type="button" class="gv-latest" onClick={toEnd}>
          Newest ↓
        </button>
      )}
    </div>
  );
}
