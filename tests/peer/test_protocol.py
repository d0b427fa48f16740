"""The pure machine by itself: client events and facts in, effects out."""

import base64
import copy
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genmb_voice_widget.peer import facts
from genmb_voice_widget.peer.personas import AZURE
from genmb_voice_widget.peer.protocol import Protocol
from genmb_voice_widget.peer.protocol.client_events import CLIENT_EVENTS
from genmb_voice_widget.peer.protocol.quirks import NONE
from genmb_voice_widget.peer.protocol.session_config import DEFAULT_INSTRUCTIONS, new_session, update_session
from genmb_voice_widget.peer.stages import Message, ToolOutput, Transcript
from genmb_voice_widget.peer.wire_error import WireError

TOOL = {"type": "function", "name": "look_up", "description": "", "parameters": {"type": "object"}}


class Machine:
    """A protocol with readable ids, and its effects sorted into events and the rest."""

    def __init__(self, transport: str = "websocket", quirks=NONE, **settings) -> None:
        numbers = itertools.count(1)
        session = update_session(new_session("sess_1", "local", 3600), {"type": "realtime", **settings})
        self.protocol = Protocol(
            session, transport, lambda kind: f"{kind}_{next(numbers)}", lambda _: "~", quirks
        )
        self.open = self.split(self.protocol.open())

    @staticmethod
    def split(effects):
        events = [effect.event for effect in effects if isinstance(effect, facts.Emit)]
        return events, [effect for effect in effects if not isinstance(effect, facts.Emit)]

    def send(self, kind, **members):
        return self.split(self.protocol.client({"type": kind, **members}))

    def fact(self, fact):
        return self.split(self.protocol.fact(fact))

    def error(self, kind, **members):
        before = copy.deepcopy(self.protocol.session)
        events, others = self.send(kind, **members)
        assert [event["type"] for event in events] == ["error"]
        assert others == []
        assert self.protocol.session == before
        return events[0]["error"]

    def say(self, text="hello"):
        """Add a user's text and start a response; returns the response's id and what the agent is asked."""
        self.send("conversation.item.create", item=message("user", "input_text", text))
        events, effects = self.send("response.create")
        assert events[0]["type"] == "response.created", events
        return events[0]["response"]["id"], effects[0]

    def spoken_turn(self):
        """Let the user say something; returns all events and effects."""
        started = self.fact(facts.SpeechStarted(300))
        stopped = self.fact(facts.SpeechStopped(1300))
        return started[0] + stopped[0], started[1] + stopped[1]


def message(role, kind, text):
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def kinds(events):
    return [event["type"] for event in events]


def over(events):
    """Return the response that has ended in these events."""
    (response,) = [event["response"] for event in events if event["type"] == "response.done"]
    return response


def test_a_session_opens_with_session_created():
    events, effects = Machine().open
    assert kinds(events) == ["session.created"]
    assert events[0]["session"]["object"] == "realtime.session"
    assert isinstance(effects[0], facts.Configure)


ITEM = {"item_id": "item_9"}
GOOD = [
    ("session.update", {"session": {"type": "realtime", "instructions": "Be short."}}, ["session.updated"]),
    ("input_audio_buffer.append", {"audio": base64.b64encode(b"\0" * 480).decode()}, []),
    (
        "input_audio_buffer.commit",
        {},
        ["input_audio_buffer.committed", "conversation.item.added", "conversation.item.done"],
    ),
    ("input_audio_buffer.clear", {}, ["input_audio_buffer.cleared"]),
    ("output_audio_buffer.clear", {}, ["output_audio_buffer.cleared", "conversation.item.truncated"]),
    (
        "conversation.item.create",
        {"item": message("user", "input_text", "hi")},
        ["conversation.item.added", "conversation.item.done"],
    ),
    ("conversation.item.retrieve", ITEM, ["conversation.item.retrieved"]),
    (
        "conversation.item.truncate",
        {**ITEM, "content_index": 0, "audio_end_ms": 100},
        ["conversation.item.truncated"],
    ),
    ("conversation.item.delete", ITEM, ["conversation.item.deleted"]),
    ("response.create", {"response": {"conversation": "none"}}, ["response.created"]),
    (
        "response.cancel",
        {},
        [
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
            "rate_limits.updated",
        ],
    ),
]


def test_the_table_of_client_events_is_complete():
    assert {kind for kind, _, _ in GOOD} == CLIENT_EVENTS
    assert len(CLIENT_EVENTS) == 11


@pytest.mark.parametrize(("kind", "members", "expected"), GOOD, ids=[kind for kind, _, _ in GOOD])
def test_every_client_event_is_answered_in_the_middle_of_a_spoken_reply(kind, members, expected):
    machine = Machine("webrtc" if kind.startswith("output_") else "websocket")
    machine.fact(facts.AudioReceived(500))
    response_id, _ = machine.say()
    events, _ = machine.fact(facts.AgentSaid(response_id, "Good morning to you"))
    machine.fact(facts.AudioMade(response_id, 960, (("Good", 0), ("morning", 240))))
    spoken = events[0]["item"]["id"]
    if members.get("item_id"):
        members = {**members, "item_id": spoken}
    events, _ = machine.send(kind, **members)
    assert kinds(events) == expected
    assert all(isinstance(event["event_id"], str) for event in events)


@pytest.mark.parametrize("kind", sorted(CLIENT_EVENTS))
def test_a_member_that_no_event_has_is_refused_by_its_name(kind):
    members = next(members for name, members, _ in GOOD if name == kind)
    error = Machine().error(kind, **members, surprise=1, event_id="mine")
    assert (error["code"], error["param"], error["event_id"]) == ("unknown_parameter", "surprise", "mine")


@pytest.mark.parametrize(
    ("kind", "members", "param"),
    [
        ("session.update", {}, "session"),
        ("session.update", {"session": {}}, "session.type"),
        ("input_audio_buffer.append", {}, "audio"),
        ("conversation.item.create", {}, "item"),
        ("conversation.item.create", {"item": {}}, "item.type"),
        ("conversation.item.create", {"item": {"type": "message", "content": []}}, "item.role"),
        (
            "conversation.item.create",
            {"item": {"type": "message", "role": "assistant", "content": [{"type": "output_text"}]}},
            "item.content[0].text",
        ),
        ("conversation.item.retrieve", {}, "item_id"),
        ("conversation.item.truncate", {"item_id": "x", "content_index": 0}, "audio_end_ms"),
        ("conversation.item.delete", {}, "item_id"),
    ],
)
def test_a_missing_member_is_named(kind, members, param):
    error = Machine().error(kind, **members)
    assert (error["code"], error["param"]) == ("missing_required_parameter", param)


