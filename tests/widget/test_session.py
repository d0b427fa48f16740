"""The options, and how each dialect writes them down: checked against both vendors' own types."""

import pytest
from azure.ai.voicelive.models import RequestSession
from harness import openai_types, voice_live_types
from openai.types.realtime import RealtimeSessionCreateRequest

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.session import OPTIONS, Session, make_session
from genmb_voice_widget.session.azure_voice import AzureVoice
from genmb_voice_widget.session.functions import Function
from genmb_voice_widget.session.prompt import Prompt
from genmb_voice_widget.session.turn_detection import AzureSemanticVad, SemanticVad, ServerVad

LOOK_UP = Function("look-up", "Look it up.", {"type": "object", "properties": {"what": {"type": "string"}}})
NOW = Function("now", "", {"type": "object", "properties": {}})
IN_BOTH = [
    {},
    {"instructions": "Be kind.", "voice": "alloy", "model": "gpt-realtime", "language": "de"},
    {"transcription": None},
    {"transcription": "whisper-1", "language": "fr", "vocabulary": ["Wärtsilä", "nbval"]},
    {"turn_detection": None},
    {"turn_detection": "server_vad", "auto_respond": False},
    {"turn_detection": ServerVad(0.8, 100, 900), "interruptible": False},
    {"noise_reduction": "near_field"},
    {"noise_reduction": "far_field"},
    {"modality": "text"},
    {"max_output_tokens": 300},
    {"tools": [LOOK_UP, NOW]},
    {"tools": (NOW,), "tool_choice": "none"},
    {"tools": (NOW,), "tool_choice": "required"},
    {"tools": (LOOK_UP, NOW), "tool_choice": "now"},
]
IN_GA = [
    {"turn_detection": "semantic_vad"},
    {"turn_detection": SemanticVad("low")},
    {"turn_detection": ServerVad(idle_timeout_ms=6000)},
    {"speed": 1.25},
    {"truncation": "disabled"},
    {"truncation": 0.8},
    {"prompt": Prompt("pmpt_1")},
    {"prompt": Prompt("pmpt_1", "2", {"name": "Ada"})},
]
IN_VOICE_LIVE = [
    {"temperature": 0.4},
    {"echo_cancellation": True},
    {"noise_reduction": "azure_deep_noise_suppression"},
    {"turn_detection": "azure_semantic_vad"},
    {"turn_detection": AzureSemanticVad(0.3, 100, 50, 700, True, ("en", "de"))},
    {"voice": AzureVoice("en-US-Ava:DragonHDLatestNeural", temperature=0.8, rate=1.2, style="cheerful")},
    {"voice": AzureVoice("Ours", endpoint_id="e-1", pitch="+5%", locale="en-GB")},
    {"voice": AzureVoice("Mine", model="DragonLatestNeural")},
]


def named(options):
    return ",".join(f"{name}={value}" for name, value in options.items()) or "none"


@pytest.mark.parametrize("options", IN_BOTH + IN_GA, ids=named)
def test_what_ga_services_get_is_what_the_official_types_allow(options):
    wire = Session(**options).to_wire("ga")
    assert openai_types.faults(wire, RealtimeSessionCreateRequest) == []


@pytest.mark.parametrize("options", IN_BOTH + IN_VOICE_LIVE, ids=named)
def test_what_voice_live_gets_is_what_azures_types_allow(options):
    assert voice_live_types.faults(Session(**options).to_wire("beta"), RequestSession) == []


@pytest.mark.parametrize(
    ("wire", "fault"),
    [
        (
            {
                "type": "realtime",
                "audio": {"input": {"turn_detection": {"type": "server_vad", "silence": 1}}},
            },
            "silence",
        ),
        ({"type": "realtime", "truncation": "none"}, "truncation"),
        ({"type": "realtime", "speed": 1}, ".speed: unknown"),
    ],
)
def test_the_official_types_find_a_fault_where_there_is_one(wire, fault):
    assert any(fault in each for each in openai_types.faults(wire, RealtimeSessionCreateRequest))


@pytest.mark.parametrize(
    ("wire", "fault"),
    [
        ({"audio": {}}, ".audio: unknown"),
        ({"turn_detection": {"type": "server_vad", "silence": 1}}, ".turn_detection"),
        ({"voice": {"type": "azure-standard", "names": "x"}}, ".voice"),
        (
            {"input_audio_transcription": {"model": "azure-speech", "phrases": []}},
            ".input_audio_transcription",
        ),
        ({"temperature": "warm"}, ".temperature"),
    ],
)
def test_azures_types_find_a_fault_where_there_is_one(wire, fault):
    assert any(fault in each for each in voice_live_types.faults(wire, RequestSession))


def test_the_wire_object_names_every_number_of_the_turn_detection():
    session = Session(instructions="Be kind.", voice="marin", model="gpt-realtime", language="de")
    assert session.to_wire() == {
        "type": "realtime",
        "model": "gpt-realtime",
        "instructions": "Be kind.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"language": "de"},
                "turn_detection": {
                    "type": "server_vad",
                    "threshold": 0.5,
                    "prefix_padding_ms": 300,
                    "silence_duration_ms": 500,
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"},
        },
    }


