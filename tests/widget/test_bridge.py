from types import SimpleNamespace

import httpx
import pytest

from genmb_voice_widget.bridge import BEAT
from genmb_voice_widget.lead import LEASE
from genmb_voice_widget.pages import APPEAR, CLAIM, OBEY
from genmb_voice_widget.session import Session
from genmb_voice_widget.settings import Settings
from genmb_voice_widget.starting import Starter


async def test_a_page_is_welcomed_with_the_state_and_the_settings(rig):
    rig.greet("a")
    [welcome] = rig.to("a", "welcome")
    assert welcome == {
        "op": "welcome",
        "client": "a",
        "proto": 1,
        "snapshot": None,
        "settings": {
            "provider": "local",
            "dialect": "ga",
            "transport": "auto",
            "model": None,
            "voice": None,
            "push_to_talk": False,
            "auto_respond": True,
            "recorded": False,
        },
    }


async def test_a_page_that_comes_later_gets_a_snapshot_of_the_session(rig):
    rig.greet("a")
    rig.status("a", "log-a", "connecting", "live")
    rig.greet("b")
    assert rig.to("b", "welcome")[0]["snapshot"] == rig.conversation.state.to_json()


async def test_events_of_a_page_that_said_no_hello_are_not_taken(rig):
    rig.status("a", "log-a", "connecting")
    assert rig.conversation.events == []


async def test_the_page_that_starts_leads_and_another_ones_log_and_call_are_refused(rig):
    rig.greet("a", "b")
    rig.status("a", "log-a", "connecting", "live")
    rig.status("b", "log-b", "connecting")
    rig.call("b", "1", "open", sdp="v=0")
    assert (await rig.replied("1"))["problem"]["code"] == "active_elsewhere"
    assert rig.conversation.log_id == "log-a"
    rig.status("a", "log-a", "ended", seq=3)
    rig.status("b", "log-b", "failed", seq=2)
    assert (rig.conversation.log_id, rig.conversation.state.status) == ("log-a", "ended")
    rig.status("b", "log-b2", "connecting")
    assert (rig.conversation.log_id, rig.conversation.state.status) == ("log-b2", "connecting")


async def test_a_page_passes_its_offer_on_and_gets_the_answer_without_the_session_being_its_to_choose(
    rig, endpoint
):
    rig.greet("a")
    rig.status("a", "log-a", "connecting")
    rig.call("a", "1", "open", sdp="v=0 offer", session={"instructions": "Be evil."}, provider="other")
    answer = (await rig.replied("1"))["result"]
    assert (answer["id"], answer["sdp"], answer["call_id"]) == ("vs_1", "v=0", "rtc_1")
    assert endpoint.asked == [
        ("/v1/sessions", {"provider": "local", "session": Session().to_wire(), "sdp": "v=0 offer"})
    ]
    rig.call("a", "2", "connected", session="vs_1", call_id="rtc_1")
    await rig.replied("2")
    rig.call("a", "3", "ended", session="vs_1", reason="stopped")
    await rig.replied("3")
    assert endpoint.asked[1:] == [
        ("/v1/sessions/vs_1/connected", {"call_id": "rtc_1"}),
        ("/v1/sessions/vs_1/ended", {"reason": "stopped"}),
    ]


async def test_the_key_of_a_pages_opening_goes_with_it_whichever_way_the_sound_takes(rig, endpoint):
    rig.greet("a")
    rig.call("a", "1", "open", sdp="v=0", key="a-key")
    await rig.replied("1")
    rig.call("a", "2", "open", sdp="", key="another")
    await rig.replied("2")
    assert endpoint.keys[:2] == ["a-key", "another"]


async def test_nothing_but_the_answers_known_members_reaches_the_page(rig, endpoint):
    answer = {"id": "vs_1", "sdp": "v=0", "token": "ek_canary", "internal": 1}
    endpoint.answers["/v1/sessions"] = httpx.Response(201, json=answer)
    rig.greet("a")
    rig.call("a", "1", "open", sdp="v=0")
    assert (await rig.replied("1"))["result"] == {"id": "vs_1", "sdp": "v=0"}


