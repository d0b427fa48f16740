import pytest

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.session import OPTIONS, Session, make_session


def test_the_wire_object_names_every_number_of_the_turn_detection():
    wire = Session(instructions="Be kind.", voice="marin", model="gpt-realtime", language="de").to_wire()
    assert wire == {
        "type": "realtime",
        "model": "gpt-realtime",
        "instructions": "Be kind.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "transcription": {"model": "gpt-realtime-whisper", "language": "de"},
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


def test_what_is_left_to_the_provider_is_not_in_the_wire_object():
    wire = Session().to_wire()
    assert "model" not in wire and "voice" not in wire["audio"]["output"]
    assert "language" not in wire["audio"]["input"]["transcription"]


def test_pause_and_interruption_are_options():
    detection = Session(silence_ms=200, interruptible=False).to_wire()["audio"]["input"]["turn_detection"]
    assert (detection["silence_duration_ms"], detection["interrupt_response"]) == (200, False)


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
        {"transcription": None},
        {"language": "German"},
        {"language": "de-DE"},
        {"language": "d"},
        {"language": 1},
        {"silence_ms": 0},
        {"silence_ms": 0.5},
        {"silence_ms": True},
        {"silence_ms": 10_001},
        {"interruptible": 1},
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_its_name(options):
    with pytest.raises(VoiceError, match="bad_option") as caught:
        make_session(options)
    assert caught.value.detail is not None and caught.value.detail.startswith(next(iter(options)))
