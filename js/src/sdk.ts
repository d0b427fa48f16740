/** The script for plain pages: puts `voice` on `window.genmb`, once, and leaves the rest of it alone. */
import { createVoice, type Voice } from "./embed";

declare global {
  interface Window {
    genmb?: { voice?: Voice };
  }
}

window.genmb = { ...window.genmb, voice: window.genmb?.voice ?? createVoice() };