async def test_a_refusal_of_the_endpoint_is_replied_as_a_problem_with_its_time(rig, endpoint):
    body = {"code": "rate_limited", "detail": "20 an hour.", "retry_after": 90, "status": 429}
    endpoint.answers["/v1/sessions"] = httpx.Response(429, json=body)
    rig.greet("a")
    rig.call("a", "1", "open", sdp="v=0")
    problem = (await rig.replied("1"))["problem"]
    assert (problem["code"], problem["detail"], problem["retry_after"]) == ("rate_limited", "20 an hour.", 90)
    assert problem["say"] and problem["fix"] and problem["retryable"] is True


@pytest.mark.parametrize(("method", "params"), [("open", {}), ("steal", {}), ("connected", {"session": 1})])
async def test_a_call_that_makes_no_sense_is_refused(rig, endpoint, method, params):
    rig.greet("a")
    rig.call("a", "1", method, **params)
    assert (await rig.replied("1"))["problem"]["code"] == "bad_request"
    assert endpoint.asked == []


async def test_a_page_that_says_good_bye_in_a_call_ends_it_at_the_endpoint_too(rig, endpoint):
    rig.greet("a")
    rig.status("a", "log-a", "connecting", "live")
    rig.call("a", "1", "open", sdp="v=0")
    await rig.replied("1")
    rig.page("a", "bye")
    await rig.settled()
    state = rig.conversation.state
    assert (state.status, [error.code for error in state.errors]) == ("ended", ["page_gone"])
    assert endpoint.asked[-1] == ("/v1/sessions/vs_1/ended", {"reason": "page_gone"})


async def test_a_page_that_had_ended_its_call_may_go_without_a_word_to_the_endpoint(rig, endpoint):
    rig.greet("a")
    rig.status("a", "log-a", "connecting", "live", "ended")
    rig.page("a", "bye")
    await rig.settled()
    assert rig.conversation.state.errors == () and endpoint.asked == []


@pytest.mark.parametrize("how", ["says good-bye", "stopped first", "falls silent", "agent closed"])
async def test_the_session_of_a_page_that_went_away_while_it_was_opened_is_ended(rig, endpoint, how):
    rig.greet("a")
    rig.status("a", "log-a", "connecting")
    rig.call("a", "1", "open", sdp="v=0")
    if how == "stopped first":
        rig.status("a", "log-a", "ended", seq=2)
    if how == "falls silent":
        rig.tick(LEASE)
    elif how == "agent closed":
        rig.bridge.close()
    else:
        rig.page("a", "bye")
    await rig.settled()
    reason = "closed" if how == "agent closed" else "page_gone"
    assert endpoint.asked[1:] == [("/v1/sessions/vs_1/ended", {"reason": reason})]


async def test_the_good_bye_of_one_page_does_not_end_what_another_is_opening(rig, endpoint):
    rig.greet("a", "b")
    rig.status("a", "log-a", "connecting")
    rig.call("a", "1", "open", sdp="v=0")
    rig.page("b", "bye")
    assert (await rig.replied("1"))["result"]["id"] == "vs_1"
    assert endpoint.paths() == ["/v1/sessions"]


async def test_a_stop_right_after_start_takes_the_start_back(rig):
    rig.greet("a")
    rig.bridge.start()
    rig.bridge.stop()
    assert [message["do"] for message in rig.to("a", "command")] == ["start", "stop"]
    state = rig.conversation.state
    assert (state.status, state.errors, rig.bridge.busy) == ("ended", (), False)


async def test_a_stop_before_any_page_came_leaves_nothing_for_the_page_to_start(rig):
    rig.bridge.start()
    rig.bridge.stop()
    rig.greet("a")
    rig.tick(OBEY)
    assert rig.to("a", "command") == [] and rig.conversation.state.errors == ()


async def test_a_mute_before_the_call_reaches_the_pages_there_and_those_that_come(rig):
    rig.greet("a")
    rig.bridge.mute(True)
    rig.greet("b")
    rig.bridge.start()
    for page in ("a", "b"):
        assert rig.to(page, "command")[0] == {"op": "command", "client": page, "do": "mute", "muted": True}
    assert [message["do"] for message in rig.to("b", "command")] == ["mute", "start"]


