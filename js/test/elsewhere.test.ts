import { beforeEach, expect, it } from "vitest";
import { createElsewhere, type Elsewhere } from "../src/elsewhere";

let time: number;
let told: boolean[];
let elsewhere: Elsewhere;

beforeEach(() => {
  time = 0;
  told = [];
  elsewhere = createElsewhere(
    () => time,
    (held) => told.push(held),
  );
});

function pass(ms: number) {
  time += ms;
  elsewhere.tick();
}

it("knows of no other call before it has heard of one", () => {
  pass(0);
  expect([elsewhere.held(), told]).toEqual([false, []]);
});

it("tells of another's call at its first beat, and of its end after six seconds of silence", () => {
  elsewhere.beat();
  pass(5999);
  elsewhere.beat();
  pass(5999);
  expect([elsewhere.held(), told]).toEqual([true, [true]]);
  pass(1);
  expect([elsewhere.held(), told]).toEqual([false, [true, false]]);
});

it("takes a refusal for a beat only when it says that the agent is in another call", () => {
  elsewhere.refused("rate_limited");
  elsewhere.refused(undefined);
  expect(elsewhere.held()).toBe(false);
  elsewhere.refused("active_elsewhere");
  expect([elsewhere.held(), told]).toEqual([true, [true]]);
});

it.each(["connecting", "live", "reconnecting"])("goes on while a welcome shows the call %s", (status) => {
  elsewhere.beat();
  elsewhere.shown({ status });
  expect(elsewhere.held()).toBe(true);
});

it.each([null, undefined, 3, {}, { status: "ended" }, { status: "failed" }])(
  "is over at once, with a beat before it forgotten, when a welcome shows %j",
  (snapshot) => {
    elsewhere.beat();
    elsewhere.shown(snapshot);
    pass(0);
    expect([elsewhere.held(), told]).toEqual([false, [true]]);
  },
);