def test_voice_live_gets_the_same_session_flat_and_forgets_what_the_user_did_not_hear():
    session = Session(instructions="Be kind.", voice="en-US-AvaNeural", language="de", vocabulary=["nbval"])
    assert session.to_wire("beta") == {
        "instructions": "Be kind.",
        "modalities": ["text", "audio"],
        "voice": {"type": "azure-standard", "name": "en-US-AvaNeural"},
        "input_audio_format": "pcm16",
        "input_audio_sampling_rate": 24000,
        "output_audio_format": "pcm16",
        "input_audio_transcription": {"model": "azure-speech", "language": "de", "phrase_list": ["nbval"]},
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "create_response": True,
            "interrupt_response": True,
            "auto_truncate": True,
        },
    }


@pytest.mark.parametrize("options", IN_VOICE_LIVE, ids=named)
def test_what_only_voice_live_has_is_refused_elsewhere_with_what_there_is(options):
    with pytest.raises(VoiceError, match="bad_option") as caught:
        Session(**options).to_wire("ga")
    assert caught.value.detail.startswith("There is no ")
    assert (
        " with these providers: local, azure, openai, openai-compatible. Supported there: "
        in caught.value.detail
    )


@pytest.mark.parametrize("options", IN_GA, ids=named)
def test_what_voice_live_has_not_is_refused_there_with_what_there_is(options):
    with pytest.raises(VoiceError, match="bad_option") as caught:
        Session(**options).to_wire("beta")
    assert " with these providers: voice-live. Supported there: " in caught.value.detail


def test_an_unknown_option_is_refused_with_the_list_of_those_there_are():
    with pytest.raises(VoiceError) as caught:
        make_session({"voise": "marin", "provder": "x", "qqq": 1}, others=("provider",))
    assert caught.value.code == "bad_option"
    assert caught.value.detail == (
        "Unknown: voise (did you mean voice?), provder (did you mean provider?), qqq. "
        f"Supported: provider, {', '.join(OPTIONS)}."
    )


@pytest.mark.parametrize(
    "options",
    [
        {"instructions": ""},
        {"instructions": None},
        {"voice": 3},
        {"model": " "},
        {"transcription": ""},
        {"language": "German"},
        {"language": "de-DE"},
        {"language": "d"},
        {"language": 1},
        {"vocabulary": "word"},
        {"vocabulary": [1]},
        {"turn_detection": "server"},
        {"turn_detection": {"type": "server_vad"}},
        {"auto_respond": 1},
        {"interruptible": 1},
        {"noise_reduction": "loud"},
        {"echo_cancellation": None},
        {"modality": "video"},
        {"speed": 2},
        {"speed": True},
        {"temperature": float("nan")},
        {"max_output_tokens": 0},
        {"max_output_tokens": 1.5},
        {"truncation": "none"},
        {"truncation": 1.5},
        {"prompt": "pmpt_1"},
        {"tools": "now"},
        {"tools": None},
        {"tools": [print]},
        {"tools": [{"type": "function", "name": "now"}]},
        {"tools": [NOW, NOW]},
        {"tool_choice": "now"},
        {"tool_choice": None},
        {"tool_choice": "sometimes", "tools": [NOW]},
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_name(options):
    with pytest.raises(VoiceError, match="bad_option") as caught:
        make_session(options)
    assert caught.value.detail is not None and caught.value.detail.startswith(next(iter(options)))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: ServerVad(threshold=2), "threshold"),
        (lambda: ServerVad(silence_duration_ms=0), "silence_duration_ms"),
        (lambda: ServerVad(prefix_padding_ms=0.5), "prefix_padding_ms"),
        (lambda: ServerVad(idle_timeout_ms=100), "idle_timeout_ms"),
        (lambda: SemanticVad("soon"), "eagerness"),
        (lambda: AzureSemanticVad(languages="en"), "languages"),
        (lambda: AzureSemanticVad(remove_filler_words="no"), "remove_filler_words"),
        (lambda: AzureVoice(""), "voice.name"),
        (lambda: AzureVoice("x", rate=3), "voice.rate"),
        (lambda: AzureVoice("x", endpoint_id="e", model="m"), "A voice has"),
        (lambda: Prompt(""), "prompt.id"),
        (lambda: Function("", "", {"type": "object"}), "A tool's name"),
        (lambda: Function("my tool", "", {"type": "object"}), "A tool's name"),
        (lambda: Function("n" * 65, "", {"type": "object"}), "A tool's name"),
        (lambda: Function("now", None, {"type": "object"}), "The description of now"),
        (lambda: Function("now", "", {}), "The parameters of now"),
        (lambda: Function("now", "", [{"type": "object"}]), "The parameters of now"),
        (lambda: Function("now", "", {"type": "object", "default": print}), "The parameters of now"),
        (lambda: Prompt("x", variables=["y"]), "prompt.variables"),
    ],
)
def test_a_knob_of_the_wrong_kind_is_refused_by_its_name(make, name):
    with pytest.raises(VoiceError, match="bad_option") as caught:
        make()
    assert caught.value.detail.startswith(name)