async def test_a_start_that_waits_for_a_page_gives_way_to_a_headless_session(rig):
    rig.bridge.start()
    rig.conversation.begin("headless-1")
    rig.conversation.append({"type": "genmb.status", "status": "connecting"})
    rig.tick(APPEAR + 1)
    assert (rig.conversation.log_id, rig.conversation.state.status) == ("headless-1", "connecting")
    assert rig.conversation.state.errors == () and not rig.bridge.starting


async def test_a_page_silent_for_the_lease_is_gone_but_not_while_the_kernel_cannot_hear(rig):
    rig.greet("a")
    rig.status("a", "log-a", "connecting", "live")
    rig.tick(LEASE - 1)
    rig.tick(1, heard=False)
    rig.tick(LEASE - 1)
    rig.page("a", "beat")
    rig.tick(LEASE - 1)
    assert rig.conversation.state.status == "live"
    rig.tick(1)
    assert [error.code for error in rig.conversation.state.errors] == ["page_gone"]
    assert rig.to("a", "command")[-1]["do"] == "stop"
    rig.status("a", "log-a", "ended", seq=3)
    assert rig.conversation.state.seq == 4, "the closed log takes no more"


async def test_the_kernel_beats_every_two_seconds_while_a_call_runs_and_never_else(rig):
    rig.greet("a")
    rig.tick(4)
    assert rig.beats() == []
    rig.status("a", "log-a", "connecting", "live")
    rig.tick(4)
    assert rig.beats() == ["a", "a"]
    rig.status("a", "log-a", "ended", seq=3)
    rig.tick(4)
    assert rig.beats() == ["a", "a"] and not rig.bridge.busy


async def test_start_goes_to_the_page_that_came_last(rig):
    rig.greet("a", "b")
    rig.bridge.start()
    assert rig.to("a", "command") == [] and rig.to("b", "command")[0]["do"] == "start"


async def test_start_waits_for_a_page_to_appear(rig):
    rig.bridge.start()
    rig.tick(APPEAR - 1)
    rig.greet("a")
    assert rig.to("a", "command")[0]["do"] == "start"
    rig.status("a", "log-a", "connecting")
    rig.tick(OBEY + 1)
    assert rig.conversation.state.status == "connecting"


@pytest.mark.parametrize("pages", [(), ("a",)])
async def test_a_start_that_nobody_obeys_fails(rig, pages):
    rig.greet(*pages)
    rig.bridge.start()
    rig.tick(60, heard=False)
    assert rig.conversation.state.status == "idle"
    rig.tick(OBEY)
    state = rig.conversation.state
    assert (state.status, state.errors[0].code) == ("failed", "no_front_end")


async def test_a_page_that_does_not_obey_is_told_to_stop_and_the_one_before_it_is_asked(rig):
    rig.greet("a", "b")
    rig.bridge.start()
    rig.tick(OBEY - 1)
    assert rig.to("a", "command") == []
    rig.tick(1)
    assert [message["do"] for message in rig.to("b", "command")] == ["start", "stop"]
    assert [message["do"] for message in rig.to("a", "command")] == ["start"]
    rig.status("a", "log-a", "connecting", "live")
    rig.tick(OBEY + 1)
    state = rig.conversation.state
    assert (state.status, state.errors) == ("live", ())


async def test_each_page_is_asked_once_before_a_start_fails(rig):
    rig.greet("a", "b")
    rig.bridge.start()
    rig.tick(2 * OBEY - 1)
    assert rig.conversation.state.status == "idle"
    rig.tick(1)
    state = rig.conversation.state
    assert (state.status, [error.code for error in state.errors]) == ("failed", ["no_front_end"])
    assert [m["client"] for m in rig.sent if m.get("do") == "start"] == ["b", "a"] and not rig.bridge.busy


async def test_a_page_that_did_not_obey_is_not_asked_by_the_next_start(rig):
    rig.greet("a", "b")
    rig.bridge.start()
    rig.tick(OBEY)
    rig.status("a", "log-a", "connecting", "live", "ended")
    rig.bridge.start()
    assert [m["client"] for m in rig.sent if m.get("do") == "start"] == ["b", "a", "a"]