@pytest.mark.parametrize("event", [None, [], "hello", {}, {"type": 3}, {"type": "session.destroy"}])
def test_what_is_no_client_event_is_refused(event):
    events, _ = Machine.split(Machine().protocol.client(event))
    assert events[0]["error"]["code"] == "invalid_event"
    assert events[0]["error"]["event_id"] is None


@pytest.mark.parametrize(
    ("patch", "code", "param"),
    [
        ({"surprise": 1}, "unknown_parameter", "session.surprise"),
        ({"audio": {"input": {"x": 1}}}, "unknown_parameter", "session.audio.input.x"),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}},
            "invalid_value",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "semantic_vad", "idle_timeout_ms": 5000}}}},
            "unknown_parameter",
            "session.audio.input.turn_detection.idle_timeout_ms",
        ),
        ({"output_modalities": ["audio", "text"]}, "invalid_value", "session.output_modalities"),
        ({"output_modalities": []}, "invalid_value", "session.output_modalities"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
        ({"tools": [{**TOOL, "strict": True}]}, "unknown_parameter", "session.tools[0].strict"),
        ({"max_output_tokens": 0}, "invalid_value", "session.max_output_tokens"),
        ({"audio": {"output": {"speed": 3}}}, "invalid_value", "session.audio.output.speed"),
    ],
)
def test_a_bad_session_update_names_the_member_and_changes_nothing(patch, code, param):
    patch = {"type": "realtime", "instructions": "Changed.", **patch}
    error = Machine().error("session.update", session=patch, event_id="e1")
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "e1")


