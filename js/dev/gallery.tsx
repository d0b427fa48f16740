/** Draws every example beside its name; `?width=320` sets the width of each. */
import { render } from "preact";
import { App } from "../src/ui/App";
import type { Store } from "../src/ui/store";
import { examples } from "./examples";

const width = `${new URLSearchParams(location.search).get("width") ?? 640}px`;
const nothing = () => undefined;

const stores = Object.entries(examples).map(([name, shown]) => {
  const level = (side: string) => (shown.busy ? (side === "agent" ? 0.7 : 0.25) : 0);
  const session = {
    start: nothing,
    stop: nothing,
    mute: nothing,
    talk: nothing,
    say: nothing,
    enableSound: nothing,
    level,
  };
  const store = { shown: () => shown, subscribe: () => nothing, session };
  return [name, store as unknown as Store] as const;
});

render(
  <main style="display: flex; flex-wrap: wrap; gap: 18px; padding: 18px">
    {stores.map(([name, store]) => (
      <figure key={name} id={name} style={{ width, margin: 0 }}>
        <figcaption style="font: 12px system-ui; opacity: 0.6">{name}</figcaption>
        <App store={store} />
      </figure>
    ))}
  </main>,
  document.body,
);
