/** Put the widget into an element. Returns the way to take it out again. */
import { render } from "preact";
import { App } from "./App";
import type { Store } from "./store";

export function mount(element: HTMLElement, store: Store): () => void {
  render(<App store={store} />, element);
  return () => render(null, element);
}
