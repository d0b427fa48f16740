"""Which prompts ask for a voice, and where in a page the script goes."""

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as some

from genmb_voice_widget import VoiceError, inject_sdk
from genmb_voice_widget.inject import asks_for_voice

TAG = '<script src="/sdk.js" data-genmb-voice></script>'


@pytest.mark.parametrize(
    "prompt",
    [
        "Build a voice agent for my bakery",
        "voice agents that answer questions",
        "A Voice Bot for support",
        "a voicebot",
        "an AI voice assistant",
        "Landing page with a voice-booking form",
        "voice booking for a hair salon",
        "A voice-enabled booking assistant",
        "a voice AI agent on the home page",
        "voice-powered customer support agent",
        "Let guests book a table by voice.",
        "bookings with your voice",
        "No login needed, just a voice bot.",
        "Not only a chat but a voice agent",
        "not just text: a voice assistant",
        "I don't want a form but a voice agent",
        "No voice memo. A voice agent, please.",
        "an invoice page with a voice agent",
        "A dashboard\nwithout charts\na voice agent",
        "Without it, the voice bot is useless",
        "I cannot type so add a voice agent",
        "I can't type please add a voice agent",
        "no ads and a voice agent",
    ],
)
def test_a_prompt_that_asks_for_a_voice(prompt):
    assert asks_for_voice(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        None,
        "",
        "An invoice agent for freelancers",
        "invoice booking software",
        "invoices and bookings",
        "A recorder for voice memos",
        "a voice memo app with an agent list",
        "no voice agent",
        "A chatbot without a voice agent",
        "a text bot, not a voice bot",
        "Please don't add a voice assistant",
        "do not include any voice booking",
        "Remove the voice agent from the page",
        "a form instead of a voice bot",
        "a chat rather than a voice agent",
        "non-voice agent",
        "A voice agent is not needed",
        "voice bots should not be added",
        "A voice agent isn't what I want",
        "a choir with one voice",
        "voiceover studio: book an actor",
        "Give customers a voice. An agent answers e-mails.",
        "a booking page for voice lessons",
        "travel agent site",
    ],
)
def test_a_prompt_that_asks_for_none(prompt):
    assert not asks_for_voice(prompt)


