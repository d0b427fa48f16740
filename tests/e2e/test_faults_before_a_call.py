"""What keeps a call from coming about, in a plain page: where it ends, in which words, with what microphone, at what price."""

import pytest
from harness.browser import chromium, silence
from harness.desk import FaultyServer, page_of
from harness.shop import Visit

from genmb_voice_widget.service.policy import Plan, Rate
from genmb_voice_widget.service.providers.exchange import BY_STATUS
from genmb_voice_widget.service.settings import Timing

START = "voice.start().then(() => null, ({ code }) => code)"
BY_WEBRTC = START.replace("start()", "start({ transport: 'webrtc' })")
NO_UDP = "--webrtc-ip-handling-policy=disable_non_proxied_udp"
ASKS = "navigator.permissions.query = async () => ({ state: 'prompt' });"
"""As before the first call, when no session is asked for until the microphone is there."""
HELD = """
navigator.mediaDevices.getUserMedia = async () => { throw new DOMException("Could not start audio source", "NotReadableError"); };
"""


@pytest.mark.fault("mic_denied", "mic_busy", "insecure_page")
async def test_a_microphone_that_may_not_or_cannot_be_had_costs_nothing(visit_desk, fault):
    for name, how in {
        "mic_denied": {"microphone": False},
        "mic_busy": {"script": HELD},
        "insecure_page": {"host": "shop.test"},
    }.items():
        async with visit_desk(**how) as (desk, visit):
            await visit.told(START)
            fault(name, **await desk.measured(visit))


@pytest.mark.fault("mic_not_found")
async def test_a_machine_without_a_microphone_is_told_so_for_nothing(visit_desk, fault):
    async with (
        chromium(None, devices=False) as browser,
        visit_desk(browser=browser, script=ASKS) as (desk, visit),
    ):
        await visit.told(START)
        fault("mic_not_found", **await desk.measured(visit))


@pytest.mark.fault("mic_blocked_by_frame")
async def test_a_frame_that_may_not_use_the_microphone_says_so_for_nothing(visit_desk, fault):
    async with visit_desk() as (desk, visit):
        inner = f"{desk.url.replace('localhost', '127.0.0.1')}/page"
        await visit.page.evaluate(
            "(url) => { document.body.innerHTML = `<iframe src='${url}'></iframe>`; }", inner
        )
        frame = visit.page.frame(url=inner) or await visit.page.wait_for_event("framenavigated")
        await frame.wait_for_function("window.genmb")
        await frame.evaluate(START)
        fault("mic_blocked_by_frame", **await desk.measured(Visit(frame, visit.network)))


@pytest.mark.fault("service_401", "service_403", "service_404", "service_429", "service_500", "service_503")
async def test_each_refusal_of_the_voice_service_has_its_code_and_gives_the_credits_back(visit_desk, fault):
    for status in (401, 403, 404, 429, 500, 503):
        async with visit_desk(f"status={status}", by_status=BY_STATUS) as (desk, visit):
            await visit.told(START)
            fault(f"service_{status}", **await desk.measured(visit))


@pytest.mark.fault("service_silent", "service_slow")
async def test_a_service_that_does_not_answer_is_given_up_and_a_slow_one_waited_for(visit_desk, fault):
    async with visit_desk("no_answer", timing=Timing(open_within=1.0)) as (desk, visit):
        await visit.told(START)
        fault("service_silent", **await desk.measured(visit))
    async with visit_desk("slow_answer=1500ms") as (desk, visit):
        await visit.told(START)
        fault("service_slow", **await desk.measured(visit))


@pytest.mark.fault("secret_expired")
async def test_a_secret_that_has_expired_each_time_gives_the_credits_back(visit_desk, fault):
    async with visit_desk("expire", make=FaultyServer) as (desk, visit):
        await visit.told(START)
        fault("secret_expired", **await desk.measured(visit))


@pytest.mark.fault("no_udp", "no_udp_no_socket")
async def test_where_no_udp_passes_a_socket_is_taken_and_without_one_the_start_fails(
    visit_desk, fault, tmp_path
):
    async with chromium(silence(tmp_path / "silence.wav"), flags=(NO_UDP,)) as browser:
        async with visit_desk(browser=browser) as (desk, visit):
            await visit.told(START)
            fault("no_udp", **await desk.measured(visit))
        async with visit_desk(browser=browser) as (desk, visit):
            await visit.told(BY_WEBRTC)
            fault("no_udp_no_socket", **await desk.measured(visit))


@pytest.mark.fault("ice_silent")
async def test_an_offer_that_is_answered_to_no_avail_is_given_back(visit_desk, fault):
    async with visit_desk() as (desk, visit):
        await visit.page.clock.install()
        async with visit.network.blackout():
            await visit.told(f"void {BY_WEBRTC}")
            await visit.page.wait_for_function("calls[0]?.iceConnectionState === 'checking'")
            await visit.page.clock.run_for(15_000)
            await visit.page.wait_for_function("told.statuses.at(-1)[1] === 'failed'", polling=100)
            fault("ice_silent", **await desk.measured(visit), within=15)


@pytest.mark.fault("double_start")
async def test_two_starts_at_once_are_one_call(visit_desk, fault):
    async with visit_desk() as (desk, visit):
        await visit.told("Promise.all([voice.start(), voice.start()])")
        fault("double_start", **await desk.measured(visit))
        assert await visit.told("[calls.length, probe.microphones.length]") == [1, 1]


@pytest.mark.fault("too_many_live", "too_many_attempts")
async def test_a_plan_that_is_used_up_refuses_with_the_limit_that_it_was(visit_desk, fault):
    plans = {
        "too_many_live": Plan("few", max_live=1),
        "too_many_attempts": Plan("rare", attempts=Rate(1)),
    }
    for name, plan in plans.items():
        async with visit_desk(plan=plan) as (desk, visit):
            await visit.told(START)
            before = await desk.settled()
            async with page_of(visit.page.context, f"{desk.url}/page") as second:
                await second.told(START)
                measured = await desk.measured(second)
                fault(name, **{**measured, "entries": measured["entries"][len(before) :]})
