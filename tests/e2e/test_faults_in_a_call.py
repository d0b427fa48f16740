"""What goes wrong while a call stands, in a plain page: whether it goes on, what the page is told, and what it costs."""

import asyncio

import httpx
import pytest

BLOCKED = """new Promise((blocked) => {
  voice.onerror = ({ code }) => { told.problems.push(code); blocked(); };
  void voice.start();
})"""
SOUND = """
// The loudspeaker has no place in the document. A page that is known to record may play, so the microphone comes after.
window.heard = [];
const Loud = Audio;
const played = new Promise((play) => {
  window.Audio = class extends Loud {
    constructor(...given) { super(...given); heard.push(this); }
    play() { play(); return super.play(); }
  };
});
const opens = navigator.mediaDevices.getUserMedia;
navigator.mediaDevices.getUserMedia = (asked) => played.then(() => opens(asked));
"""


@pytest.mark.fault("hang_up", "max_duration")
async def test_a_call_that_the_service_ends_is_over_and_paid(visit_desk, fault):
    for name, faults in {"hang_up": "hangup=1s", "max_duration": "cap=2s"}.items():
        async with visit_desk(faults) as (desk, visit):
            await visit.told("voice.start()")
            await visit.page.wait_for_function("told.statuses.at(-1)[1] === 'ended'")
            fault(name, **await desk.measured(visit))


@pytest.mark.fault("channel_closed", "connection_lost")
async def test_a_call_that_loses_its_events_is_replaced_or_given_up(visit_desk, fault):
    async with visit_desk("drop_channel=500ms") as (desk, visit):
        await visit.told("voice.start()")
        desk.provider.faults = ""
        await visit.page.wait_for_function("told.statuses.length === 4")
        await visit.ask("Hello.", answers=1)
        fault("channel_closed", **await desk.measured(visit))
        assert await visit.told("[calls.length, probe.microphones.length]") == [2, 1]
    async with visit_desk("drop_channel=500ms") as (desk, visit):
        await visit.told("voice.start()")
        desk.provider.faults = "status=500"
        await visit.page.wait_for_function("told.statuses.at(-1)[1] === 'failed'")
        fault("connection_lost", **await desk.measured(visit))
        assert await visit.told("calls.map((one) => one.connectionState)") == ["closed"] * 4


@pytest.mark.fault("malformed_events", "sound_stops")
async def test_a_conversation_goes_on_among_events_that_are_none_and_without_sound(visit_desk, fault):
    for name, faults in {"malformed_events": "malformed", "sound_stops": "drop_media"}.items():
        async with visit_desk(faults) as (desk, visit):
            await visit.told("voice.start()")
            await visit.ask("Hello.", answers=1)
            fault(name, **await desk.measured(visit))


@pytest.mark.fault("mic_replaced")
async def test_a_microphone_that_is_unplugged_is_replaced_within_a_second(visit_desk, fault):
    async with visit_desk() as (desk, visit):
        await visit.told("voice.start()")
        await visit.told(
            "probe.microphones[0].stop(); probe.microphones[0].dispatchEvent(new Event('ended'))"
        )
        sends = "calls[0].getSenders()[0].track === probe.microphones[1] && probe.openMicrophones() === 1"
        await visit.page.wait_for_function(sends, timeout=1_000)
        fault("mic_replaced", **await desk.measured(visit), within=1)


@pytest.mark.fault("network_switch")
async def test_a_network_that_goes_and_comes_back_leaves_the_call_as_it_was(visit_desk, fault):
    async with visit_desk() as (desk, visit):
        await visit.told("voice.start()")
        async with visit.network.blackout(told=True):
            await visit.page.wait_for_function("told.statuses.at(-1)[1] === 'reconnecting'", timeout=3_500)
        await visit.page.wait_for_function("told.statuses.at(-1)[1] === 'live'", timeout=1_500)
        fault("network_switch", **await desk.measured(visit), within=1.5)
        assert await visit.told("calls.length") == 1


@pytest.mark.fault("autoplay_blocked")
async def test_sound_that_the_browser_holds_back_is_told_and_any_click_lets_it_out(visit_desk, fault):
    """Playwright's own evaluating counts as a click, so nothing of it may come before."""
    async with visit_desk(script=SOUND) as (desk, visit):
        browser_says = await visit.page.context.new_cdp_session(visit.page)
        start = {"expression": BLOCKED, "userGesture": False, "awaitPromise": True}
        async with asyncio.timeout(20):
            await browser_says.send("Runtime.evaluate", start)
        await visit.page.wait_for_function("told.statuses.at(-1)[1] === 'live'")
        fault("autoplay_blocked", **await desk.measured(visit))
        await visit.page.mouse.click(50, 50)
        await visit.page.wait_for_function("heard.some((element) => !element.paused)")


LAST_WORDS = """
addEventListener("pagehide", () => {
  sessionStorage.last = JSON.stringify({
    status: told.statuses.map(([, status]) => status), codes: told.problems, microphone: probe.state(),
  });
});
"""


@pytest.mark.fault("reload")
async def test_a_page_that_is_loaded_again_has_hung_up(visit_desk, fault):
    async with visit_desk() as (desk, visit):
        await visit.told("voice.start()")
        session = desk.ledger.entries[-1].session
        await visit.told(LAST_WORDS)
        await visit.page.reload()
        measured = await visit.told("JSON.parse(sessionStorage.last)")
        async with asyncio.timeout(5), httpx.AsyncClient(base_url=desk.url, trust_env=False) as http:
            while not (await http.get(f"/v1/sessions/{session}")).json()["over"]:
                await asyncio.sleep(0.05)
        fault("reload", **measured, entries=await desk.settled(), within=5)
        assert await visit.told("[told.statuses, probe.state()]") == [[], "never opened"]
