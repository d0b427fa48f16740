import { expect, it } from "vitest";
import { leftOf } from "../src/allowance";

const NOW = new Date(2026, 0, 5, 13, 52, 30);
const slots = (remaining: number, more = {}) => ({
  limit: 20,
  seconds: 3600,
  remaining,
  reset: 720,
  ...more,
});
const told = (more: object) => ({
  plan: "class",
  voice: true,
  credits: null,
  credits_per_session: 5,
  sessions: null,
  ...more,
});
const words = (more: object) => leftOf(told(more), NOW)?.words.join(" · ");

it.each([
  [{ sessions: slots(12), credits: 95 }, "12 of 20 sessions left this hour · 95 credits, 5 a session", true],
  [{ sessions: slots(12) }, "12 of 20 sessions left this hour", true],
  [{ credits: 95 }, "95 credits, 5 a session", true],
  [{ sessions: slots(1, { seconds: 600 }) }, "1 of 20 sessions left in these 10 minutes", true],
  [{ sessions: slots(1, { seconds: 86_400 }) }, "1 of 20 sessions left in these 24 hours", true],
  [
    { sessions: slots(12), credits: 1, enough_credits: false },
    "12 of 20 sessions left this hour · 1 credit, a session takes 5",
    false,
  ],
  [{ enough_credits: false }, "Too few credits for a session", false],
  [
    { sessions: slots(12), credits: undefined, enough_credits: false },
    "12 of 20 sessions left this hour · too few credits for another",
    false,
  ],
  [
    { sessions: slots(12), credits: undefined, enough_credits: true },
    "12 of 20 sessions left this hour",
    true,
  ],
  [{ voice: false, sessions: slots(20) }, "Voice is not part of the plan", false],
])("says of %j: %s", (more, said, room) => {
  expect(words(more)).toBe(said);
  expect(leftOf(told(more), NOW)?.room).toBe(room);
});

it("says when there is room again, by the reader's clock and never too early", () => {
  expect(words({ sessions: slots(0), credits: 95 })).toMatch(
    /^No sessions left this hour · room again at (14:05|0?2:05\sPM)$/,
  );
});

it("names the day when room is far away", () => {
  const sessions = slots(0, { seconds: 7 * 86_400, reset: 3 * 86_400 });
  expect(words({ sessions })).toMatch(/^No sessions left in these 168 hours · room again at Thu/);
});

it.each([undefined, null, {}, "?", told({})])("says nothing of %j, which has no limit", (none) => {
  expect(leftOf(none, NOW)).toBeNull();
});
