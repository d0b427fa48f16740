/**
 * Can this page hold a call? Facts about the browser, gathered without any prompt, and the first obstacle among them.
 * It must not open anything: no microphone, no connection.
 */

/** What decides whether a call can be tried. `permission` is what the browser says before it is asked for the microphone. */
export interface PageFacts {
  readonly secure: boolean;
  readonly permission: "granted" | "denied" | "prompt" | "unknown";
  readonly webrtc: boolean;
  /** `top`: not in a frame; else what the frame's policy says about the microphone, where the browser tells. */
  readonly frame: "top" | "allowed" | "blocked" | "unknown";
  readonly host: string;
}

/** What `hello` tells the kernel. */
export interface Environment extends PageFacts {
  /** False when there is no way to ask for one or no input device; null when the browser does not say. */
  readonly microphone: boolean | null;
}

/** The catalogue's code for what makes a call impossible here, or null. */
export function obstacle(environment: PageFacts): string | null {
  if (!environment.secure) return "insecure_context";
  if (environment.frame === "blocked") return "mic_blocked_by_frame";
  if (environment.permission === "denied") return refusal(environment);
  if (!environment.webrtc) return "webrtc_unsupported";
  return null;
}

/** Who refuses the microphone: a frame that cannot be asked (VS Code's webview says "denied"), or a person. */
export function refusal({ frame, host }: PageFacts): "mic_blocked_by_frame" | "mic_denied" {
  return frame === "unknown" || host === "vscode" ? "mic_blocked_by_frame" : "mic_denied";
}

/** Look round, in the order in which one missing thing hides the next. */
export async function look(): Promise<PageFacts> {
  return {
    secure: globalThis.isSecureContext === true && navigator.mediaDevices !== undefined,
    frame: frame(),
    permission: await permission(),
    webrtc: typeof RTCPeerConnection !== "undefined",
    host: host(),
  };
}

/** The same with the devices. Listing them can take a quarter of a second at first, so no start waits for it. */
export async function inspect(): Promise<Environment> {
  const facts = await look();
  return { ...facts, microphone: facts.secure ? await hasInput() : false };
}

/** An id of 36 characters; `crypto.randomUUID` exists on https and localhost only. */
export function uuid(): string {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** An id for an item: at most 32 characters (Realtime API reference, conversation.item.create). */
export function newItemId(): string {
  return `item_${uuid().replaceAll("-", "").slice(0, 24)}`;
}

interface PolicyDocument {
  readonly featurePolicy?: { allowsFeature(feature: string): boolean };
}

function frame(): PageFacts["frame"] {
  const allowed = (document as PolicyDocument).featurePolicy?.allowsFeature("microphone");
  if (allowed === false) return "blocked";
  if (window.self === window.top) return "top";
  return allowed ? "allowed" : "unknown";
}

/** What the browser said last; it keeps the state up to date. */
let asked: PermissionStatus | null = null;

async function permission(): Promise<PageFacts["permission"]> {
  // A permission that stands needs no second question: should it have gone, the microphone's refusal says so.
  if (asked?.state === "granted") return "granted";
  try {
    asked = await navigator.permissions.query({ name: "microphone" as PermissionName });
    return asked.state;
  } catch {
    return "unknown";
  }
}

async function hasInput(): Promise<boolean | null> {
  try {
    return (await navigator.mediaDevices.enumerateDevices()).some(({ kind }) => kind === "audioinput");
  } catch {
    return null;
  }
}

function host(): string {
  if (location.protocol === "vscode-webview:") return "vscode";
  if (/(^|\.)(colab\.research\.google\.com|googleusercontent\.com)$/.test(location.hostname)) return "colab";
  if (document.querySelector("marimo-ui-element, marimo-island, #App[data-marimo]")) return "marimo";
  if (document.querySelector(".jp-LabShell")) return "jupyterlab";
  if (document.querySelector("#jupyter-config-data")) return "jupyter";
  return "page";
}
