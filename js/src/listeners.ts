/** Those who want to hear of every change. It must not know of what. */
export interface Listeners {
  /** Returns the way to stop hearing. */
  add(listener: () => void): () => void;
  tell(): void;
}

export function createListeners(): Listeners {
  const listeners = new Set<() => void>();
  return {
    add: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    tell: () => {
      for (const listener of listeners) {
        try {
          listener();
        } catch (error) {
          reportError(error); // a listener's mistake is the page's, and must not keep a microphone open
        }
      }
    },
  };
}