def test_session_update_changes_only_what_is_present_and_echoes_the_whole_session():
    machine = Machine()
    before = machine.open[0][0]["session"]
    audio = {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 700}}}
    events, _ = machine.send("session.update", session={"type": "realtime", "tools": [TOOL], "audio": audio})
    after = events[0]["session"]
    assert after["tools"] == [TOOL]
    assert after["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 700,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    }
    assert {name: after[name] for name in after if name not in ("tools", "audio")} == {
        name: before[name] for name in before if name not in ("tools", "audio")
    }
    assert after["audio"]["output"] == before["audio"]["output"]


def test_null_and_empty_values_clear_and_empty_instructions_bring_the_default_back():
    machine = Machine(tools=[TOOL], instructions="Sing.", audio={"input": {"transcription": {"model": "m"}}})
    audio = {"input": {"transcription": None, "turn_detection": None, "noise_reduction": None}}
    patch = {"type": "realtime", "tools": [], "instructions": "", "audio": audio}
    session = machine.send("session.update", session=patch)[0][0]["session"]
    assert session["tools"] == []
    assert session["instructions"] == DEFAULT_INSTRUCTIONS
    assert session["audio"]["input"]["transcription"] is None
    assert session["audio"]["input"]["turn_detection"] is None


def test_the_model_is_fixed_at_creation():
    machine = Machine(model="ignored")
    session = machine.send("session.update", session={"type": "realtime", "model": "other"})[0][0]["session"]
    assert session["model"] == "local"


def test_the_voice_is_locked_after_the_first_audio_and_not_before():
    machine = Machine()
    change = {"type": "realtime", "audio": {"output": {"voice": "marin"}}}
    assert kinds(machine.send("session.update", session=change)[0]) == ["session.updated"]
    response_id, _ = machine.say()
    machine.fact(facts.AgentSaid(response_id, "Hi"))
    machine.fact(facts.AudioMade(response_id, 100))
    change = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    assert machine.error("session.update", session=change)["code"] == "cannot_update_voice"
    same = {"type": "realtime", "instructions": "x", "audio": {"output": {"voice": "marin"}}}
    assert kinds(machine.send("session.update", session=same)[0]) == ["session.updated"]


def test_a_spoken_turn_is_told_in_the_recorded_order(spoken_turn):
    machine = Machine(audio={"input": {"transcription": {"model": "m"}}})
    events, effects = machine.spoken_turn()
    user = events[0]["item_id"]
    assert isinstance(effects[-1], facts.Transcribe)
    more, effects = machine.fact(facts.Transcribed(user, Transcript("what time is it"), 0.8))
    response_id = effects[0].response_id
    assert effects[0].turn.text == "what time is it"
    events += more
    for piece in (
        facts.AgentSaid(response_id, "It is noon."),
        facts.AudioMade(response_id, 700, (("It", 0), ("is", 200), ("noon.", 300)), "AAAA"),
        facts.AgentFinished(response_id),
    ):
        events += machine.fact(piece)[0]
    assert spoken_turn.seen(kinds(events)) == spoken_turn.recorded("websocket")
    by_kind = {event["type"]: event for event in events}
    added = [event for event in events if event["type"] == "conversation.item.added"]
    assert added[0]["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    assert [event["previous_item_id"] for event in added] == [None, user]
    assert (added[1]["item"]["status"], added[1]["item"]["content"]) == ("in_progress", [])
    assert by_kind["response.content_part.added"]["part"] == {"type": "audio", "transcript": ""}
    assert by_kind["conversation.item.done"]["previous_item_id"] is None
    content = [{"type": "output_audio", "transcript": "It is noon."}]
    assert by_kind["response.output_item.done"]["item"]["content"] == content
    assert by_kind["response.done"]["response"]["output"][0]["content"] == content
    completed = by_kind["conversation.item.input_audio_transcription.completed"]
    assert (completed["transcript"], completed["usage"]) == (
        "what time is it",
        {"type": "duration", "seconds": 1},
    )
    texts = [event["delta"] for event in events if event["type"].endswith("audio_transcript.delta")]
    assert texts == ["It", " is", " noon."]
    for event in events:
        assert ("obfuscation" in event) == (
            event["type"].endswith(".delta") and event["type"] != "response.output_audio.delta"
        )


def test_no_transcription_events_come_where_none_were_asked_for_and_the_agent_still_hears():
    machine = Machine()
    user = machine.spoken_turn()[0][0]["item_id"]
    events, effects = machine.fact(facts.Transcribed(user, Transcript("hello"), 1))
    assert events == []
    assert effects[0].turn.text == "hello"
    item = machine.send("conversation.item.retrieve", item_id=user)[0][0]["item"]
    assert item["content"] == [{"type": "input_audio", "transcript": None}]


@pytest.mark.parametrize(
    ("model", "transcript", "code"),
    [
        ("missing-deployment", Transcript("hello"), "DeploymentNotFound"),
        ("m", Transcript("", 0.0, accepted=False), "audio_unintelligible"),
        ("m", None, "transcription_failed"),
    ],
)
def test_a_transcription_that_fails_says_why_and_the_reply_still_comes(model, transcript, code):
    machine = Machine(audio={"input": {"transcription": {"model": model}}})
    user = machine.spoken_turn()[0][0]["item_id"]
    events, effects = machine.fact(facts.Transcribed(user, transcript, 1))
    assert kinds(events) == ["conversation.item.input_audio_transcription.failed"]
    assert events[0]["error"]["code"] == code
    assert isinstance(effects[0], facts.Answer)


def test_the_response_object_is_complete():
    machine = Machine()
    response_id, _ = machine.say()
    done = over(machine.fact(facts.AgentFinished(response_id))[0])
    assert done.keys() == {
        "object",
        "id",
        "status",
        "status_details",
        "output",
        "conversation_id",
        "output_modalities",
        "max_output_tokens",
        "audio",
        "usage",
        "metadata",
    }
    assert (done["object"], done["status"], done["status_details"]) == (
        "realtime.response",
        "completed",
        None,
    )
    usage = done["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["input_token_details"]["cached_tokens_details"].keys() == {
        "text_tokens",
        "audio_tokens",
        "image_tokens",
    }


def test_azure_says_a_parts_content_twice():
    machine = Machine(quirks=AZURE.quirks)
    response_id, _ = machine.say()
    events, _ = machine.fact(facts.AgentSaid(response_id, "Hi"))
    part = next(event for event in events if event["type"] == "response.content_part.added")
    assert part["content"] == part["part"]


def test_a_text_response_has_text_parts_and_no_audio():
    machine = Machine(output_modalities=["text"])
    response_id, asked = machine.say()
    assert not asked.audio
    events = machine.fact(facts.AgentSaid(response_id, "Hi there"))[0]
    events += machine.fact(facts.AgentFinished(response_id))[0]
    assert kinds(events) == [
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert over(events)["output"][0]["content"] == [{"type": "output_text", "text": "Hi there"}]


def test_a_tool_round_is_told_in_the_recorded_order_and_its_output_reaches_the_agent():
    machine = Machine(tools=[TOOL])
    response_id, asked = machine.say("weather")
    assert asked.turn.tools == ("look_up",)
    events = machine.fact(facts.AgentCalled(response_id, "look_up", {"city": "London"}))[0]
    events += machine.fact(facts.AgentFinished(response_id))[0]
    order = [kind for kind, _ in itertools.groupby(kinds(events))]
    assert order == [
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert events[0]["item"]["arguments"] == ""
    done = next(event for event in events if event["type"] == "response.function_call_arguments.done")
    deltas = [event["delta"] for event in events if event["type"].endswith("arguments.delta")]
    assert "".join(deltas) == done["arguments"] != '{"city": "London"}'
    call_id = done["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "Foggy."}
    added, finished = machine.send("conversation.item.create", item=output)[0]
    assert "status" not in added["item"]
    assert added["item"] == finished["item"]
    asked = machine.send("response.create")[1][0]
    assert asked.turn.tool_outputs == (ToolOutput(call_id, "look_up", "Foggy."),)
    assert asked.turn.text == ""
    assert asked.turn.history == (Message("user", "weather"),)


def test_words_before_and_after_a_call_are_two_messages():
    machine = Machine()
    response_id, _ = machine.say()
    machine.fact(facts.AgentSaid(response_id, "Let me see."))
    machine.fact(facts.AgentCalled(response_id, "look_up", {}))
    machine.fact(facts.AgentSaid(response_id, "One moment."))
    output = over(machine.fact(facts.AgentFinished(response_id))[0])["output"]
    assert [item["type"] for item in output] == ["message", "function_call", "message"]


def test_a_second_response_is_refused_while_one_runs():
    machine = Machine()
    response_id, _ = machine.say()
    error = machine.error("response.create", event_id="r2")
    assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "r2")
    machine.fact(facts.AgentFinished(response_id))
    assert kinds(machine.send("response.create")[0]) == ["response.created"]


def test_cancelling_nothing_is_refused_and_cancelling_something_ends_it():
    machine = Machine()
    assert machine.error("response.cancel")["code"] == "response_cancel_not_active"
    response_id, _ = machine.say()
    events, effects = machine.send("response.cancel")
    assert over(events)["status"] == "cancelled"
    assert over(events)["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert effects[0] == facts.Abort(response_id)
    assert machine.error("response.cancel", response_id=response_id)["code"] == "response_cancel_not_active"
    assert machine.fact(facts.AgentSaid(response_id, "Too late")) == ([], [])


def test_a_failing_agent_makes_a_failed_response():
    machine = Machine()
    response_id, _ = machine.say()
    done = over(machine.fact(facts.AgentFinished(response_id, "It broke."))[0])
    assert (done["status"], done["status_details"]["error"]["code"]) == ("failed", "agent_failed")


@pytest.mark.parametrize(("ms", "fine"), [(0, False), (99, False), (100, True)])
def test_a_commit_needs_a_tenth_of_a_second(ms, fine):
    machine = Machine(audio={"input": {"turn_detection": None}})
    machine.fact(facts.AudioReceived(ms))
    if fine:
        assert kinds(machine.send("input_audio_buffer.commit")[0])[0] == "input_audio_buffer.committed"
        assert machine.error("input_audio_buffer.commit")["code"] == "input_audio_buffer_commit_empty"
    else:
        assert machine.error("input_audio_buffer.commit")["code"] == "input_audio_buffer_commit_empty"


def test_a_commit_starts_no_response_and_one_that_is_asked_for_waits_for_the_transcript():
    machine = Machine(audio={"input": {"turn_detection": None}})
    machine.fact(facts.AudioReceived(500))
    events, effects = machine.send("input_audio_buffer.commit")
    user = events[0]["item_id"]
    assert effects == [facts.Transcribe(user)]
    events, effects = machine.send("response.create")
    assert kinds(events) == ["response.created"]
    assert effects == []
    effects = machine.fact(facts.Transcribed(user, Transcript("open the door"), 1))[1]
    assert effects[0].turn.text == "open the door"


def test_clear_forgets_the_turn_being_spoken():
    machine = Machine()
    first = machine.fact(facts.SpeechStarted(0))[0][0]["item_id"]
    assert machine.send("input_audio_buffer.clear")[1] == [facts.DropInput()]
    second = machine.fact(facts.SpeechStarted(900))[0][0]["item_id"]
    assert first != second


def test_without_create_response_a_turn_is_only_committed():
    detection = {"type": "server_vad", "create_response": False}
    machine = Machine(audio={"input": {"turn_detection": detection}})
    assert "response.created" not in kinds(machine.spoken_turn()[0])


def test_without_interrupt_response_speech_waits_for_the_reply_to_end():
    detection = {"type": "server_vad", "interrupt_response": False}
    machine = Machine(audio={"input": {"turn_detection": detection}})
    response_id, _ = machine.say()
    events, effects = machine.spoken_turn()
    assert "response.done" not in kinds(events)
    assert "response.created" not in kinds(events)
    assert not any(isinstance(effect, facts.Abort) for effect in effects)
    assert kinds(machine.fact(facts.AgentFinished(response_id))[0]) == [
        "response.done",
        "rate_limits.updated",
        "response.created",
    ]


def test_barge_in_clears_then_cancels_then_truncates_at_what_was_played():
    machine = Machine("webrtc")
    response_id, _ = machine.say()
    item_id = machine.fact(facts.AgentSaid(response_id, "one two three four"))[0][0]["item"]["id"]
    words = (("one", 0), ("two", 250), ("three", 500), ("four", 750))
    machine.fact(facts.AudioMade(response_id, 1000, words))
    machine.fact(facts.PlaybackStarted(response_id))
    machine.fact(facts.Played(item_id, 520.0))
    events, effects = machine.fact(facts.SpeechStarted(2000))
    told = [kind for kind in kinds(events) if not kind.startswith(("response.output", "response.content"))]
    assert told == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.done",
        "response.done",
        "rate_limits.updated",
        "conversation.item.truncated",
    ]
    assert effects == [facts.ClearOutput(), facts.Abort(response_id)]
    done = over(events)
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert done["output"][0]["status"] == "incomplete"
    assert (events[-1]["item_id"], events[-1]["audio_end_ms"]) == (item_id, 520)
    item = machine.send("conversation.item.retrieve", item_id=item_id)[0][0]["item"]
    assert item["content"][0]["transcript"] == "one two three"


def test_barge_in_after_the_response_is_done_only_clears_and_truncates():
    machine = Machine("webrtc")
    response_id, _ = machine.say()
    machine.fact(facts.AgentSaid(response_id, "one two"))
    machine.fact(facts.AudioMade(response_id, 1000))
    machine.fact(facts.PlaybackStarted(response_id))
    machine.fact(facts.AgentFinished(response_id))
    assert kinds(machine.fact(facts.SpeechStarted(2000))[0]) == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]


def test_speech_after_the_playback_has_ended_interrupts_nothing():
    machine = Machine("webrtc")
    response_id, _ = machine.say()
    item_id = machine.fact(facts.AgentSaid(response_id, "one two"))[0][0]["item"]["id"]
    machine.fact(facts.AudioMade(response_id, 1000))
    machine.fact(facts.PlaybackStarted(response_id))
    machine.fact(facts.AgentFinished(response_id))
    machine.fact(facts.Played(item_id, 1000.0))
    assert kinds(machine.fact(facts.PlaybackStopped(response_id))[0]) == ["output_audio_buffer.stopped"]
    assert kinds(machine.fact(facts.SpeechStarted(2000))[0]) == ["input_audio_buffer.speech_started"]


def test_on_a_websocket_speech_cancels_and_leaves_the_cutting_to_the_client():
    machine = Machine("websocket")
    response_id, _ = machine.say()
    machine.fact(facts.AgentSaid(response_id, "one two"))
    machine.fact(facts.AudioMade(response_id, 1000, (), "AAAA"))
    events = kinds(machine.fact(facts.SpeechStarted(2000))[0])
    assert events[-2:] == ["response.done", "rate_limits.updated"]
    assert not any(kind.startswith("output_audio_buffer") for kind in events)
    assert "conversation.item.truncated" not in events
    error = machine.error("output_audio_buffer.clear")
    assert error["code"] == "invalid_event"


def test_truncation_refuses_what_cannot_be_cut():
    machine = Machine()
    response_id, _ = machine.say()
    item_id = machine.fact(facts.AgentSaid(response_id, "one two"))[0][0]["item"]["id"]
    machine.fact(facts.AudioMade(response_id, 1000))
    machine.fact(facts.AgentFinished(response_id))
    cut = {"item_id": item_id, "content_index": 0}
    error = machine.error("conversation.item.truncate", **cut, audio_end_ms=1200)
    assert (error["code"], error["message"]) == (
        None,
        "Audio content of 1000ms is already shorter than 1200ms",
    )
    assert machine.error("conversation.item.truncate", **cut, audio_end_ms=-1)["code"] == "invalid_value"
    user = machine.send("conversation.item.create", item=message("user", "input_text", "x"))[0][0]["item"][
        "id"
    ]
    error = machine.error("conversation.item.truncate", item_id=user, content_index=0, audio_end_ms=0)
    assert error["code"] == "unsupported_content_type"
    events = machine.send("conversation.item.truncate", **cut, audio_end_ms=500)[0]
    assert (events[0]["item_id"], events[0]["audio_end_ms"]) == (item_id, 500)
    item = machine.send("conversation.item.retrieve", item_id=item_id)[0][0]["item"]
    assert item["content"][0]["transcript"] == "one"


@pytest.mark.parametrize("how", ["speech", "clear"])
def test_a_reply_beside_the_conversation_is_silenced_and_there_is_nothing_to_truncate(how):
    machine = Machine("webrtc")
    events, _ = machine.send("response.create", response={"conversation": "none"})
    response_id = events[0]["response"]["id"]
    machine.fact(facts.AgentSaid(response_id, "one two"))
    machine.fact(facts.AudioMade(response_id, 1000))
    machine.fact(facts.PlaybackStarted(response_id))
    if how == "speech":
        events, _ = machine.fact(facts.SpeechStarted(2000))
    else:
        events, _ = machine.send("output_audio_buffer.clear")
    assert "output_audio_buffer.cleared" in kinds(events)
    assert not [kind for kind in kinds(events) if kind.startswith("conversation.")]


def test_a_turn_that_was_owed_a_reply_shares_it_with_the_turn_that_cut_in():
    machine = Machine("websocket")

    def may_cut_in(allowed):
        detection = {"type": "server_vad", "interrupt_response": allowed}
        audio = {"input": {"turn_detection": detection}}
        machine.send("session.update", session={"type": "realtime", "audio": audio})

    may_cut_in(False)
    machine.say()
    machine.spoken_turn()
    may_cut_in(True)
    events, _ = machine.spoken_turn()
    (reply,) = [event["response"]["id"] for event in events if event["type"] == "response.created"]
    ended = kinds(machine.fact(facts.AgentFinished(reply))[0])
    assert ended == ["response.done", "rate_limits.updated"]


def test_a_written_reply_has_no_audio_to_truncate():
    machine = Machine()
    machine.send("session.update", session={"type": "realtime", "output_modalities": ["text"]})
    response_id, _ = machine.say()
    item_id = machine.fact(facts.AgentSaid(response_id, "one two"))[0][0]["item"]["id"]
    machine.fact(facts.AgentFinished(response_id))
    error = machine.error("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)
    assert error["code"] == "unsupported_content_type"


def test_items_go_where_previous_item_id_says():
    machine = Machine()

    def add(name, **where):
        item = {"id": name, **message("user", "input_text", name)}
        return machine.send("conversation.item.create", item=item, **where)[0][0]["previous_item_id"]

    assert add("a") is None
    assert add("b") == "a"
    assert add("c", previous_item_id="root") is None
    assert add("d", previous_item_id="a") == "a"
    asked = machine.send("response.create")[1][0]
    assert [said.text for said in asked.turn.history] == ["c", "a", "d"]
    assert asked.turn.text == "b"
    for kind in ("retrieve", "delete"):
        error = machine.error(f"conversation.item.{kind}", item_id="nowhere")
        assert error["code"] == f"item_{kind}_invalid_item_id"
    assert machine.error(
        "conversation.item.create", item=message("user", "input_text", "x"), previous_item_id="y"
    )
    assert machine.error("conversation.item.create", item={"id": "a", **message("user", "input_text", "x")})
    machine.send("conversation.item.delete", item_id="b")
    assert machine.error("conversation.item.retrieve", item_id="b")


def test_a_response_may_be_overridden_and_run_beside_the_conversation():
    machine = Machine(tools=[TOOL], instructions="Be kind.")
    machine.say("hello")
    note = message("user", "input_text", "Summarise.")
    wanted = {
        "conversation": "none",
        "instructions": "Be brief.",
        "output_modalities": ["text"],
        "tool_choice": "none",
        "metadata": {"purpose": "summary"},
        "input": [note],
    }
    events, effects = machine.send("response.create", response=wanted)
    response = events[0]["response"]
    assert (response["conversation_id"], response["metadata"]) == (None, {"purpose": "summary"})
    turn = effects[0].turn
    assert (turn.text, turn.tools, turn.instructions, turn.history) == ("Summarise.", (), "Be brief.", ())
    events = machine.fact(facts.AgentSaid(response["id"], "Hello was said."))[0]
    events += machine.fact(facts.AgentFinished(response["id"]))[0]
    assert not [kind for kind in kinds(events) if kind.startswith("conversation.item")]
    error = machine.error("response.create", response={"metadata": {"a": 1}})
    assert (error["code"], error["param"]) == ("invalid_value", "response.metadata.a")


def test_an_item_reference_takes_a_turn_of_the_conversation_along():
    machine = Machine()
    item = {"id": "first", **message("user", "input_text", "Remember the key.")}
    machine.send("conversation.item.create", item=item)
    wanted = {"conversation": "none", "input": [{"type": "item_reference", "id": "first"}]}
    assert machine.send("response.create", response=wanted)[1][0].turn.text == "Remember the key."
    wanted["input"][0]["id"] = "other"
    assert machine.error("response.create", response=wanted)["message"].endswith("does not exist.")


def test_silence_after_a_reply_is_answered_once():
    machine = Machine("webrtc")
    assert kinds(machine.fact(facts.IdleElapsed(0, 6000))[0]) == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    assert machine.fact(facts.IdleElapsed(0, 6000)) == ([], [])


def test_the_user_is_awaited_when_the_reply_has_been_heard():
    spoken = Machine("webrtc")
    response_id, _ = spoken.say()
    spoken.fact(facts.AgentSaid(response_id, "Hi"))
    spoken.fact(facts.AudioMade(response_id, 100))
    assert spoken.fact(facts.AgentFinished(response_id))[1] == []
    assert spoken.fact(facts.PlaybackStopped(response_id))[1] == [facts.AwaitUser(0)]
    sent = Machine("websocket")
    response_id, _ = sent.say()
    sent.fact(facts.AgentSaid(response_id, "Hi"))
    sent.fact(facts.AudioMade(response_id, 100, (), "AAAA"))
    assert sent.fact(facts.AgentFinished(response_id))[1] == [facts.AwaitUser(100)]


def test_an_expired_session_says_so_and_closes():
    events, effects = Machine().fact(facts.Expired())
    assert events[0]["error"]["code"] == "session_expired"
    assert effects == [facts.Close()]


def test_appending_is_refused_where_sound_comes_by_a_track_or_is_not_base64():
    assert Machine("webrtc").error("input_audio_buffer.append", audio="AAAA")["code"] == "invalid_event"
    for audio in ("*", "é"):
        assert Machine().error("input_audio_buffer.append", audio=audio)["code"] == "invalid_value"
    assert Machine().send("input_audio_buffer.append", audio="AAEC")[1] == [facts.Hear(b"\0\1\2")]


def test_a_refusal_is_an_http_body_and_an_event():
    refused = WireError("No.", "nope", "a.b")
    error = {"message": "No.", "type": "invalid_request_error", "code": "nope", "param": "a.b"}
    assert refused.body() == {"error": error}
    assert refused.event("e")["error"] == error | {"event_id": "e"}


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
WORDS = st.sampled_from(
    [
        *(
            "type",
            "item",
            "item_id",
            "session",
            "audio",
            "input",
            "output",
            "role",
            "content",
            "text",
            "tools",
        ),
        *("response", "realtime", "message", "user", "assistant", "input_text", "function_call", "arguments"),
        *("function_call_output", "call_id", "name", "a", "root", "previous_item_id", "metadata", "id", "x"),
    ]
)
JSON = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner | WORDS, max_size=5),
    max_leaves=12,
)
ITEMS = st.fixed_dictionaries(
    {"type": WORDS, "role": WORDS, "content": JSON},
    optional={"call_id": WORDS, "output": WORDS, "name": WORDS, "arguments": WORDS, "id": st.just("a")},
)
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "item": ITEMS | JSON,
        "item_id": st.sampled_from(["a", "b", 3]),
        "session": JSON,
        "response": st.fixed_dictionaries({}, optional={"input": st.lists(ITEMS | JSON, max_size=2)}) | JSON,
        "audio": SCALARS,
        "content_index": st.integers(-1, 1),
        "audio_end_ms": st.integers(-1, 99),
    },
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(sorted(CLIENT_EVENTS)), MEMBERS), max_size=6), st.booleans())
def test_whatever_a_client_sends_the_machine_answers_and_goes_on(sent, spoken):
    machine = Machine("webrtc" if spoken else "websocket")
    message_a = {"id": "a", "type": "message", "role": "assistant", "content": []}
    machine.send("conversation.item.create", item=message_a)
    for kind, members in sent:
        events, _ = machine.send(kind, **members)
        assert all(isinstance(event["event_id"], str) for event in events)
    machine.spoken_turn()
    assert kinds(machine.send("session.update", session={"type": "realtime"})[0]) == ["session.updated"]


