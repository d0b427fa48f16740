/** How loud one side is. Measures only while the meter can be seen. */
import { useEffect, useRef } from "preact/hooks";
import type { Side } from "../call";

export function Meter({ side, label, level }: { side: Side; label: string; level: (side: Side) => number }) {
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => (bar.current ? follow(bar.current, () => level(side)) : undefined), [side, level]);
  return (
    <div class="gv-meter">
      <span class="gv-meter-label">{label}</span>
      {/* biome-ignore lint/a11y/useSemanticElements: a meter element cannot be drawn cheaply at each frame */}
      <div
        class="gv-meter-bar"
        data-testid={`meter-${side}`}
        ref={bar}
        role="meter"
        aria-label={`Level: ${label}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={0}
      />
    </div>
  );
}

/** Draw the level at each frame while the element is on the screen; returns the way to stop. */
function follow(element: HTMLElement, level: () => number): () => void {
  let frame = 0;
  let drawn = -1;
  const draw = () => {
    const percent = Math.round(level() * 100);
    if (percent !== drawn) {
      drawn = percent;
      element.style.setProperty("--gv-level", String(percent / 100));
      element.setAttribute("aria-valuenow", String(percent));
    }
    frame = requestAnimationFrame(draw);
  };
  const watcher = new IntersectionObserver((entries) => {
    cancelAnimationFrame(frame);
    if (entries.at(-1)?.isIntersecting) frame = requestAnimationFrame(draw);
  });
  watcher.observe(element);
  return () => {
    watcher.disconnect();
    cancelAnimationFrame(frame);
  };
}
