"""When a reply is asked for in the place of a page that asks for none."""

from genmb_voice_widget.service.relay.replies import ASKED, Replies

ASK = {"type": "response.create", "event_id": ASKED}
CREATED, DONE = {"type": "response.created"}, {"type": "response.done"}
STARTED, STOPPED = ({"type": f"input_audio_buffer.speech_{how}"} for how in ("started", "stopped"))
COMMIT, APPEND = ({"type": f"input_audio_buffer.{what}"} for what in ("commit", "append"))


def committed(id):
    return {"type": "input_audio_buffer.committed", "item_id": id}


def item(id, kind="input_text", role="user"):
    content = [{"type": kind}]
    return {
        "type": "conversation.item.added",
        "item": {"id": id, "type": "message", "role": role, "content": content},
    }


def spoken(id):
    return item(id, "input_audio")


def session(turn_detection):
    heard = {"turn_detection": turn_detection}
    return {"type": "session.updated", "session": {"audio": {"input": heard}}}


def error(code, about=None):
    return {"type": "error", "error": {"code": code, "event_id": about}}


class Seen(Replies):
    def __init__(self, *events):
        super().__init__()
        self(*events)

    def __call__(self, *events):
        """What is sent for these events of the service's, and what the page is not told."""
        asked, kept = 0, []
        for event in events:
            if not self.received(event):
                kept.append(event)
            if reply := self.to_send():
                assert reply == ASK
                asked += 1
        return asked, kept


def test_a_message_of_the_pages_is_answered_once():
    seen = Seen()
    assert seen(item("a")) == (1, [])
    assert seen(CREATED, item("r", "output_audio", "assistant"), DONE) == (0, [])
    assert seen(item("b")) == (1, [])


def test_other_items_are_not_answered():
    output = {"type": "conversation.item.added", "item": {"type": "function_call_output", "id": "o"}}
    odd = {"type": "conversation.item.added", "item": "odd"}
    assert Seen()(item("s", role="system"), item("a", role="assistant"), output, odd) == (0, [])


def test_a_message_that_comes_during_a_reply_is_answered_after_it():
    seen = Seen(item("a"), CREATED)
    assert seen(item("b"), item("c")) == (0, [])
    assert seen(DONE) == (1, [])
    assert seen(CREATED, DONE) == (0, [])


def test_a_page_that_asks_itself_is_left_alone_from_then_on():
    seen = Seen(item("a"), CREATED)
    seen(item("b"))
    seen.sent({"type": "response.create"})
    assert seen(DONE, item("c"), committed("d"), spoken("d")) == (0, [])


def test_a_turn_that_the_page_commits_is_answered():
    for detection in (None, {"type": "server_vad"}):
        assert Seen(session(detection))(committed("a"), spoken("a")) == (1, [])


def test_a_turn_that_the_service_has_found_is_left_to_the_service():
    assert Seen()(STARTED, STOPPED, committed("a"), spoken("a"), CREATED, DONE) == (0, [])
    idle = {"type": "input_audio_buffer.timeout_triggered"}
    assert Seen()(idle, committed("a"), spoken("a"), CREATED, DONE) == (0, [])


def test_the_rest_of_a_found_turn_is_no_turn_but_one_by_push_to_talk_is():
    rest = [STARTED, STOPPED, committed("a"), spoken("a"), CREATED, committed("b"), spoken("b"), DONE]
    assert Seen()(*rest) == (0, [])
    assert Seen(session(None))(CREATED, committed("b"), spoken("b"), DONE) == (1, [])


def test_it_is_known_whether_the_service_has_found_a_turn_in_the_newest_sound():
    seen = Seen(STARTED, STOPPED)
    assert not seen.found
    seen(committed("a"))
    assert seen.found
    seen.sent(APPEND)
    assert not seen.found
    assert seen.detects and not Seen(session(None)).detects


def test_a_race_with_the_services_own_reply_is_kept_from_the_page():
    lost = error("conversation_already_has_active_response", ASKED)
    seen = Seen(committed("a"), spoken("a"))
    assert seen(lost, CREATED) == (0, [lost])
    assert seen(DONE, item("b")) == (1, [])


def test_a_page_that_asks_while_our_reply_is_made_gets_that_and_no_error():
    seen = Seen(item("a"))
    late = error("conversation_already_has_active_response", "page_1")
    seen.sent({"type": "response.create", "event_id": "page_1"})
    assert seen(CREATED, late) == (0, [late])
    assert seen(DONE, CREATED, late) == (0, [])


def test_another_error_about_our_asking_is_told_and_does_not_stop_the_next():
    seen = Seen(item("a"))
    assert seen(error("rate_limit_exceeded", ASKED)) == (0, [])
    assert seen(item("b")) == (1, [])


def test_a_commit_of_nothing_is_an_error_unless_the_service_had_committed_it():
    empty = error("input_audio_buffer_commit_empty")
    seen = Seen()
    assert seen(empty) == (0, [])
    assert seen(STARTED, STOPPED, committed("a"), empty) == (0, [empty])
    seen.sent(APPEND)
    assert seen(empty) == (0, [])
