import pickle

import pytest

from genmb_voice_widget.errors import NoFrontEnd, Refused, VoiceError, WaitTimeout, voice_error


def test_an_error_says_what_happened_what_to_do_and_its_code():
    error = VoiceError("bad_audio", "q.wav has 8-bit samples.")
    assert str(error) == (
        "That audio cannot be read. q.wav has 8-bit samples. Use a 16-bit PCM WAV file. [bad_audio]"
    )
    assert (error.code, error.retryable, error.detail) == ("bad_audio", False, "q.wav has 8-bit samples.")
    assert error.say == "That audio cannot be read." and error.fix == "Use a 16-bit PCM WAV file."


def test_what_callers_catch_apart_has_a_class_of_its_own():
    assert type(voice_error("no_front_end")) is NoFrontEnd
    assert isinstance(voice_error("wait_timeout"), TimeoutError | WaitTimeout)
    assert type(voice_error("mic_denied")) is VoiceError


def test_errors_survive_a_pickle():
    refused = pickle.loads(pickle.dumps(Refused("rate_limited", "Soon.", 12.5)))
    assert (refused.code, refused.detail, refused.retry_after) == ("rate_limited", "Soon.", 12.5)
    assert str(pickle.loads(pickle.dumps(VoiceError("not_live")))) == str(VoiceError("not_live"))


def test_a_code_that_is_not_in_the_catalogue_is_an_internal_error():
    assert VoiceError("never_heard_of").code == "internal"


@pytest.mark.parametrize(
    ("seconds", "detail"),
    [
        (None, "20 an hour."),
        (0.2, "20 an hour. Possible again in 1 s."),
        (90, "20 an hour. Possible again in 2 min."),
    ],
)
def test_a_refusal_shows_the_time_of_the_next_chance(seconds, detail):
    shown = Refused("rate_limited", "20 an hour.", seconds).with_time()
    assert (type(shown), shown.code, shown.detail) == (VoiceError, "rate_limited", detail)
