/**
 * Who watches: counts the views of one model, and tells when a call has been running unseen for two seconds, as after
 * a cell that ran again or an output that was cleared. A microphone must not stay open where nobody can close it.
 */
export const UNSEEN_MS = 2_000;

export interface Audience {
  /** A view has come; call the answer when it goes. */
  join(): () => void;
  /** A call begins or ends. */
  running(call: boolean): void;
}

export function createAudience(onUnseen: () => void): Audience {
  let views = 0;
  let call = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const check = () => {
    const unseen = call && views === 0;
    if (unseen) timer ??= setTimeout(onUnseen, UNSEEN_MS);
    if (unseen) return;
    clearTimeout(timer);
    timer = undefined;
  };
  return {
    running: (next) => {
      call = next;
      check();
    },
    join: () => {
      views += 1;
      check();
      let here = true;
      return () => {
        if (!here) return;
        here = false;
        views -= 1;
        check();
      };
    },
  };
}
