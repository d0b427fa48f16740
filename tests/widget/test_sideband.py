"""The kernel observes a page's session at the endpoint: what it hears, what it passes on, and when it lets go."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from genmb_voice_widget import sideband
from genmb_voice_widget.errors import Refused, VoiceError
from genmb_voice_widget.event_socket import EventSocket

TICKET = {"id": "vs_1", "provider": "local", "sdp": "v=0", "call_id": "rtc_1"}


class Sockets:
    """The endpoint's sockets: `opened` are their paths, `said` what comes out of the newest; `fail` refuses the next."""

    def __init__(self):
        self.opened, self.closed, self.fail, self.sent = [], 0, [], []
        self.said = asyncio.Queue()

    @asynccontextmanager
    async def dial(self, path):
        self.opened.append(path)
        if self.fail:
            raise self.fail.pop(0)
        try:
            yield EventSocket(self.said.get, self.send)
        finally:
            self.closed += 1

    async def send(self, text):
        self.sent.append(json.loads(text)["event_id"])

    def say(self, *events):
        for event in events:
            self.said.put_nowait(json.dumps(event))


@pytest.fixture
def sockets(endpoint, monkeypatch):
    monkeypatch.setattr(sideband, "SOONEST", 0.01)
    endpoint.client._dial = (made := Sockets()).dial
    return made


async def start(rig, endpoint, **ticket):
    endpoint.answers["/v1/sessions"] = httpx.Response(201, json=TICKET | {"sideband": True} | ticket)
    rig.greet("a")
    rig.status("a", "log-a", "connecting", "live")
    rig.call("a", "1", "open", log="log-a", sdp="v=0")
    await rig.replied("1")


async def until(holds):
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)


def added(number, text="Hi."):
    item = {"id": f"i{number}", "type": "message", "role": "user", "status": "completed"}
    item["content"] = [{"type": "input_text", "text": text}]
    return {"type": "conversation.item.created", "event_id": f"e{number}", "item": item}


async def test_what_the_endpoint_tells_is_in_the_state_though_the_page_says_nothing(rig, endpoint, sockets):
    await start(rig, endpoint)
    sockets.say(added(1))
    await until(lambda: rig.conversation.state.turns)
    assert sockets.opened == ["/v1/sessions/vs_1/events"]
    assert rig.conversation.events[-1].event["type"] == "conversation.item.added"
    assert rig.to("a", "heard") == []


async def test_a_page_whose_channel_is_filtered_is_given_what_the_kernel_hears_in_batches(
    rig, endpoint, sockets
):
    await start(rig, endpoint, filtered=True)
    sockets.say(added(1), added(2))
    await until(lambda: rig.to("a", "heard"))
    [heard] = rig.to("a", "heard")
    assert heard["log"] == "log-a"
    assert [event["event_id"] for event in heard["events"]] == ["e1", "e2"]


@pytest.mark.parametrize("told", [{"sideband": False}, {"sideband": None}])
async def test_an_endpoint_that_offers_no_sideband_is_not_asked_for_one(rig, endpoint, sockets, told):
    await start(rig, endpoint, **told)
    await asyncio.sleep(0)
    assert sockets.opened == []


@pytest.mark.parametrize("how", ["ended by the page", "good-bye"])
async def test_it_is_let_go_with_the_session(rig, endpoint, sockets, how):
    await start(rig, endpoint)
    await until(lambda: sockets.opened)
    if how == "good-bye":
        rig.page("a", "bye")
    else:
        rig.call("a", "2", "ended", session="vs_1", reason="stopped")
    await until(lambda: sockets.closed == 1)


async def test_a_socket_that_was_lost_or_could_not_be_opened_is_opened_again(rig, endpoint, sockets):
    sockets.fail = [
        VoiceError("endpoint_unreachable"),
        Refused("service_unavailable"),
        Refused("session_over"),
    ]
    await start(rig, endpoint)
    await until(lambda: len(sockets.opened) == 4)
    sockets.said.put_nowait(1011)
    await until(lambda: len(sockets.opened) == 5)
    sockets.said.put_nowait(1012)
    await until(lambda: len(sockets.opened) == 6)
    sockets.say(added(1))
    await until(lambda: rig.conversation.state.turns)


@pytest.mark.parametrize("code", ["session_not_found", "unauthorized"])
async def test_a_session_that_cannot_be_observed_is_not_asked_for_again(rig, endpoint, sockets, code):
    sockets.fail = [Refused(code)]
    await start(rig, endpoint)
    observing = rig.calls._sideband._observing
    await asyncio.wait_for(observing, 5)
    assert len(sockets.opened) == 1


@pytest.mark.parametrize("code", [1000, 4001])
async def test_the_end_of_the_session_and_another_observer_are_final(rig, endpoint, sockets, code):
    await start(rig, endpoint)
    sockets.said.put_nowait(code)
    await asyncio.wait_for(rig.calls._sideband._observing, 5)
    assert (len(sockets.opened), rig.conversation.running) == (1, True)


