import pytest

from genmb_voice_widget.sequencer import Sequencer

CREATED = {"type": "response.created", "response": {"id": "r1", "conversation_id": "c1"}}
DONE = {"type": "response.done", "response": {"id": "r1", "conversation_id": "c1"}}


@pytest.fixture
def sent():
    return []


@pytest.fixture
def sequencer(sent):
    return Sequencer(sent.append)


def refusal(event_id, code="invalid_value"):
    return {"type": "error", "error": {"code": code, "event_id": event_id}}


def kinds(sent):
    return [event["type"] for event in sent]


def test_a_wish_is_granted_at_once_when_nothing_runs(sequencer, sent):
    sequencer.request()
    assert kinds(sent) == ["response.create"] and sequencer.busy


def test_wishes_during_a_response_become_one_request_after_it(sequencer, sent):
    sequencer.observe(CREATED)
    sequencer.request()
    sequencer.request()
    assert sent == []
    sequencer.observe(DONE)
    assert kinds(sent) == ["response.create"]
    sequencer.observe(CREATED)
    sequencer.observe(DONE)
    assert len(sent) == 1 and not sequencer.busy


def test_a_request_that_lost_a_race_is_repeated_after_the_response_that_won(sequencer, sent):
    sequencer.request()
    sequencer.observe(refusal(sent[0]["event_id"], "conversation_already_has_active_response"))
    assert len(sent) == 1
    sequencer.observe(DONE)
    assert kinds(sent) == ["response.create"] * 2
    assert sent[0]["event_id"] != sent[1]["event_id"]


@pytest.mark.parametrize("named", [True, False])
def test_a_lost_race_that_is_told_after_the_winner_has_begun_is_repeated_too(sequencer, sent, named):
    sequencer.request()
    sequencer.observe(CREATED)
    sequencer.observe(
        refusal(sent[0]["event_id"] if named else None, "conversation_already_has_active_response")
    )
    sequencer.observe(DONE)
    assert kinds(sent) == ["response.create"] * 2


def test_a_request_that_is_refused_for_good_leaves_the_way_free(sequencer, sent):
    sequencer.request()
    sequencer.observe(refusal("somebody else's"))
    assert sequencer.busy
    sequencer.observe(refusal(sent[0]["event_id"]))
    assert not sequencer.busy


@pytest.mark.parametrize("code", ["invalid_value", None])
def test_an_error_that_names_no_event_is_taken_for_the_refusal_of_the_request(sequencer, sent, code):
    sequencer.request()
    sequencer.observe(refusal(None, code))
    assert not sequencer.busy


def test_a_lost_race_is_known_by_its_code_when_the_error_names_no_event(sequencer, sent):
    sequencer.request()
    sequencer.observe(refusal(None, "conversation_already_has_active_response"))
    assert len(sent) == 1
    sequencer.observe(DONE)
    assert kinds(sent) == ["response.create"] * 2


def test_a_cancel_that_came_too_late_is_not_about_the_request(sequencer, sent):
    sequencer.request()
    sequencer.observe(refusal(None, "response_cancel_not_active"))
    sequencer.request()
    assert len(sent) == 1


def test_cancel_stops_a_running_response_and_only_that(sequencer, sent):
    sequencer.cancel()
    assert sent == []
    sequencer.observe(CREATED)
    sequencer.cancel()
    assert kinds(sent) == ["response.cancel"]


def test_a_response_cancelled_before_it_ran_is_stopped_when_it_does(sequencer, sent):
    sequencer.request()
    sequencer.cancel()
    assert kinds(sent) == ["response.create"]
    sequencer.observe(CREATED)
    assert kinds(sent) == ["response.create", "response.cancel"]


def test_a_response_outside_the_conversation_is_nobodys_business(sequencer, sent):
    sequencer.observe({"type": "response.created", "response": {"id": "x", "conversation_id": None}})
    sequencer.request()
    assert kinds(sent) == ["response.create"]


@pytest.mark.parametrize("created_first", [True, False])
@pytest.mark.parametrize("again", [True, False])
def test_a_request_that_was_cancelled_and_lost_a_race_is_not_repeated_unless_asked_again(
    sequencer, sent, created_first, again
):
    sequencer.request()
    sequencer.cancel()
    if again:
        sequencer.request()
    if created_first:
        sequencer.observe(CREATED)
    sequencer.observe(refusal(sent[0]["event_id"], "conversation_already_has_active_response"))
    assert kinds(sent) == ["response.create", "response.cancel"]
    sequencer.observe(DONE)
    assert kinds(sent)[2:] == ["response.create"] * again
    assert sequencer.busy == again


def test_a_cancel_of_the_response_that_won_the_race_is_also_of_the_request(sequencer, sent):
    sequencer.request()
    sequencer.observe(CREATED)
    sequencer.cancel()
    sequencer.observe(refusal(sent[0]["event_id"], "conversation_already_has_active_response"))
    sequencer.observe(DONE)
    assert kinds(sent) == ["response.create", "response.cancel"] and not sequencer.busy


def test_a_cancel_is_of_one_response_only(sequencer, sent):
    sequencer.request()
    sequencer.cancel()
    sequencer.observe(refusal(sent[0]["event_id"]))
    sequencer.request()
    sequencer.observe(CREATED)
    sequencer.observe(DONE)
    sequencer.cancel()
    sequencer.observe(CREATED)
    assert kinds(sent) == ["response.create"] * 2


def test_wishes_share_a_request_with_what_any_of_them_differs_in_and_so_does_its_repetition(sequencer, sent):
    sequencer.observe(CREATED)
    sequencer.request({"tool_choice": "auto"})
    sequencer.request()
    sequencer.observe(DONE)
    sequencer.observe(refusal(sent[0]["event_id"], "conversation_already_has_active_response"))
    sequencer.observe(DONE)
    sequencer.observe(CREATED)
    sequencer.request()
    sequencer.observe(DONE)
    auto = {"tool_choice": "auto"}
    assert [event.get("response") for event in sent] == [auto, auto, None]


@pytest.mark.parametrize("end", [{}, {"response": None}, {"response": {"id": "another"}}])
@pytest.mark.parametrize("created", [True, False])
def test_only_the_end_of_the_running_response_is_its_end(sequencer, sent, end, created):
    sequencer.request()
    if created:
        sequencer.observe(CREATED)
        sequencer.observe({"type": "response.done", **end})
    sequencer.observe(refusal(sent[0]["event_id"], "conversation_already_has_active_response"))
    if "id" not in (end.get("response") or {}):
        sequencer.observe({"type": "response.done", **end})
    assert kinds(sent) == ["response.create"] and sequencer.busy
    sequencer.observe(DONE)
    assert kinds(sent) == ["response.create"] * 2


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_lost_race_that_is_told_when_the_winner_is_done_is_repeated_too_unless_it_was_cancelled(
    sequencer, sent, cancelled
):
    sequencer.request()
    sequencer.observe(CREATED)
    if cancelled:
        sequencer.cancel()
    sequencer.observe(DONE)
    sequencer.observe(refusal(sent[0]["event_id"], "conversation_already_has_active_response"))
    assert kinds(sent).count("response.create") == (1 if cancelled else 2)
    assert sequencer.busy != cancelled