async def test_a_change_of_an_option_is_told_to_the_page_that_holds_the_call(rig):
    rig.greet("a", "b")
    rig.status("a", "log", "connecting", "live")
    rig.settings.begin()
    rig.settings.change("instructions", "Be brief.", running=True)
    rig.bridge.update()
    rig.bridge.update()
    update = {"type": "realtime", "instructions": "Be brief."}
    [command] = rig.to("a", "command")
    id = command.pop("event_id")
    assert command == {"op": "command", "client": "a", "do": "update", "session": update}
    assert rig.to("b", "command") == []
    refusal = {"type": "error", "error": {"event_id": id, "message": "Too brief."}}
    said = {"seq": 3, "t": 3, "dir": "in", "event": refusal}
    rig.page("a", "events", log="log", events=[said])
    assert rig.conversation.state.errors[-1].detail == "Too brief."
    rig.settings.change("language", "de", running=True)
    rig.bridge.update()
    told = rig.to("a", "command")[-1]
    assert (told["session"]["instructions"], told["event_id"] == id) == ("Be brief.", False)


async def test_an_option_that_changes_after_a_call_was_opened_is_told_when_it_is_connected(rig):
    rig.greet("a")
    rig.status("a", "log", "connecting")
    rig.call("a", "1", "open", sdp="v=0 offer", log="log")
    await rig.replied("1")
    rig.settings.change("language", "de", running=True)
    assert rig.to("a", "command") == []
    rig.call("a", "2", "connected", session="vs_1", call_id="rtc_1")
    [command] = rig.to("a", "command")
    named = {"model": "local", "language": "de"}
    assert command["session"]["audio"]["input"]["transcription"] == named, "the model that its call was told"
    await rig.replied("2")


@pytest.mark.parametrize("op", ["hello", "beat"])
async def test_a_page_that_was_only_slow_is_known_again_when_it_is_heard_and_has_missed_no_mute(rig, op):
    rig.greet("a")
    rig.bridge.start()
    rig.tick(OBEY)
    rig.bridge.mute(True)
    assert rig.to("a", "command")[-1]["do"] == "mute"
    rig.page("a", op, proto=1, environment={})
    if op == "beat":
        rig.status("a", told(rig, "a"), "connecting", "ended")
    rig.bridge.start()
    assert rig.to("a", "command")[-1]["do"] == "start"
    rig.status("a", "log-a", "connecting")
    assert rig.conversation.state.status == "connecting"


async def test_a_page_that_was_slow_may_say_good_bye(rig):
    rig.greet("a")
    rig.bridge.start()
    rig.tick(OBEY)
    rig.page("a", "bye")
    rig.status("a", told(rig, "a"), "connecting")
    assert rig.conversation.log_id == "kernel-1"


async def test_a_page_of_another_version_is_told_so_and_never_asked(rig):
    rig.page("a", "hello", proto=2, environment={})
    assert rig.to("a", "welcome")[0]["proto"] == 1
    rig.bridge.start()
    rig.tick(APPEAR)
    assert rig.conversation.state.errors[0].code == "version_mismatch"


async def test_commands_go_to_the_page_that_leads_alone(rig):
    rig.greet("a", "b")
    rig.status("a", "log-a", "connecting", "live")
    rig.bridge.say("Hello", "item_1")
    rig.bridge.mute(True)
    rig.bridge.interrupt()
    rig.bridge.stop()
    assert [(m["client"], m["do"]) for m in rig.sent if m["op"] == "command"] == [
        ("a", "say"),
        ("a", "mute"),
        ("a", "interrupt"),
        ("a", "stop"),
    ]
    assert rig.to("a", "command")[0] == {
        "op": "command",
        "client": "a",
        "do": "say",
        "text": "Hello",
        "item_id": "item_1",
    }


async def test_a_broken_envelope_makes_a_gap_that_the_snapshot_fills_and_a_lost_resync_is_asked_again(
    rig, envelope
):
    rig.greet("a")
    rig.status("a", "log-a", "connecting")
    rig.page("a", "events", log="log-a", events=[{"seq": 2}, envelope(3, type="x").to_json()])
    assert len(rig.to("a", "resync")) == 1
    rig.page("a", "beat")
    assert len(rig.to("a", "resync")) == 2
    state = {**rig.conversation.state.to_json(), "seq": 3}
    rig.page("a", "snapshot", log="log-a", seq=3, state=state)
    rig.page("a", "beat")
    assert len(rig.to("a", "resync")) == 2 and rig.conversation.state.seq == 3