async def test_a_gap_is_asked_for_from_where_the_page_was_and_its_snapshot_says_what_it_holds(
    rig, endpoint, sockets
):
    await start(rig, endpoint)
    sockets.say(added(1), added(2))
    await until(lambda: len(rig.conversation.state.turns) == 2)
    rig.page("a", "events", log="log-a", events=[{"seq": 9, "t": 90, "dir": "in", "event": added(3)}])
    rig.page("a", "beat")
    assert rig.to("a", "resync")[0]["after"] == 2
    state = {**rig.conversation.state.to_json(), "seq": 8, "turns": [], "items": []}
    rig.page("a", "snapshot", log="log-a", seq=8, state=state, heard=["e1"])
    assert [turn.id for turn in rig.conversation.state.turns] == ["i3", "i2"]


async def test_another_call_in_the_place_of_a_lost_one_is_observed_in_the_place_of_that(
    rig, endpoint, sockets
):
    await start(rig, endpoint)
    await until(lambda: sockets.opened)
    endpoint.answers["/v1/sessions/vs_1/offer"] = httpx.Response(
        200, json=TICKET | {"call_id": "rtc_2", "sideband": True}
    )
    rig.call("a", "2", "reopen", log="log-a", session="vs_1", sdp="v=0")
    await rig.replied("2")
    await until(lambda: len(sockets.opened) == 2)
    assert sockets.closed == 1
    sockets.say(added(1))
    await until(lambda: rig.conversation.state.turns)


async def test_what_only_the_lost_calls_sideband_told_stands_before_the_next_call_and_runs_no_more(
    rig, endpoint, sockets
):
    await start(rig, endpoint)
    response = {"id": "r1", "conversation_id": "c"}
    sockets.say(added(1), {"type": "response.created", "event_id": "e2", "response": response})
    await until(lambda: rig.conversation.state.activity == "thinking")
    events = [{"type": "genmb.status", "status": "reconnecting"}, {"type": "genmb.reopened"}]
    events.append({"type": "genmb.status", "status": "live"})
    rig.page(
        "a",
        "events",
        log="log-a",
        events=[{"seq": n, "t": 0, "dir": "own", "event": event} for n, event in enumerate(events, 3)],
    )
    assert rig.conversation.state.activity == "listening"
    kinds = [envelope.event["type"] for envelope in rig.conversation.events[2:]]
    assert kinds.index("response.created") < kinds.index("genmb.reopened") == len(kinds) - 2
    assert [turn.text for turn in rig.conversation.state.turns] == ["Hi."]


async def test_what_a_page_has_carried_goes_up_in_order_also_over_a_socket_that_was_lost(
    rig, endpoint, sockets
):
    sockets.fail = [VoiceError("endpoint_unreachable")]
    await start(rig, endpoint)
    for number in range(3):
        event = {"type": "response.create", "event_id": f"p{number}"}
        rig.call("a", f"s{number}", "send", session="vs_1", event=event)
    assert "result" in await rig.replied("s2")
    await until(lambda: sockets.sent == ["p0", "p1", "p2"])
    sockets.said.put_nowait(1011)
    rig.call("a", "s3", "send", session="vs_1", event={"type": "response.create", "event_id": "p3"})
    await until(lambda: sockets.sent == ["p0", "p1", "p2", "p3"])


@pytest.mark.parametrize("session", ["vs_1", "vs_of_another"])
async def test_nothing_is_carried_to_a_session_that_is_over_or_not_the_agents(
    rig, endpoint, sockets, session
):
    await start(rig, endpoint)
    if session == "vs_1":
        rig.call("a", "2", "ended", session="vs_1", reason="stopped")
    rig.call("a", "3", "send", session=session, event={"type": "response.create", "event_id": "p0"})
    assert (await rig.replied("3"))["problem"]["code"] == "not_live"
    rig.call("a", "4", "send", session=session, event={"event_id": "p0"})
    assert (await rig.replied("4"))["problem"]["code"] == "bad_request"


async def test_a_call_whose_service_hears_servers_alone_is_ended_where_the_endpoint_lets_us_not_observe(
    rig, endpoint, sockets
):
    await start(rig, endpoint, dialect="beta", sideband=False)
    assert (await rig.replied("1"))["problem"]["code"] == "unauthorized"
    assert "/v1/sessions/vs_1/ended" in endpoint.paths()


async def test_an_open_that_is_answered_late_does_not_take_the_sideband_of_the_call_that_came_after_it(
    rig, endpoint, sockets
):
    late, prompt = asyncio.Event(), endpoint.client.open

    async def slow(provider, session, sdp, key):
        endpoint.client.open = prompt
        await late.wait()
        return TICKET | {"id": "vs_0", "sideband": True}

    endpoint.client.open = slow
    rig.greet("a")
    rig.call("a", "0", "open", log="stopped", sdp="v=0")
    await asyncio.sleep(0)  # it has been asked for
    await start(rig, endpoint)
    late.set()
    assert (await rig.replied("0"))["problem"]["code"] == "session_over"
    sockets.say(added(1))
    await until(lambda: rig.conversation.state.turns)
    assert sockets.opened == ["/v1/sessions/vs_1/events"] and sockets.closed == 0
    assert endpoint.asked[-1] == ("/v1/sessions/vs_0/ended", {"reason": "stopped"})