def test_an_id_is_used_once_in_a_session_whatever_became_of_its_item():
    machine = Machine()
    item = message("user", "input_text", "hi")

    def refused(item_id):
        error = machine.error("conversation.item.create", item={**item, "id": item_id})
        assert (error["code"], error["param"]) == ("invalid_value", "item.id")

    machine.send("conversation.item.create", item={**item, "id": "mine"})
    refused("mine")
    machine.send("conversation.item.delete", item_id="mine")
    refused("mine")
    announced = machine.fact(facts.SpeechStarted(0))[0][0]["item_id"]
    refused(announced)
    events, _ = machine.fact(facts.SpeechStopped(1000))
    response_id = events[-1]["response"]["id"]
    machine.fact(facts.Transcribed(announced, Transcript("hello"), 1.0))
    machine.fact(facts.AgentSaid(response_id, "Hi."))
    spoken = machine.protocol.speaking_item(response_id)
    machine.send("conversation.item.delete", item_id=spoken)
    refused(spoken)


def test_an_id_of_a_refused_item_is_still_free():
    machine = Machine()
    item = {**message("user", "input_text", "hi"), "id": "mine"}
    machine.error("conversation.item.create", item=item, previous_item_id="nowhere")
    assert "conversation.item.added" in kinds(machine.send("conversation.item.create", item=item)[0])