async def test_no_page_may_call_in_a_recording(rig):
    rig.bridge.freeze()
    rig.greet("a")
    rig.status("a", "log-a", "connecting")
    rig.call("a", "1", "open", sdp="v=0")
    assert (await rig.replied("1"))["problem"]["code"] == "read_only"
    assert rig.conversation.events == []


@pytest.mark.parametrize(
    "message",
    [
        None,
        [],
        {},
        {"op": "hello"},
        {"op": "hello", "client": 1, "proto": 1},
        {"op": "events", "client": "a"},
        {"op": "events", "client": "a", "log": "l", "events": [None, 1, "x", {}]},
        {"op": "snapshot", "client": "a", "log": "l", "seq": "1", "state": {}},
        {"op": "snapshot", "client": "a", "log": "l", "seq": 1, "state": {"turns": 1}},
        {"op": "call", "client": "a", "id": 1},
        {"op": "unheard_of", "client": "a"},
    ],
)
async def test_no_message_of_a_page_can_break_the_bridge(rig, message):
    rig.greet("a")
    rig.bridge.receive(message)
    rig.greet("b")
    assert rig.to("b", "welcome")


async def test_a_headless_session_is_no_pages_to_end(rig):
    rig.greet("a")
    rig.status("a", "log-a", "connecting", "live", "ended")
    rig.conversation.begin("headless-1")
    rig.conversation.append({"type": "genmb.status", "status": "connecting"})
    rig.page("a", "bye")
    rig.tick(LEASE + 1)
    assert rig.conversation.state.status == "connecting"


def starting(rig):
    """Start in a page, as an agent does; done when its session is live."""
    link = SimpleNamespace(do=lambda ask: ask(rig.bridge))
    starter = Starter(rig.conversation, link, True, None, Settings("local", Session()))
    return starter.start(headless=False, speed=1.0, muted=False)


def told(rig, page):
    """The log that a page was told to begin last."""
    return [message["log"] for message in rig.to(page, "command") if message["do"] == "start"][-1]


def starts(rig):
    return [message["client"] for message in rig.sent if message.get("do") == "start"]


async def test_what_a_page_begins_and_ends_for_a_start_that_was_given_up_is_not_the_next_pages_session(rig):
    rig.greet("b", "a")
    live = starting(rig)
    rig.tick(OBEY)
    rig.call("a", "1", "open", log=told(rig, "a"), sdp="v=0")
    assert (await rig.replied("1"))["problem"]["code"] == "active_elsewhere"
    rig.status("a", told(rig, "a"), "connecting", "ended")
    assert not live.done() and rig.conversation.log_id == ""
    rig.status("b", told(rig, "b"), "connecting", "live")
    assert live.result(0) is True
    rig.status("b", told(rig, "b"), "ended", seq=3)
    rig.status("a", "log-a2", "connecting")
    assert rig.conversation.log_id == "log-a2"


async def test_start_stop_start_is_a_session(rig):
    rig.greet("a")
    first, old = starting(rig), told(rig, "a")
    rig.bridge.stop()
    assert first.exception(0).code == "not_live"
    second = starting(rig)
    rig.status("a", old, "connecting", "ended")
    assert not second.done()
    rig.status("a", told(rig, "a"), "connecting", "live")
    assert second.result(0) is True


async def test_after_a_click_of_the_user_a_start_that_was_taken_back_is_not_taken_for_the_next_one(rig):
    rig.greet("a")
    starting(rig)
    old = told(rig, "a")
    rig.bridge.stop()
    second = starting(rig)
    rig.status("a", "clicked", "connecting", "failed")
    rig.status("a", old, "connecting", "ended")
    assert not second.done()
    rig.status("a", told(rig, "a"), "connecting", "live")
    assert second.result(0) is True


async def test_a_page_that_never_heard_of_a_start_may_begin_its_own_later(rig):
    rig.greet("a")
    rig.bridge.start()
    rig.tick(OBEY)
    rig.status("a", "clicked", "connecting", "live")
    assert (rig.conversation.log_id, rig.conversation.state.status) == ("clicked", "live")


