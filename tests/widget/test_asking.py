"""What becomes of a message, read from logs as pages and headless sessions write them."""

import pytest

from genmb_voice_widget.asking import Question
from genmb_voice_widget.conversation import Conversation
from genmb_voice_widget.errors import VoiceError

BUSY = "conversation_already_has_active_response"
CUT = "It was interrupted before its first word."


class Talk:
    """A live session in which something is asked; `look` is what the asker looks at."""

    def __init__(self):
        self.conversation = Conversation()
        self.conversation.begin("log")
        for status in ("connecting", "live"):
            self.own("genmb.status", status=status)
        self.ask()

    def ask(self):
        self.look = Question(self.conversation)
        return self.look

    def own(self, kind, **members):
        self.conversation.append({"type": kind, **members})

    def hear(self, kind, **members):
        self.conversation.append({"type": kind, **members}, "in")

    def send(self, kind, **members):
        self.conversation.append({"type": kind, **members}, "out")

    def put(self, question=None):
        content = [{"type": "input_text", "text": "Who are you?"}]
        item = {"id": (question or self.look).item_id, "type": "message", "role": "user", "content": content}
        self.send("conversation.item.create", item=item)

    def say(self, event_id="create_1"):
        """Do what whoever holds the call does when told to say it."""
        self.put()
        self.send("response.create", event_id=event_id)

    def created(self, response="r1", **members):
        self.hear("response.created", response={"id": response, "conversation_id": "c1", **members})

    def words(self, response="r1", item="a1", text="words", status="completed"):
        content = [{"type": "output_text", "text": text}] if text else []
        body = {"id": item, "type": "message", "role": "assistant", "status": status, "content": content}
        kind = "response.output_item.done" if status == "completed" else "response.output_item.added"
        self.hear(kind, item=body, response_id=response)

    def done(self, response="r1", status="completed", output=(), **members):
        response = {"id": response, "conversation_id": "c1", "status": status, "output": [*output], **members}
        self.hear("response.done", response=response)

    def refuse(self, event_id="create_1", code="invalid_value", message="That cannot be.", **members):
        error = {"event_id": event_id, "code": code, "message": message, **members}
        self.hear("error", error={key: value for key, value in error.items() if value is not None})


@pytest.fixture
def talk():
    return Talk()


def why(look):
    with pytest.raises(VoiceError) as caught:
        look()
    return caught.value.code, caught.value.detail


def test_the_reply_is_the_first_finished_turn_of_the_agent_after_the_message(talk):
    talk.words("r0", "a0")
    assert talk.look() is None
    talk.say()
    talk.created()
    talk.words(status="in_progress")
    assert talk.look() is None
    talk.words()
    talk.words(item="a2")
    talk.done()
    assert talk.look().id == "a1"


def test_a_reply_counts_only_when_it_was_also_played(talk):
    talk.say()
    talk.created()
    talk.hear("output_audio_buffer.started", response_id="r1")
    talk.words()
    talk.done()
    assert talk.conversation.state.turns[-1].status == "completed"
    assert talk.look() is None
    talk.hear("output_audio_buffer.stopped", response_id="r1")
    assert talk.look().id == "a1"


@pytest.mark.parametrize("done_first", [True, False])
def test_a_reply_that_is_cut_in_its_words_is_the_reply(talk, done_first):
    talk.say()
    talk.created()
    talk.hear("output_audio_buffer.started", response_id="r1")
    talk.words()
    if done_first:
        talk.done()
    talk.hear("output_audio_buffer.cleared", response_id="r1")
    assert (talk.look().id, talk.look().status) == ("a1", "interrupted")


def test_a_reply_that_never_sounds_counts_when_its_response_is_done(talk):
    talk.say()
    talk.created()
    talk.words()
    assert talk.look() is None
    talk.done()
    assert talk.look().id == "a1"


@pytest.mark.parametrize("code", ["message_too_long", "not_live", "internal"])
def test_what_kept_a_message_from_the_conversation_is_raised(talk, code):
    talk.own("genmb.error", code=code, detail="Why.", item_id=talk.look.item_id)
    assert why(talk.look) == (code, "Why.")


def test_an_error_that_says_nothing_about_the_message_is_not_its_answer(talk):
    talk.own("genmb.error", code="autoplay_blocked")
    talk.hear("error", error={"code": "invalid_value", "message": "Before it was said."})
    talk.say()
    talk.refuse("somebody else's")
    assert talk.look() is None


