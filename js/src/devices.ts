/**
 * Which microphone and which loudspeaker, where there are several: what the user chose, kept for every page of this
 * origin. It opens nothing; whoever has a device open hears of a change.
 */

export type Kind = "audioinput" | "audiooutput";

export interface Device {
  readonly id: string;
  readonly name: string;
}

/** The id of the device that the browser chooses. */
export const ANY = "";

const WORDS: Record<Kind, string> = { audioinput: "Microphone", audiooutput: "Speaker" };
const changes = new EventTarget();

/** Whether a page may choose where its sound goes. */
export function canChoose(kind: Kind): boolean {
  return kind === "audioinput" || "setSinkId" in HTMLMediaElement.prototype;
}

/** The id of the device that was chosen; it may be unplugged by now. */
export function chosen(kind: Kind): string {
  try {
    return localStorage.getItem(key(kind)) ?? ANY;
  } catch {
    return kept[kind]; // storage is refused to this page
  }
}

const kept: Record<Kind, string> = { audioinput: ANY, audiooutput: ANY };

export function choose(kind: Kind, id: string): void {
  kept[kind] = id;
  try {
    localStorage.setItem(key(kind), id);
  } catch {
    // It is kept for this page alone.
  }
  changes.dispatchEvent(new Event(kind));
}

/** Call back, until the signal, when another device of this kind has been chosen. */
export function onChosen(kind: Kind, callback: () => void, signal: AbortSignal): void {
  changes.addEventListener(kind, callback, { signal });
}

/** The devices there are. A browser tells no name, and perhaps no device, before the microphone was allowed. */
export async function list(kind: Kind): Promise<readonly Device[]> {
  const all = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
  return all
    .filter((device) => device.kind === kind && device.deviceId !== "")
    .map(({ deviceId, label }, at) => ({ id: deviceId, name: label || `${WORDS[kind]} ${at + 1}` }));
}

const key = (kind: Kind) => `genmb-voice-${kind}`;