async def test_a_call_that_failed_in_the_page_before_it_heard_of_the_start_is_not_the_starts_failure(rig):
    rig.greet("a")
    live = starting(rig)
    rig.status("a", "clicked", "connecting", "failed")
    assert not live.done() and rig.conversation.log_id == "clicked"
    rig.status("a", told(rig, "a"), "connecting", "live")
    assert live.result(0) is True


async def test_a_start_that_joined_the_call_of_a_click_is_live_with_it_or_fails_as_it_did(rig):
    rig.greet("a")
    joined = starting(rig)
    rig.status("a", "clicked", "connecting")
    rig.tick(OBEY + 1)
    assert not joined.done(), "a question for the microphone may stand for long"
    rig.status("a", "clicked", "live", seq=2)
    assert joined.result(0) is True
    rig.status("a", "clicked", "ended", seq=3)
    again = starting(rig)
    rig.status("a", "clicked-2", "connecting")
    rig.conversation.end("failed", "mic_denied")
    rig.tick(OBEY)
    assert again.exception(0).code == "mic_denied" and not rig.bridge.busy


async def test_a_page_that_is_asked_when_another_one_has_begun_is_told_to_stop(rig):
    rig.greet("b", "a")
    live = starting(rig)
    rig.status("b", "clicked", "connecting", "live")
    assert live.result(0) is True
    assert [message["do"] for message in rig.to("a", "command")] == ["start", "stop"]
    rig.status("b", "clicked", "ended", seq=3)
    rig.status("a", told(rig, "a"), "connecting", "ended")
    assert rig.conversation.log_id == "clicked"


async def test_a_page_whose_log_was_refused_gets_no_session_for_it_when_the_other_call_is_over(rig, endpoint):
    rig.greet("a", "b")
    rig.status("a", "log-a", "connecting")
    rig.status("b", "log-b", "connecting")
    rig.status("a", "log-a", "failed", seq=2)
    rig.call("b", "1", "open", log="log-b", sdp="v=0")
    assert (await rig.replied("1"))["problem"]["code"] == "active_elsewhere"
    rig.status("b", "log-b2", "connecting")
    rig.call("b", "2", "open", log="log-b2", sdp="v=0")
    assert (await rig.replied("2"))["result"]["id"] == "vs_1"
    assert endpoint.paths() == ["/v1/sessions"]


async def test_a_second_start_while_a_page_is_asked_asks_no_other(rig):
    rig.greet("a")
    rig.bridge.start()
    rig.greet("b")
    rig.bridge.start()
    assert starts(rig) == ["a"]


async def test_of_two_pages_that_appear_together_one_is_asked(rig):
    rig.bridge.start()
    rig.greet("a", "b")
    assert starts(rig) == ["a"]


async def test_a_page_that_is_reloaded_when_it_is_asked_is_asked_again(rig):
    rig.greet("a")
    rig.bridge.start()
    rig.page("a", "bye")
    rig.greet("a2")
    assert starts(rig) == ["a", "a2"]


async def test_of_two_pages_that_open_a_call_at_once_the_first_gets_it(rig, endpoint):
    rig.greet("a", "b")
    rig.call("a", "1", "open", sdp="v=0")
    rig.call("b", "2", "open", sdp="v=0")
    rig.status("b", "log-b", "connecting")
    rig.status("a", "log-a", "connecting", "live")
    assert (await rig.replied("1"))["result"]["id"] == "vs_1"
    assert (await rig.replied("2"))["problem"]["code"] == "active_elsewhere"
    assert (rig.conversation.log_id, endpoint.paths()) == ("log-a", ["/v1/sessions"])


@pytest.mark.parametrize("how", ["its call is over", "it says good-bye", "no log comes of it"])
async def test_a_page_that_opens_a_call_keeps_no_other_from_it_for_good(rig, how):
    rig.greet("a", "b")
    rig.status("a", "log-0", "connecting", "live", "ended")
    rig.call("a", "1", "open", sdp="v=0")
    rig.call("b", "2", "open", sdp="v=0")
    assert (await rig.replied("2"))["problem"]["code"] == "active_elsewhere"
    assert rig.bridge.busy
    if how == "its call is over":
        rig.status("a", "log-a", "connecting", "failed")
    elif how == "it says good-bye":
        rig.page("a", "bye")
    else:
        rig.tick(CLAIM)
    rig.call("b", "3", "open", sdp="v=0")
    assert (await rig.replied("3"))["result"]["id"] == "vs_1"