def test_a_failed_response_is_raised_but_not_one_that_failed_before(talk):
    failed = {"status": "failed", "status_details": {"error": {"code": "server_error"}}}
    talk.done("r0", **failed)
    late = talk.ask()
    talk.say()
    talk.created()
    assert late() is None
    talk.done(**failed)
    assert why(late) == ("response_failed", "server_error")


@pytest.mark.parametrize("named", ["create_1", None])
def test_a_refused_request_is_raised_in_the_services_words(talk, named):
    talk.say()
    talk.refuse(named)
    assert why(talk.look) == ("provider_error", "That cannot be.")


def test_a_refusal_without_a_sentence_is_raised_with_its_code(talk):
    talk.say()
    talk.refuse(message=None)
    assert why(talk.look) == ("provider_error", "invalid_value")


def test_a_request_that_came_after_the_sessions_time_is_raised_as_that(talk):
    talk.say()
    talk.refuse(code="session_expired", message="60 minutes.")
    assert why(talk.look) == ("session_expired", "60 minutes.")


@pytest.mark.parametrize("code", ["response_cancel_not_active", "input_audio_buffer_commit_empty"])
def test_an_error_that_only_lost_a_race_and_names_nothing_is_no_refusal(talk, code):
    talk.say()
    talk.refuse(None, code)
    assert talk.look() is None


def test_an_error_after_the_response_has_begun_is_not_about_the_request(talk):
    talk.say()
    talk.created()
    talk.refuse(None)
    assert talk.look() is None


@pytest.mark.parametrize("named", ["create_1", None])
@pytest.mark.parametrize("created_first", [True, False])
def test_a_request_that_lost_a_race_is_made_again_and_what_is_cut_meanwhile_is_another_reply(
    talk, named, created_first
):
    talk.say()
    if created_first:
        talk.created("r0")
    talk.refuse(named, BUSY)
    if not created_first:
        talk.created("r0")
    talk.done("r0", "cancelled")
    assert talk.look() is None
    talk.send("response.create", event_id="create_2")
    talk.refuse("create_1", "invalid_value")
    assert talk.look() is None, "that one is over"
    talk.created("r1")
    talk.done("r1", "cancelled")
    assert why(talk.look) == ("response_failed", CUT)


@pytest.mark.parametrize("item", [True, False])
def test_a_reply_that_is_cut_before_its_first_word_is_raised_at_once(talk, item):
    talk.say()
    talk.created()
    if item:
        talk.words(text="", status="in_progress")
    assert talk.look() is None
    talk.done(status="cancelled")
    assert why(talk.look) == ("response_failed", CUT)


def test_the_words_of_the_next_reply_are_not_taken_for_those_of_the_one_that_was_cut(talk):
    talk.say()
    talk.created()
    talk.done(status="cancelled")
    talk.created("r2")
    talk.words("r2", "a2")
    talk.done("r2")
    assert why(talk.look) == ("response_failed", CUT)


def test_a_reply_without_words_is_raised_at_once(talk):
    talk.say()
    talk.created()
    talk.words(text="")
    talk.done(output=[{"type": "message", "id": "a1", "role": "assistant", "content": []}])
    assert why(talk.look) == ("response_failed", "It had no words.")


def test_after_a_function_call_the_reply_is_in_the_next_response(talk):
    talk.say()
    talk.created()
    talk.done(output=[{"type": "function_call", "id": "f1", "name": "f", "call_id": "c", "arguments": "{}"}])
    assert talk.look() is None
    talk.send("response.create", event_id="create_2")
    talk.refuse("create_2")
    assert why(talk.look) == ("provider_error", "That cannot be.")


def test_a_response_beside_the_conversation_is_nobodys_reply(talk):
    talk.say()
    talk.created("x", conversation_id=None)
    talk.hear("response.done", response={"id": "x", "conversation_id": None, "status": "cancelled"})
    assert talk.look() is None
    talk.refuse()
    assert why(talk.look)[0] == "provider_error"


