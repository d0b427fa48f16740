"""Voice Live's session and events by themselves: what is asked for in flat words, member by member."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genmb_voice_widget.peer import facts
from genmb_voice_widget.peer.protocol.client_events import CLIENT_EVENTS
from genmb_voice_widget.peer.protocol.session_config import new_session
from genmb_voice_widget.peer.stages import Transcript
from genmb_voice_widget.peer.voice_live.machine import VoiceLive


class Machine:
    def __init__(self, transport="webrtc"):
        numbers = itertools.count(1)
        session = new_session("sess_1", "local", 3600)
        self.machine = VoiceLive(session, transport, lambda kind: f"{kind}_{next(numbers)}", lambda _: "~")

    def send(self, kind, **members):
        return self.events(self.machine.client({"type": kind, **members}))

    def fact(self, fact):
        return self.events(self.machine.fact(fact))

    @staticmethod
    def events(effects):
        return [effect.event for effect in effects if isinstance(effect, facts.Emit)]

    def update(self, **session):
        (event,) = self.send("session.update", session=session)
        return event


def said(machine, text="hello", **members):
    """Have a reply begun that has been spoken; returns its id."""
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    machine.send("conversation.item.create", item=item)
    (created,) = machine.send("response.create", **members)
    assert created["type"] == "response.created", created
    response_id = created["response"]["id"]
    machine.fact(facts.AgentSaid(response_id, "one two three"))
    machine.fact(facts.AudioMade(response_id, 900.0, (("one", 0), ("two", 300), ("three", 600))))
    return response_id


BAD = [
    ({"type": "realtime"}, "unknown_parameter", "session.type"),
    ({"audio": {}}, "unknown_parameter", "session.audio"),
    ({"output_modalities": ["audio"]}, "unknown_parameter", "session.output_modalities"),
    ({"modalities": ["video"]}, "invalid_value", "session.modalities"),
    ({"voice": "marrin"}, "invalid_value", "session.voice"),
    ({"voice": {"type": "openai", "name": "marrin"}}, "invalid_value", "session.voice.name"),
    ({"voice": {"type": "mine", "name": "a"}}, "invalid_value", "session.voice.type"),
    ({"voice": {"type": "azure-standard"}}, "missing_required_parameter", "session.voice.name"),
    (
        {"voice": {"type": "azure-standard", "name": "a", "speed": 1}},
        "unknown_parameter",
        "session.voice.speed",
    ),
    ({"input_audio_format": "mp3"}, "invalid_value", "session.input_audio_format"),
    ({"input_audio_sampling_rate": 44_100}, "invalid_value", "session.input_audio_sampling_rate"),
    ({"input_audio_sampling_rate": 16_000}, "invalid_value", "session.input_audio_sampling_rate"),
    ({"output_audio_format": "pcm16_8000hz"}, "invalid_value", "session.output_audio_format"),
    ({"turn_detection": {"type": "loud_vad"}}, "invalid_value", "session.turn_detection.type"),
    (
        {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 6000}},
        "unknown_parameter",
        "session.turn_detection.idle_timeout_ms",
    ),
    (
        {"turn_detection": {"type": "azure_semantic_vad_en", "languages": ["en"]}},
        "unknown_parameter",
        "session.turn_detection.languages",
    ),
    (
        {"input_audio_transcription": {"model": "azure-speech", "language": "de-DE"}},
        "invalid_value",
        "session.input_audio_transcription.language",
    ),
    (
        {"input_audio_transcription": {}},
        "missing_required_parameter",
        "session.input_audio_transcription.model",
    ),
    (
        {"input_audio_noise_reduction": {"type": "x"}},
        "invalid_value",
        "session.input_audio_noise_reduction.type",
    ),
    ({"max_response_output_tokens": 5000}, "invalid_value", "session.max_response_output_tokens"),
    ({"temperature": 3}, "invalid_value", "session.temperature"),
    ({"avatar": {"character": "lisa"}}, "invalid_value", "session.avatar"),
    ({"animation": {"outputs": ["viseme_id"]}}, "invalid_value", "session.animation"),
    ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
]


@pytest.mark.parametrize(("session", "code", "param"), BAD)
def test_a_member_that_cannot_be_had_is_named_and_nothing_is_applied(session, code, param):
    machine = Machine()
    before = machine.update()["session"]
    error = machine.update(instructions="Cook.", **session)["error"]
    assert (error["code"], error["param"]) == (code, param)
    assert machine.update()["session"] == before


def test_an_update_of_turn_detection_begins_at_the_recorded_defaults():
    machine = Machine()
    (opened,) = machine.events(machine.machine.open())
    silences = ("prefix_padding_ms", "silence_duration_ms")
    first = opened["session"]["turn_detection"]
    assert [first[name] for name in silences] == [300, 200]
    told = machine.update(turn_detection={"type": "server_vad", "threshold": 0.7})["session"][
        "turn_detection"
    ]
    assert [told[name] for name in silences] == [400, 500]
    assert machine.machine.session["audio"]["input"]["turn_detection"]["threshold"] == 0.7
    again = machine.update(turn_detection={"type": "azure_semantic_vad"})["session"]["turn_detection"]
    assert again["threshold"] == 0.5


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"type": "azure_semantic_vad", "remove_filler_words": True}, "server_vad"),
        ({"type": "azure_semantic_vad_en"}, "server_vad"),
        ({"type": "azure_semantic_vad_multilingual", "languages": ["en"]}, "server_vad"),
        ({"type": "semantic_vad", "eagerness": "low"}, "semantic_vad"),
        (None, None),
    ],
)
def test_each_turn_detection_has_one_that_comes_near(asked, kind):
    machine = Machine()
    machine.update(turn_detection=asked)
    internal = machine.machine.session["audio"]["input"]["turn_detection"]
    assert (internal and internal["type"]) == kind


def test_azures_voices_are_kept_in_name_and_spoken_by_the_agents_own():
    machine = Machine()
    voice = {"type": "azure-standard", "name": "en-US-AvaNeural", "rate": "1.2"}
    assert machine.update(voice=voice)["session"]["voice"] == voice
    assert machine.machine.session["audio"]["output"]["voice"] == "alloy"
    assert machine.update(voice="ash")["session"]["voice"] == {"name": "ash", "type": "openai"}
    assert machine.machine.session["audio"]["output"]["voice"] == "ash"


def test_the_voice_stays_once_there_is_sound():
    machine = Machine()
    said(machine)
    error = machine.update(voice="ash")["error"]
    assert (error["code"], error["param"]) == ("cannot_update_voice", "session.voice")


def test_a_response_has_its_own_words_of_what_is_asked():
    machine = Machine()
    wanted = {
        "modalities": ["text"],
        "instructions": "Cook.",
        "max_output_tokens": 50,
        "metadata": {"a": "b"},
    }
    (created,) = machine.send("response.create", response=wanted)
    response = created["response"]
    assert (response["modalities"], response["max_output_tokens"]) == (["text"], 50)
    assert response["metadata"] == {"a": "b"}
    (refused,) = machine.send("response.create", response={"output_modalities": ["text"]})
    assert refused["error"]["param"] == "response.output_modalities"
    (refused,) = machine.send("response.create", response={"voice": "x"})
    assert refused["error"]["param"] == "response.voice"


def test_an_assistants_words_are_of_the_type_text():
    machine = Machine()
    item = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hi."}]}
    (created,) = machine.send("conversation.item.create", item=item)
    assert created["item"]["content"] == [{"type": "text", "text": "Hi."}]
    item["content"][0]["type"] = "output_text"
    (refused,) = machine.send("conversation.item.create", item=item, event_id="mine")
    assert (refused["error"]["param"], refused["error"]["event_id"]) == ("item.content[0].type", "mine")


@pytest.mark.parametrize("truncates", [False, True])
def test_what_was_not_heard_stays_in_the_conversation_unless_it_is_to_be_truncated(truncates):
    machine = Machine()
    machine.update(turn_detection={"type": "server_vad", "auto_truncate": truncates})
    response_id = said(machine)
    machine.fact(facts.PlaybackStarted(response_id))
    item_id = machine.machine.speaking_item(response_id)
    machine.fact(facts.Played(item_id, 400.0))
    kinds = [event["type"] for event in machine.fact(facts.SpeechStarted(0))]
    assert ("conversation.item.truncated" in kinds) == truncates
    assert "output_audio_buffer.cleared" in kinds
    (item,) = machine.send("conversation.item.retrieve", item_id=item_id)
    heard = "one two" if truncates else "one two three"
    assert item["item"]["content"] == [{"type": "audio", "transcript": heard}]


def test_a_call_is_offered_on_a_control_socket_only():
    assert any(
        isinstance(effect, facts.Offered)
        for effect in Machine().machine.client({"type": "rtc.call.sdp.create", "sdp_offer": "v=0"})
    )
    (refused,) = Machine("websocket").send("rtc.call.sdp.create", sdp_offer="v=0")
    assert (refused["type"], refused["error"]["code"]) == ("error", "invalid_event")


@pytest.mark.parametrize(
    "event", [None, 3, [], {}, {"type": 7}, {"type": "response.create", "response": [1]}]
)
def test_any_json_gets_an_error_and_breaks_nothing(event):
    machine = Machine()
    (told,) = machine.events(machine.machine.client(event))
    assert told["type"] == "error"
    deep = item = {}
    for _ in range(5000):
        item["content"] = item = {}
    (told,) = machine.send("conversation.item.create", item=deep)
    assert told["error"]["code"] == "invalid_event"
    (told,) = machine.send("rtc.call.sdp.create", sdp_offer="v=0", session=deep)
    assert told["error"]["code"] == "invalid_event"


def test_a_transcript_that_failed_says_so_with_azures_code():
    machine = Machine()
    machine.update(input_audio_transcription={"model": "missing-deployment"})
    machine.fact(facts.SpeechStarted(0))
    stopped = machine.fact(facts.SpeechStopped(900))
    item = next(event["item"]["id"] for event in stopped if event["type"] == "conversation.item.created")
    failed = machine.fact(facts.Transcribed(item, Transcript("hello"), 0.9))[0]
    assert failed["error"]["code"] == "DeploymentNotFound"


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-5, 10_000), st.floats(), st.text(max_size=3))
WORDS = st.sampled_from(
    ["message", "assistant", "text", "openai", "azure-standard", "server_vad", "pcm16", "a"]
)
NAMES = st.sampled_from(
    [
        *("type", "role", "content", "text", "name", "voice", "modalities", "turn_detection", "eagerness"),
        *("input_audio_transcription", "input_items", "item", "response", "session", "item_id", "audio"),
        *("model", "language", "audio_end_ms", "content_index", "instructions", "tools", "id", "sdp_offer"),
    ]
)
ANY = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
KINDS = st.sampled_from([*sorted(CLIENT_EVENTS), "rtc.call.sdp.create"])


@settings(max_examples=300)
@given(
    st.lists(st.tuples(KINDS, st.dictionaries(NAMES.filter(lambda name: name != "type"), ANY)), max_size=6)
)
def test_whatever_a_client_sends_voice_live_answers_and_goes_on(sent):
    machine = Machine()
    said(machine)
    for kind, members in sent:
        told = machine.send(kind, **members)
        assert all(isinstance(event["event_id"], str) for event in told)
    assert machine.update(temperature=0.5)["type"] == "session.updated"