@pytest.mark.parametrize("pages", [(), ("a",)])
@pytest.mark.parametrize("stopped", [True, False])
async def test_a_start_that_waits_leaves_a_headless_session_alone_that_is_over(rig, pages, stopped):
    rig.greet(*pages)
    rig.bridge.start()
    rig.conversation.begin("headless-1")
    rig.conversation.append({"type": "genmb.status", "status": "connecting"})
    rig.conversation.end("ended")
    if stopped:
        rig.bridge.stop()
    else:
        rig.tick(OBEY)
    state = rig.conversation.state
    assert (rig.conversation.log_id, state.status, state.errors) == ("headless-1", "ended", ())
    assert [m["do"] for m in rig.sent if m["op"] == "command"] == (["start", "stop"] if pages else [])
    assert not rig.bridge.busy


async def test_a_start_after_a_headless_session_that_overtook_the_one_before_stands(rig):
    rig.greet("a")
    rig.bridge.start()
    rig.conversation.begin("headless-1")
    rig.conversation.append({"type": "genmb.status", "status": "connecting"})
    rig.conversation.end("ended")
    rig.bridge.start()
    rig.tick(OBEY)
    assert [error.code for error in rig.conversation.state.errors] == ["no_front_end"]


async def test_a_stop_while_a_headless_session_runs_drops_the_start_that_waits(rig):
    rig.bridge.start()
    rig.conversation.begin("headless-1")
    rig.conversation.append({"type": "genmb.status", "status": "connecting"})
    rig.bridge.stop()
    rig.greet("a")
    assert starts(rig) == [] and not rig.bridge.starting
    assert rig.conversation.log_id == "headless-1"


async def test_an_ended_log_takes_no_more_after_a_start_that_nobody_obeyed(rig):
    rig.greet("a")
    rig.status("a", "log-a", "connecting", "ended")
    rig.bridge.start()
    rig.bridge.stop()
    rig.status("a", "log-a", "connecting", seq=3)
    assert rig.conversation.log_id == "kernel-1"


async def test_while_no_page_holds_the_call_the_pages_hear_that_somebody_does_and_afterwards_see_what_was_said(
    rig,
):
    rig.greet("a", "b")
    rig.conversation.begin("headless-1")
    rig.conversation.append({"type": "genmb.status", "status": "connecting"})
    assert rig.bridge.busy
    rig.bridge.held()
    assert rig.beats() == [None]
    rig.tick(BEAT)
    assert rig.beats() == [None, None]
    rig.conversation.end("ended")
    rig.bridge.held()
    assert rig.beats() == [None, None], "it may be over before it is told"
    rig.bridge.show()
    assert not rig.bridge.busy
    for client in ("a", "b"):
        assert rig.to(client, "welcome")[-1]["snapshot"]["status"] == "ended"


async def test_a_late_word_of_a_pages_call_does_not_take_a_headless_sessions_conversation_away(rig):
    rig.greet("a")
    rig.status("a", "log-a", "connecting", "ended")
    rig.conversation.begin("headless-1")
    rig.conversation.end("ended")
    rig.status("a", "log-a", "ended", seq=3)
    assert rig.conversation.log_id == "headless-1"


async def test_a_page_that_appears_while_a_headless_session_runs_is_not_told_to_begin(rig):
    rig.bridge.start()
    rig.conversation.begin("headless-1")
    rig.conversation.append({"type": "genmb.status", "status": "connecting"})
    rig.greet("a")
    assert starts(rig) == []


async def test_a_recording_that_was_saved_during_a_call_takes_no_time(rig):
    rig.bridge.freeze()
    rig.conversation.begin("recording")
    rig.conversation.append({"type": "genmb.status", "status": "connecting"})
    assert rig.conversation.running and not rig.bridge.busy