def test_of_two_messages_each_has_its_own_response(talk):
    first = talk.look
    talk.say()
    second = talk.ask()
    talk.put()
    talk.created()
    talk.send("response.cancel")
    talk.done(status="cancelled")
    talk.send("response.create", event_id="create_2")
    talk.created("r2")
    talk.words("r2", "a2")
    talk.done("r2")
    assert why(first) == ("response_failed", CUT)
    assert second().id == "a2"


def test_two_messages_that_one_response_answers_have_the_same_reply(talk):
    first, second = talk.look, talk.ask()
    talk.put(first)
    talk.put(second)
    talk.send("response.create", event_id="create_1")
    talk.created()
    talk.words()
    talk.done()
    assert first().id == second().id == "a1"


def test_a_reply_after_a_gap_in_the_log_is_found(talk):
    talk.say()
    whole = Talk()
    whole.look = talk.look
    whole.say()
    whole.created()
    whole.words()
    whole.done()
    talk.conversation.adopt(40, {**whole.conversation.state.to_json(), "seq": 40})
    assert talk.look().id == "a1"


def test_the_cut_reply_to_an_earlier_message_is_not_this_ones(talk):
    talk.say()
    late = talk.ask()
    talk.send("response.cancel")
    talk.put(late)
    talk.created()
    talk.words(text="To the first", status="in_progress")
    talk.done(status="cancelled")
    assert talk.conversation.state.turns[-1].status == "interrupted"
    assert late() is None
    talk.send("response.create", event_id="create_2")
    talk.created("r2")
    talk.words("r2", "a2")
    talk.done("r2")
    assert late().id == "a2"


@pytest.mark.parametrize("created_first", [True, False])
def test_the_reply_of_the_response_that_won_the_race_is_not_this_ones(talk, created_first):
    talk.say()
    if created_first:
        talk.created("r0")
    talk.refuse(code=BUSY)
    if not created_first:
        talk.created("r0")
    talk.words("r0", "a0")
    talk.done("r0")
    assert talk.look() is None
    talk.send("response.create", event_id="create_2")
    talk.created("r1")
    talk.words()
    talk.done()
    assert talk.look().id == "a1"


def test_words_before_a_function_call_are_the_reply_and_so_are_those_after_it(talk):
    call = {"type": "function_call", "id": "f1", "name": "f", "call_id": "c", "arguments": "{}"}
    first = talk.look
    talk.say()
    talk.created()
    talk.words()
    talk.done(output=[call])
    assert first().id == "a1"
    second = talk.ask()
    talk.say("create_2")
    talk.created("r2")
    talk.done("r2", output=[call])
    talk.send("response.create", event_id="create_3")
    talk.created("r3")
    talk.words("r3", "a3")
    talk.done("r3")
    assert second().id == "a3"


def test_another_responses_failure_is_not_this_ones(talk):
    talk.created("r0")
    late = talk.ask()
    talk.put()
    talk.done("r0", "incomplete", status_details={"reason": "max_output_tokens"})
    assert late() is None
    talk.send("response.create", event_id="create_1")
    talk.created()
    talk.done(status="incomplete", status_details={"reason": "max_output_tokens"})
    assert why(late) == ("response_failed", "max_output_tokens")


def test_what_kept_one_of_several_messages_from_the_conversation_ends_its_question_alone(talk):
    first, second, third = talk.ask(), talk.ask(), talk.ask()
    talk.own("genmb.error", code="message_too_long", detail="Typed in the page.", item_id="item_typed")
    assert first() is second() is third() is None
    talk.put(first)
    talk.own("genmb.error", code="message_too_long", detail="The second.", item_id=second.item_id)
    assert why(second) == ("message_too_long", "The second.")
    assert first() is third() is None


@pytest.mark.parametrize("code", ["not_live", "internal"])
def test_an_error_of_the_session_does_not_end_a_question_that_is_not_said_yet(talk, code):
    talk.own("genmb.error", code=code, detail="The endpoint was not told that the call stands.")
    talk.say()
    talk.created()
    talk.words()
    talk.done()
    assert talk.look().id == "a1"


def test_what_kept_a_message_from_the_conversation_in_a_gap_of_the_log_is_raised(talk):
    whole = Talk()
    whole.own("genmb.error", code="message_too_long", detail="Why.", item_id=talk.look.item_id)
    after_a_gap(talk, whole)
    assert why(talk.look) == ("message_too_long", "Why.")


