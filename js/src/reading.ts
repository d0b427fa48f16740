/**
 * Reading JSON that somebody else wrote: each function takes anything and answers with one kind of value.
 *
 * It must not know what the values mean. The twin is genmb_voice_widget/reading.py: both accept exactly the same values.
 */

export type JsonRecord = Readonly<Record<string, unknown>>;

/** The largest integer that both languages hold exactly; sums stop there. */
export const LARGEST = Number.MAX_SAFE_INTEGER;

/** The object itself, or an empty one for anything else. */
export function record(value: unknown): JsonRecord {
  return isRecord(value) ? value : {};
}

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The array itself, or an empty one for anything else. */
export function elements(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The string, which may be empty, or null. Half a surrogate pair is read as U+FFFD: nothing else can be written as UTF-8. */
export function text(value: unknown): string | null {
  return typeof value === "string" ? value.toWellFormed() : null;
}

/** A string that continues another and is continued: half a surrogate pair may stand at its ends. Or null. */
export function piece(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** The string if it can name something (it is not empty), or null. */
export function name(value: unknown): string | null {
  return text(value) || null;
}

/** A number from 0 to LARGEST, or null. */
export function number(value: unknown): number | null {
  return typeof value === "number" && value >= 0 && value <= LARGEST ? value : null;
}

/** A whole number from 0 to LARGEST, or null. */
export function count(value: unknown): number | null {
  return Number.isInteger(value) ? number(value) : null;
}