def limited(most, transport="websocket", **settings):
    """A machine whose replies may count `most` tokens, its first response, and what has come of it so far."""
    machine = Machine(transport, max_output_tokens=most, **settings)
    return machine, machine.say()[0]


def test_a_written_reply_ends_at_the_last_word_within_its_tokens():
    machine, response_id = limited(3, output_modalities=["text"])
    events, effects = machine.fact(facts.AgentSaid(response_id, "One two three four"))
    assert [event["delta"] for event in events if event["type"] == "response.output_text.delta"] == [
        "One",
        " two",
    ]
    assert effects == [facts.Abort(response_id), facts.AwaitUser(0)]
    response = over(events)
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert (response["output"][0]["status"], response["max_output_tokens"]) == ("incomplete", 3)
    assert response["output"][0]["content"] == [{"type": "output_text", "text": "One two"}]
    assert response["usage"]["output_tokens"] == 2
    assert kinds(events)[-6:] == [
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "response.done",
        "rate_limits.updated",
    ]
    assert machine.fact(facts.AgentSaid(response_id, "five")) == ([], [])
    assert kinds(machine.send("response.create")[0]) == ["response.created"]


def test_a_reply_that_just_fits_its_tokens_is_complete():
    machine, response_id = limited(3, output_modalities=["text"])
    machine.fact(facts.AgentSaid(response_id, "One two thr."))
    response = over(machine.fact(facts.AgentFinished(response_id))[0])
    assert (response["status"], response["usage"]["output_tokens"]) == ("completed", 3)