@pytest.mark.parametrize("prompt", ["no voice agent ", "voice agent not ", "voice agent" + " " * 3000 + "x "])
def test_a_long_prompt_is_read_in_the_time_that_its_length_deserves(prompt):
    began = time.process_time()
    asks_for_voice(prompt * (64_000 // len(prompt)))
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "piece",
    ["<", "<a ", "<a b='", '<a b="', "<!--", "<![", "<!doctype ", "</", "</a ", "<?", "<script>", "</script", "<title>",
     "<a b=", "<a\n=", "&#", "<meta http-equiv=Content-Security-Policy content=\"default-src 'self'\">"],
)  # fmt: skip
def test_a_long_page_is_read_in_the_time_that_its_length_deserves(piece):
    began = time.process_time()
    inject_sdk(piece * (400_000 // len(piece)), enabled=True)
    assert time.process_time() - began < 3


def test_the_prompt_decides_unless_it_is_switched_on_or_off():
    page = "<head></head>"
    assert inject_sdk(page) == page
    assert inject_sdk(page, "a travel agent") == page
    assert inject_sdk(page, "a voice agent", enabled=False) == page
    assert inject_sdk(page, "a voice agent") == inject_sdk(page, enabled=True) == f"<head>{TAG}</head>"


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("", "|"),
        ("<p>Hi", "|<p>Hi"),
        ("Hi", "|Hi"),
        ("\ufeff<p>Hi", "\ufeff|<p>Hi"),
        ("<!doctype html><p>Hi", "<!doctype html>|<p>Hi"),
        ("<!-- made by me -->\n<!DOCTYPE html>\n<p>Hi", "<!-- made by me -->\n<!DOCTYPE html>|\n<p>Hi"),
        (
            '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://x"><html><body>',
            '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://x"><html>|<body>',
        ),
        ("<html lang=en><body>Hi", "<html lang=en>|<body>Hi"),
        ("<html>\n<title>Hi</title>", "<html>|\n<title>Hi</title>"),
        ("<html><head><title>Hi</title></head>", "<html><head>|<title>Hi</title></head>"),
        ("<HTML>\n<HEAD\n  class='a>b'>\n<TITLE>", "<HTML>\n<HEAD\n  class='a>b'>|\n<TITLE>"),
        ("<html><!-- <head> --><head><meta charset=utf-8>", "<html><!-- <head> --><head>|<meta charset=utf-8>"),
        (
            "<head><script>const end = '</head><head>';</script></head>",
            "<head>|<script>const end = '</head><head>';</script></head>",
        ),
        ("<head><!-- </head> --></head><body>", "<head>|<!-- </head> --></head><body>"),
        ("<header>Hi</header>", "|<header>Hi</header>"),
        ("<body><head></head>", "|<body><head></head>"),
        ("<html><header></header><head>", "<html>|<header></header><head>"),
        ("Hi <html><head>", "|Hi <html><head>"),
        ("<!doctype html>\r\n<html>\r\n<head>\r\n<title>", "<!doctype html>\r\n<html>\r\n<head>|\r\n<title>"),
        ("<html><head><style>p::after { content: '<head>' }</style>", "<html><head>|<style>p::after { content: '<head>' }</style>"),
        ("<title><head></title><html><head>", "|<title><head></title><html><head>"),
        ("<html><!--> <head>", "<html><!--> <head>|"),
        ("<html></p ><? x ><head/>", "<html></p ><? x ><head/>|"),
        ("<html><head a='", "<html>|<head a='"),
        ("<html><meta content='&#" + "9" * 5000 + "'>", "<html>|<meta content='&#" + "9" * 5000 + "'>"),
        ("<!doctype html><!-- <script data-genmb-voice> --><head>", "<!doctype html><!-- <script data-genmb-voice> --><head>|"),
    ],
)  # fmt: skip
def test_the_script_comes_first_in_the_head_and_the_rest_stays_as_it_is(page, expected):
    assert inject_sdk(page, enabled=True) == expected.replace("|", TAG)


@pytest.mark.parametrize(
    "page",
    [
        f"<head>{TAG}</head>",
        "<body><script async src='/sdk.js'></script>",
        '<SCRIPT SRC="https://old.example/sdk.js" DATA-GENMB-VOICE></SCRIPT>',
    ],
)
def test_a_page_that_has_the_script_is_not_changed(page):
    assert inject_sdk(page, enabled=True) == page


def test_a_script_of_the_same_name_from_elsewhere_is_not_ours():
    page = '<head><script src="https://maps.example/sdk.js"></script></head>'
    assert inject_sdk(page, enabled=True) == page.replace("<head>", f"<head>{TAG}")


def test_the_tag_names_endpoint_and_app_and_neither_can_leave_its_attribute():
    made = inject_sdk(
        "", enabled=True, endpoint="https://voice.example/a&b/", app='"><script>alert(1)</script>'
    )
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            found.append((tag, dict(attrs)))

    Reader().feed(made)
    assert found == [
        (
            "script",
            {
                "src": "https://voice.example/a&b/sdk.js",
                "data-genmb-voice": None,
                "data-app": '"><script>alert(1)</script>',
            },
        )
    ]


@pytest.mark.parametrize(
    "endpoint",
    ["javascript:alert(1)", "voice.example", "//voice.example", "https://", "https://me:key@voice.example",
     "https://voice.example/?key=1", "https://voice.example/#a", "https://voice.example/a b", "ftp://x", "https://[::1", "https://voice.example?",
     "https://voice.example:0", "https://voice.example;script-src"],
)  # fmt: skip
def test_an_endpoint_that_is_no_web_address_is_refused(endpoint):
    with pytest.raises(VoiceError, match="endpoint must be") as caught:
        inject_sdk("", enabled=True, endpoint=endpoint)
    assert caught.value.code == "bad_option"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("default-src 'self'", "default-src 'self'; connect-src 'self' https://voice.example"),
        ("default-src 'none'", "default-src 'none'; connect-src https://voice.example"),
        ("connect-src https://api.example; img-src *", "connect-src https://api.example https://voice.example; img-src *"),
        ("Connect-Src 'NONE';default-src *", "connect-src https://voice.example; default-src *"),
        ("default-src 'self'; connect-src *", None),
        ("connect-src https://voice.example", None),
        ("img-src 'self'", None),
        ("script-src 'nonce-abc' 'strict-dynamic'", None),
    ],
)  # fmt: skip
def test_a_policy_of_the_page_lets_it_reach_the_endpoint_and_nothing_more(policy, expected):
    page = f'<head><meta http-equiv="Content-Security-Policy" content="{policy}"><title>Hi</title></head>'
    made = inject_sdk(page, enabled=True, endpoint="https://voice.example")
    content = re.search('content="([^"]*)"', made)[1].replace("&#x27;", "'")
    assert content == (expected or policy)
    assert made.index("<script") < made.index("<meta")
    assert made.endswith("<title>Hi</title></head>")


def test_a_policy_where_the_endpoint_is_the_pages_own_origin():
    page = "<meta content='default-src https://cdn.example' HTTP-EQUIV=content-security-policy x>"
    assert inject_sdk(page, enabled=True) == (
        f'{TAG}<meta content="default-src https://cdn.example; connect-src https://cdn.example &#x27;self&#x27;" '
        'http-equiv="content-security-policy" x>'
    )


PIECES = some.sampled_from(
    ["<head>", "</head>", "<html>", "<body>", "<!doctype html>", "<!--", "-->", "<script>", "</script>", "<p a='", "'",
     ">", "<", "text", "\n", "\r", "&amp;", "<title>", "</title>", "<template>", "\ufeff",
     "<meta http-equiv=content-security-policy content='default-src x'>"]
)  # fmt: skip


@given(some.lists(PIECES, max_size=12).map("".join))
def test_whatever_the_page_the_script_is_added_once_and_nothing_is_lost(page):
    made = inject_sdk(page, enabled=True)
    assert made.count(TAG) == 1
    if "content-security-policy" not in page:
        assert made.replace(TAG, "", 1) == page