@pytest.mark.parametrize(
    "when", ["before it is answered", "while another reply is made", "as it is answered"]
)
def test_a_message_that_the_service_refuses_is_raised_in_its_words(talk, when):
    talk.put()
    if when != "while another reply is made":
        talk.send("response.create", event_id="create_1")
    if when == "as it is answered":
        talk.created()
    talk.refuse(talk.look.item_id)
    assert why(talk.look) == ("provider_error", "That cannot be.")


def test_the_refusal_of_another_message_is_not_the_refusal_of_the_reply(talk):
    talk.say()
    typed = talk.look
    late = talk.ask()
    talk.put()
    talk.refuse(late.item_id)
    assert why(late) == ("provider_error", "That cannot be.")
    assert typed() is None


def test_after_a_gap_the_refusal_of_another_message_is_not_this_ones(talk):
    whole = Talk()
    whole.look = talk.look
    whole.say()
    whole.hear("conversation.item.added", item={"id": talk.look.item_id, "type": "message", "role": "user"})
    whole.created()
    whole.done()
    other = whole.ask()
    whole.put(other)
    whole.refuse(other.item_id)
    talk.say()
    after_a_gap(talk, whole)
    assert talk.conversation.state.activity == "listening"
    assert talk.look() is None


@pytest.mark.parametrize("kind", ["mcp_call", "mcp_approval_request"])
def test_a_response_that_only_called_a_tool_of_the_service_had_no_words(talk, kind):
    talk.say()
    talk.created()
    talk.done(output=[{"type": kind, "id": "m1", "name": "f", "arguments": "{}"}])
    assert why(talk.look) == ("response_failed", "It had no words.")


def after_a_gap(talk, whole):
    talk.conversation.adopt(40, {**whole.conversation.state.to_json(), "seq": 40})


def test_a_refusal_in_a_gap_of_the_log_is_found_when_nothing_else_is_under_way(talk):
    talk.say()
    whole = Talk()
    whole.look = talk.look
    whole.say()
    whole.hear("conversation.item.added", item={"id": talk.look.item_id, "type": "message", "role": "user"})
    after_a_gap(talk, whole)
    assert talk.look() is None
    whole.refuse()
    talk.conversation.append({"type": "genmb.snapshot", "state": whole.conversation.state.to_json()})
    assert why(talk.look) == ("provider_error", "That cannot be.")


def test_a_message_that_is_said_after_a_gap_has_its_own_reply(talk):
    whole = Talk()
    whole.words("r0", "a0")
    after_a_gap(talk, whole)
    assert talk.look() is None
    talk.say()
    talk.words("r0", "b0")
    assert talk.look() is None
    talk.created()
    talk.words()
    talk.done()
    assert talk.look().id == "a1"


def test_a_request_that_lost_a_race_and_was_cancelled_is_not_waited_for(talk):
    talk.say()
    talk.refuse(code=BUSY)
    talk.send("response.cancel")
    talk.created("r0")
    talk.hear("response.done", response={"id": "x", "conversation_id": None, "status": "completed"})
    talk.done("r0", "cancelled")
    assert talk.look() is None, "it may be made again now"
    talk.hear("rate_limits.updated", rate_limits=[])
    assert why(talk.look) == ("response_failed", CUT)


def test_a_message_that_was_said_in_a_gap_but_not_taken_yet_has_a_reply_after_it(talk):
    after_a_gap(talk, Talk())
    talk.hear("conversation.item.added", item={"id": talk.look.item_id, "type": "message", "role": "user"})
    talk.created()
    talk.words()
    talk.done()
    assert talk.look().id == "a1"


@pytest.mark.parametrize("came", ["nothing", "a request", "a response"])
def test_a_reply_does_not_come_from_a_call_that_another_has_replaced(talk, came):
    if came == "nothing":
        talk.put()
    else:
        talk.say()
    if came == "a response":
        talk.created()
    talk.own("genmb.reopened", call_id="rtc_2")
    code, detail = why(talk.look)
    assert code == "response_failed" and detail.startswith("The call was lost before the reply")


def test_what_a_lost_call_had_already_said_is_the_reply(talk):
    talk.say()
    talk.created()
    talk.words(status="in_progress", text="Once upon")
    talk.own("genmb.reopened", call_id="rtc_2")
    assert (talk.look().text, talk.look().status) == ("Once upon", "interrupted")
