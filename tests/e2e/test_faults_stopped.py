"""Stop while a call is being opened, wherever it waits: nothing stays open, and nothing is paid."""

import pytest
from harness.shop import Visit

GATES = """
const gate = window.gate = { at: null, reached: false, passed: false };
const pass = async (point, go) => {
  if (gate.at !== point) return go();
  gate.reached = true;
  await new Promise((open) => { gate.open = open; });
  try { return await go(); } finally { gate.passed = true; }
};
const guard = (object, name) => {
  const real = object[name];
  object[name] = function (...given) { return pass(name, () => real.apply(this, given)); };
};
guard(navigator.mediaDevices, "getUserMedia");
guard(Real.prototype, "setLocalDescription");
guard(Real.prototype, "setRemoteDescription");
const ask = window.fetch;
window.fetch = async (url, options) => {
  const point = url.split("/").at(-1);
  if (point === "connected") return pass(point, () => ask(url, options));
  const answer = await ask(url, options);
  return point === "sessions" ? pass(point, () => answer) : answer;
};
"""


async def reach(visit: Visit, point: str) -> None:
    """Start, and wait there."""
    await visit.told(f"gate.at = '{point}', void voice.start().catch(() => {{}})")
    await visit.page.wait_for_function("gate.reached")


async def go_on(visit: Visit) -> None:
    """Let what waited come to its end; none of its connections may be left."""
    await visit.told("gate.open()")
    await visit.page.wait_for_function(
        "gate.passed && calls.every((one) => one.connectionState === 'closed')"
    )


ASKS = "navigator.permissions.query = async () => ({ state: 'prompt' });"
"""Headless Chromium asks nobody: what is not allowed beforehand is denied."""


@pytest.mark.fault("stop_prompt", "stop_microphone")
async def test_a_stop_while_the_microphone_is_asked_for_closes_it_when_it_comes(visit_desk, fault):
    async with visit_desk(script=GATES + ASKS, microphone=False) as (desk, visit):
        await reach(visit, "getUserMedia")
        await visit.told("voice.stop()")
        await visit.page.context.grant_permissions(["microphone"])
        await go_on(visit)
        fault("stop_prompt", **await desk.measured(visit))
    async with visit_desk(script=GATES) as (desk, visit):
        await reach(visit, "getUserMedia")
        await visit.page.wait_for_function("told.statuses.length === 2")
        await visit.told("voice.stop()")
        await go_on(visit)
        fault("stop_microphone", **await desk.measured(visit))


@pytest.mark.fault("stop_offer", "stop_answer", "stop_remote", "stop_proof")
async def test_a_stop_at_each_later_point_leaves_no_connection_and_no_session(visit_desk, fault):
    for name, at in {
        "stop_offer": "setLocalDescription",
        "stop_answer": "sessions",
        "stop_remote": "setRemoteDescription",
        "stop_proof": "connected",
    }.items():
        async with visit_desk(script=GATES) as (desk, visit):
            await reach(visit, at)
            await visit.told("voice.stop()")
            await go_on(visit)
            fault(name, **await desk.measured(visit))


@pytest.mark.fault("stop_connecting")
async def test_a_stop_before_the_connection_stands_gives_the_session_back(visit_desk, fault):
    async with visit_desk() as (desk, visit), visit.network.blackout():
        await visit.told("void voice.start().catch(() => {})")
        await visit.page.wait_for_function("calls[0]?.iceConnectionState === 'checking'")
        await visit.told("voice.stop()")
        fault("stop_connecting", **await desk.measured(visit))
        assert await visit.told("calls[0].connectionState") == "closed"
