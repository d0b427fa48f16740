"""Which addresses may be talked to, and which are of this machine alone."""

import pytest

from genmb_voice_widget.address import is_loopback, web_address
from genmb_voice_widget.errors import VoiceError


@pytest.mark.parametrize(
    "address",
    [
        "https://voice.example",
        "HTTP://127.0.0.1:8000",
        "http://[::1]:8000/voice",
        "https://bücher.example:443/a-b/c",
    ],
)
def test_an_address_is_kept_as_it_is_but_for_a_slash_at_its_end(address):
    assert web_address(address) == web_address(f"{address}/") == address


@pytest.mark.parametrize(
    "address",
    ["", "voice.example", "ftp://voice.example", "https://", "https://me:pw@voice.example", "https://voice.example?",
     "https://voice.example/?key=1", "https://voice.example/#a", "https://voice.example/a b", "https://[::1",
     "https://voice.example:0", "https://voice.example:66000", "https://voice.example;script-src", "https://a\\@b",
     "http\u017f://voice.example", "http://\uff11\uff12\uff17.0.0.1", "https://voice.example/\x7f"],
)  # fmt: skip
def test_an_address_that_could_not_show_in_a_log_or_a_page_is_refused_without_repeating_it(address):
    with pytest.raises(VoiceError, match="endpoint must be an http") as refused:
        web_address(address)
    assert "pw" not in str(refused.value) and "key=1" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("[::1]", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("[::]", False),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("0", False),
        ("2130706433", False),
        ("127.1", False),
        ("", False),
    ],
)
def test_which_address_is_of_this_machine_alone(host, own):
    assert is_loopback(host) == own