def test_a_spoken_reply_ends_at_the_last_sound_within_its_tokens_and_plays_what_there_is():
    machine, response_id = limited(10, "webrtc")
    machine.fact(facts.AgentSaid(response_id, "One two"))
    for _ in range(4):
        assert machine.fact(facts.AudioMade(response_id, 100)) == ([], [])
    events, effects = machine.fact(facts.AudioMade(response_id, 100))
    assert effects == [facts.Abort(response_id)]
    assert over(events)["status_details"]["reason"] == "max_output_tokens"
    assert over(events)["usage"]["output_token_details"] == {"text_tokens": 2, "audio_tokens": 8}
    assert machine.fact(facts.PlaybackStopped(response_id))[1] == [facts.AwaitUser(0)]


def test_a_call_that_goes_over_its_tokens_is_told_as_half_a_call():
    machine, response_id = limited(8)
    events, _ = machine.fact(
        facts.AgentCalled(response_id, "look_up", {"city": "London", "country": "England"})
    )
    deltas = [event["delta"] for event in events if event["type"].endswith("arguments.delta")]
    (call,) = over(events)["output"]
    assert "response.function_call_arguments.done" not in kinds(events), "the call cannot be made"
    assert call["status"] == "incomplete"
    assert call["arguments"] == "".join(deltas)
    assert "London" in call["arguments"] and "England" not in call["arguments"]
    assert over(events)["status"] == "incomplete"


