/** How loud one side is. Measures only in a call that stands, and only while the meter can be seen. */
import { useEffect, useRef } from "preact/hooks";
import type { Side } from "../call";

interface Props {
  readonly side: Side;
  readonly label: string;
  /** Null while there is nothing to measure. */
  readonly level: ((side: Side) => number) | null;
}

export function Meter({ side, label, level }: Props) {
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => (bar.current && level ? follow(bar.current, () => level(side)) : undefined), [side, level]);
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

/** Draw the level at each frame while the element is on the screen; returns the way to stop, which draws silence. */
function follow(element: HTMLElement, level: () => number): () => void {
  let frame = 0;
  let drawn = 0;
  const show = (percent: number) => {
    if (percent === drawn) return;
    drawn = percent;
    element.style.setProperty("--gv-level", String(percent / 100));
    element.setAttribute("aria-valuenow", String(percent));
  };
  const draw = () => {
    show(Math.round(level() * 100));
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
    show(0);
  };
}
