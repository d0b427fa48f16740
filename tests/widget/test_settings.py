"""What changes of a session that runs, and what cannot."""

import pytest
from azure.ai.voicelive.models import ClientEventSessionUpdate
from harness import openai_types, voice_live_types
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import SessionUpdateEvent
from widget.test_session import IN_BOTH, IN_GA, IN_VOICE_LIVE

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.session import Session
from genmb_voice_widget.session.turn_detection import ServerVad
from genmb_voice_widget.settings import Settings


def changed(settings, name, value):
    settings.begin()
    settings.change(name, value, running=True)
    return told(settings)


def told(settings):
    return settings.update().get("session", {})


@pytest.mark.parametrize(
    ("name", "value", "update"),
    [
        ("instructions", "Be brief.", {"type": "realtime", "instructions": "Be brief."}),
        ("language", "de", {"type": "realtime", "audio": {"input": {"transcription": {"language": "de"}}}}),
        ("turn_detection", None, {"type": "realtime", "audio": {"input": {"turn_detection": None}}}),
        ("speed", 1.5, {"type": "realtime", "audio": {"output": {"speed": 1.5}}}),
        ("interruptible", True, {}),
    ],
)
def test_an_update_names_what_has_changed_and_nothing_else(name, value, update):
    assert changed(Settings("local", Session()), name, value) == update


@pytest.mark.parametrize(
    ("name", "value", "cleared"),
    [
        ("noise_reduction", "near_field", {"audio": {"input": {"noise_reduction": None}}}),
        ("max_output_tokens", 5, {"max_output_tokens": "inf"}),
        ("truncation", "disabled", {"truncation": "auto"}),
        ("speed", 0.5, {"audio": {"output": {"speed": 1.0}}}),
    ],
)
def test_what_is_left_to_the_service_again_is_set_to_what_stands_for_nothing(name, value, cleared):
    settings = Settings("azure", Session(**{name: value}))
    assert changed(settings, name, None) == {"type": "realtime", **cleared}


def test_a_change_of_transcription_is_the_whole_of_it_with_the_model_that_the_endpoint_has_chosen():
    settings = Settings("azure", Session(language="de"))
    assert settings.begin()["audio"]["input"]["transcription"] == {"language": "de"}, "the endpoint's to name"
    settings.opened("my-deployment")
    assert settings.update() == {}
    settings.change("vocabulary", ("Genmb",), running=True)
    whole = {"model": "my-deployment", "language": "de", "keywords": ["Genmb"]}
    assert told(settings) == {"type": "realtime", "audio": {"input": {"transcription": whole}}}
    settings.change("transcription", None, running=True)
    assert told(settings) == {"type": "realtime", "audio": {"input": {"transcription": None}}}
    settings.change("transcription", "auto", running=True)
    assert told(settings)["audio"]["input"]["transcription"] == whole


def test_what_was_told_is_not_told_again_and_several_changes_are_one_update():
    settings = Settings("local", Session())
    settings.begin()
    settings.change("language", "de", running=True)
    settings.change("instructions", "Be brief.", running=True)
    update = told(settings)
    assert (update["instructions"], "audio" in update) == ("Be brief.", True)
    assert settings.update() == {}


def test_what_the_service_has_refused_is_told_again_with_the_next_change_unless_it_was_changed_back():
    settings = Settings("local", Session(language="de"))
    settings.begin()
    settings.change("language", "xx", running=True)
    refused = settings.update()["event_id"]
    settings.change("instructions", "Be brief.", running=True)
    assert told(settings) == {"type": "realtime", "instructions": "Be brief."}
    error = {"type": "error", "error": {"event_id": refused, "message": "There is no xx."}}
    for _ in range(2):  # a repeat changes nothing
        settings.hear(error)
    settings.hear({"type": "error", "error": {"event_id": "another", "message": "?"}})
    settings.change("instructions", "Be kind.", running=True)
    update = told(settings)
    assert update["audio"]["input"]["transcription"] == {"language": "xx"}
    assert update["instructions"] == "Be kind."
    settings.change("language", "fr", running=True)
    second = settings.update()["event_id"]
    settings.change("language", "de", running=True)
    settings.update()
    settings.hear({"type": "error", "error": {"event_id": second}})
    assert told(settings) == {}, "what was told since then counts"


def test_what_changes_before_a_session_begins_is_in_its_session_object_and_no_update():
    settings = Settings("local", Session())
    settings.change("instructions", "Be brief.", running=False)
    assert settings.begin()["instructions"] == "Be brief."
    assert settings.update() == {}


def test_a_knob_that_is_set_sends_the_whole_turn_detection():
    update = changed(Settings("local", Session()), "turn_detection", ServerVad(threshold=0.9))
    detection = update["audio"]["input"]["turn_detection"]
    assert (detection["threshold"], detection["silence_duration_ms"]) == (0.9, 500)


@pytest.mark.parametrize("name", ["voice", "model"])
def test_voice_and_model_change_before_a_session_but_not_while_one_runs(name):
    settings = Settings("local", Session())
    with pytest.raises(VoiceError, match="cannot change while a session runs"):
        settings.change(name, "cedar", running=True)
    assert getattr(settings.session, name) is None
    settings.change(name, "cedar", running=False)
    assert settings.shown()[name] == "cedar"


def test_a_change_that_the_provider_has_not_changes_nothing():
    settings = Settings("voice-live", Session())
    with pytest.raises(VoiceError, match="There is no speed"):
        settings.change("speed", 1.5, running=False)
    assert settings.session == Session()


def sessions(*options):
    return st.sampled_from(options).map(lambda chosen: Session(**{"model": None, "voice": None} | chosen))


def without_fixed(*groups):
    return [
        {name: value for name, value in options.items() if name not in ("model", "voice")}
        for group in groups
        for options in group
    ]


@given(sessions(*without_fixed(IN_BOTH, IN_GA)), sessions(*without_fixed(IN_BOTH, IN_GA)))
def test_every_change_of_a_ga_session_is_an_event_of_the_official_types(before, after):
    update = moved("openai", before, after)
    event = {"type": "session.update", "session": update}
    assert update == {} or openai_types.faults(event, SessionUpdateEvent) == []


@given(sessions(*without_fixed(IN_BOTH, IN_VOICE_LIVE)), sessions(*without_fixed(IN_BOTH, IN_VOICE_LIVE)))
def test_every_change_of_a_voice_live_session_is_an_event_of_azures_types(before, after):
    event = {"type": "session.update", "session": moved("voice-live", before, after)}
    assert voice_live_types.faults(event, ClientEventSessionUpdate) == []


def moved(provider, before, after):
    """All changes from one session to another, in one update."""
    settings = Settings(provider, before)
    settings.begin()
    settings.change("tool_choice", "auto", running=True)  # a tool that must be called cannot be taken away
    for name in vars(after):
        settings.change(name, getattr(after, name), running=True)
    return told(settings)