def test_a_reply_that_was_owed_comes_after_one_that_was_cut_off():
    detection = {"type": "server_vad", "interrupt_response": False}
    machine, response_id = limited(2, audio={"input": {"turn_detection": detection}})
    machine.spoken_turn()
    events, _ = machine.fact(facts.AgentSaid(response_id, "One two three"))
    assert kinds(events)[-3:] == ["response.done", "rate_limits.updated", "response.created"]


def test_what_is_left_is_told_once_a_response_whatever_became_of_it():
    machine = Machine()
    told = []
    for way in ("finish", "fail", "cancel", "beside"):
        response_id, _ = machine.say()
        if way == "cancel":
            events, _ = machine.send("response.cancel")
        elif way == "beside":
            machine.send("response.cancel")
            events, _ = machine.send("response.create", response={"conversation": "none"})
            events = machine.fact(facts.AgentFinished(events[0]["response"]["id"]))[0]
        else:
            failure = "It broke." if way == "fail" else None
            events, _ = machine.fact(facts.AgentFinished(response_id, failure))
        assert kinds(events)[-2:] == ["response.done", "rate_limits.updated"]
        told.append((over(events)["usage"]["total_tokens"], events[-1]["rate_limits"]))
    for _, limits in told:
        assert [limit["name"] for limit in limits] == ["requests", "tokens"]
        assert all(limit.keys() == {"name", "limit", "remaining", "reset_seconds"} for limit in limits)
    (first, (requests, tokens)), (second, (_, later)) = told[:2]
    assert requests["limit"] - requests["remaining"] == 1
    assert tokens["limit"] - tokens["remaining"] == first > 0
    assert tokens["remaining"] - later["remaining"] == second


def test_azure_does_not_tell_what_is_left():
    machine = Machine(quirks=AZURE.quirks)
    response_id, _ = machine.say()
    assert kinds(machine.fact(facts.AgentFinished(response_id))[0])[-1] == "response.done"


def test_a_guess_is_never_written_as_what_the_user_said():
    machine = Machine(audio={"input": {"transcription": {"model": "m"}}})
    user = machine.spoken_turn()[0][0]["item_id"]
    heard = facts.Transcribed(user, Transcript("tell me a joke", 0.2, accepted=False), 1)
    events, effects = machine.fact(heard)
    assert [event.get("delta") or event["transcript"] for event in events] == ["(unclear)", "(unclear)"]
    item = machine.send("conversation.item.retrieve", item_id=user)[0][0]["item"]
    assert item["content"] == [{"type": "input_audio", "transcript": "(unclear)"}]
    assert (effects[0].turn.text, effects[0].turn.accepted) == ("tell me a joke", False)
    machine.fact(facts.AgentFinished(effects[0].response_id))
    (asked,) = [effect for effect in machine.spoken_turn()[1] if isinstance(effect, facts.Transcribe)]
    (answer,) = machine.fact(facts.Transcribed(asked.item_id, Transcript("hello"), 1))[1]
    assert [said.text for said in answer.turn.history] == ["(unclear)"]


VOICE = "session.audio.output.voice"
LANGUAGE = "session.audio.input.transcription.language"


@pytest.mark.parametrize(
    ("patch", "param", "supported"),
    [
        ({"audio": {"output": {"voice": "marrin"}}}, VOICE, "'marin'"),
        ({"audio": {"output": {"voice": "en-klingon"}}}, VOICE, "'en-us'"),
        ({"audio": {"output": {"voice": "en-us+nobody"}}}, VOICE, "'en-gb+f3'"),
        ({"audio": {"output": {"voice": {"id": "voice_1"}}}}, VOICE, "'alloy'"),
        ({"audio": {"input": {"transcription": {"model": "m", "language": "de"}}}}, LANGUAGE, "'en'"),
        (
            {"audio": {"input": {"transcription": {"model": "m", "languages": ["de"]}}}},
            f"{LANGUAGE}s[0]",
            "'en'",
        ),
        ({"max_output_tokens": 4097}, "session.max_output_tokens", "1 to 4096 or 'inf'"),
        ({"truncation": "never"}, "session.truncation", "'auto', 'disabled'"),
        (
            {"truncation": {"type": "retention_ratio", "retention_ratio": 2}},
            "session.truncation",
            "from 0 to 1",
        ),
        ({"tracing": "on"}, "session.tracing", "'auto'"),
        ({"include": ["everything"]}, "session.include[0]", "logprobs"),
        ({"reasoning": {"effort": "none"}}, "session.reasoning.effort", "'minimal'"),
    ],
)
def test_a_value_that_there_is_none_of_is_refused_with_those_that_there_are(patch, param, supported):
    error = Machine().error("session.update", session={"type": "realtime", **patch}, event_id="mine")
    assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", param, "mine")
    assert supported in error["message"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        *(("audio.output.voice", voice) for voice in ("cedar", "en", "en-us+f3", "en-gb-scotland")),
        ("audio.input.transcription", {"model": "m", "language": "en", "prompt": None}),
        ("truncation", {"type": "retention_ratio", "retention_ratio": 0.8}),
        ("tracing", {"workflow_name": "w"}),
        ("reasoning", {"effort": "low"}),
        ("prompt", {"id": "pmpt_1", "variables": {"city": "Rome"}}),
    ],
)
def test_a_value_that_there_is_appears_in_the_session(path, value):
    patch = value
    for member in reversed(path.split(".")):
        patch = {member: patch}
    shown = Machine().send("session.update", session={"type": "realtime", **patch})[0][0]["session"]
    for member in path.split("."):
        shown = shown[member]
    assert shown == value


def test_a_response_may_have_another_voice_until_audio_was_heard():
    marin = {"audio": {"output": {"voice": "marin"}}}
    machine = Machine()
    machine.send("conversation.item.create", item=message("user", "input_text", "hi"))
    events, (asked,) = machine.send("response.create", response=marin)
    assert asked.voice == "marin"
    assert events[0]["response"]["audio"]["output"]["voice"] == "marin"
    machine.fact(facts.AgentSaid(asked.response_id, "Hi"))
    machine.fact(facts.AudioMade(asked.response_id, 100))
    machine.fact(facts.AgentFinished(asked.response_id))
    error = machine.error("response.create", response=marin)
    assert (error["code"], error["param"]) == ("cannot_update_voice", "response.audio.output.voice")
    error = machine.error("response.create", response={"audio": {"output": {"voice": "x"}}})
    assert (error["code"], error["param"]) == ("invalid_value", "response.audio.output.voice")
    assert kinds(machine.send("response.create")[0]) == ["response.created"]


NOTE = message("user", "input_text", "Summarise.")


def test_a_response_beside_the_conversation_leaves_no_trace_in_it():
    machine = Machine()
    machine.say("hello")
    wanted = {"conversation": "none", "metadata": {"purpose": "summary"}, "input": [{**NOTE, "id": "note"}]}
    events = machine.send("response.create", response=wanted)[0]
    response_id = events[0]["response"]["id"]
    events += machine.fact(facts.AgentSaid(response_id, "Hello was said."))[0]
    spoken = machine.protocol.speaking_item(response_id)
    events += machine.fact(facts.AgentFinished(response_id))[0]
    assert not [kind for kind in kinds(events) if kind.startswith("conversation.")]
    about = [event["response"] for event in events if "response" in event]
    assert [response["metadata"] for response in about] == [{"purpose": "summary"}] * 2
    assert [response["conversation_id"] for response in about] == [None, None]
    for gone in (spoken, "note"):
        assert machine.error("conversation.item.retrieve", item_id=gone)["param"] == "item_id"
    machine.send("response.cancel")
    assert [said.text for said in machine.send("response.create")[1][0].turn.history] == []


def test_a_response_beside_the_conversation_counts_what_it_was_asked():
    machine = Machine(instructions="i" * 40)
    machine.send("conversation.item.create", item=message("user", "input_text", "x" * 400))
    wanted = {
        "conversation": "none",
        "instructions": "i" * 4,
        "input": [message("user", "input_text", "x" * 36)],
    }
    response_id = machine.send("response.create", response=wanted)[0][0]["response"]["id"]
    machine.fact(facts.AgentSaid(response_id, "y" * 800))
    usage = over(machine.fact(facts.AgentFinished(response_id))[0])["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (10, 200)


def test_a_reply_is_not_counted_as_what_was_asked():
    machine = Machine(instructions="i" * 40)
    response_id, _ = machine.say("x" * 40)
    machine.fact(facts.AgentSaid(response_id, "y" * 800))
    assert over(machine.fact(facts.AgentFinished(response_id))[0])["usage"]["input_tokens"] == 20


def test_a_deleted_turn_costs_nothing_any_more():
    machine = Machine(instructions="i" * 40, audio={"input": {"turn_detection": None}})
    machine.fact(facts.AudioReceived(5000))
    user = machine.send("input_audio_buffer.commit")[0][0]["item_id"]
    machine.fact(facts.Transcribed(user, Transcript("hello"), 5))
    machine.send("conversation.item.delete", item_id=user)
    response_id = machine.send("response.create")[0][0]["response"]["id"]
    usage = over(machine.fact(facts.AgentFinished(response_id))[0])["usage"]
    assert usage["input_token_details"]["audio_tokens"] == 0


def test_a_response_with_input_of_its_own_does_not_wait_for_the_users_words():
    machine = Machine(audio={"input": {"turn_detection": None}})
    machine.fact(facts.AudioReceived(500))
    user = machine.send("input_audio_buffer.commit")[0][0]["item_id"]
    beside = {"conversation": "none", "input": [NOTE]}
    (asked,) = machine.send("response.create", response=beside)[1]
    assert asked.turn.text == "Summarise."
    waiting = {"conversation": "none", "input": [{"type": "item_reference", "id": user}]}
    assert machine.send("response.create", response=waiting)[1] == []
    (asked,) = machine.fact(facts.Transcribed(user, Transcript("open the door"), 1))[1]
    assert asked.turn.text == "open the door"


def test_an_item_of_a_responses_input_is_not_taken_for_one_of_the_same_id():
    machine = Machine(audio={"input": {"turn_detection": None}})
    machine.fact(facts.AudioReceived(500))
    user = machine.send("input_audio_buffer.commit")[0][0]["item_id"]
    machine.fact(facts.Transcribed(user, Transcript("open the door"), 1))
    wanted = {"conversation": "none", "input": [{**NOTE, "id": user}]}
    assert machine.send("response.create", response=wanted)[1][0].turn.text == "Summarise."


def test_a_reference_to_nothing_is_named_by_its_place():
    machine = Machine()
    wanted = {"conversation": "none", "input": [NOTE, {"type": "item_reference", "id": "nowhere"}]}
    assert machine.error("response.create", response=wanted)["param"] == "response.input[1].id"
    error = machine.error("conversation.item.create", item=NOTE, previous_item_id="nowhere")
    assert error["param"] == "previous_item_id"


def test_the_user_cuts_off_a_reply_beside_the_conversation_that_sounds_and_no_other():
    machine = Machine("webrtc")
    beside = {"conversation": "none"}
    sounding, silent = (
        machine.send("response.create", response=beside)[0][0]["response"]["id"] for _ in range(2)
    )
    machine.fact(facts.AgentSaid(sounding, "one two"))
    machine.fact(facts.AudioMade(sounding, 1000))
    events, effects = machine.fact(facts.SpeechStarted(2000))
    assert effects == [facts.ClearOutput(), facts.Abort(sounding)]
    assert over(events)["id"] == sounding
    assert over(events)["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert machine.fact(facts.AudioMade(sounding, 1000)) == ([], [])
    assert over(machine.fact(facts.AgentFinished(silent))[0])["status"] == "completed"


def test_azure_knows_no_tracing_and_changes_nothing_then():
    patch = {"type": "realtime", "instructions": "Cook.", "tracing": "auto"}
    error = Machine(quirks=AZURE.quirks).error("session.update", session=patch)
    assert (error["code"], error["param"]) == ("unknown_parameter", "session.tracing")
    assert kinds(Machine().send("session.update", session=patch)[0]) == ["session.updated"]


def test_a_replys_item_is_done_without_its_place_as_recorded():
    machine = Machine()
    response_id, _ = machine.say()
    machine.fact(facts.AgentSaid(response_id, "Hi"))
    added = machine.fact(facts.AgentFinished(response_id))[0]
    done = next(event for event in added if event["type"] == "conversation.item.done")
    assert done["previous_item_id"] is None
