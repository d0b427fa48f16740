"""The notation of phrases, and which words match them."""

import pytest

from genmb_voice_widget.peer.agent.match import match
from genmb_voice_widget.peer.agent.phrase import parse_phrase, plain_words
from genmb_voice_widget.peer.agent.script import DEMO, Script, load_script, parse_script
from genmb_voice_widget.peer.hearing.grammar import jsgf, vocabulary

SCRIPT = """
name = "shop"
description = "A shop."
fallback = "Pardon?"

[slots]
fruit = ["apples", "Granny Smith apples", "pears"]
[slots.number]
one = 1
twenty-one = 21

[[intent]]
name = "hello"
say = ["[Oh,] hello[, dear shop]!"]
reply = "Hello."

[[intent]]
name = "buy"
say = ["I'd like <count:number> <fruit>, please."]
reply = "{count} {fruit}."

[[intent]]
name = "swap"
say = "Swap <mine:fruit> for <yours:fruit>."
reply = "Done."

[[intent]]
name = "price"
say = "What is the price?"
reply = "Two."
"""


@pytest.fixture
def script() -> Script:
    return parse_script(SCRIPT)


@pytest.mark.parametrize(
    ("typed", "written"),
    [
        ("hello", "Hello!"),
        ("OH HELLO", "Oh, hello!"),
        ("oh, hello, dear shop", "Oh, hello, dear shop!"),
        ("hello dear shop!!", "Hello, dear shop!"),
        ("I’d like twenty one pears please", "I'd like twenty-one pears, please."),
        ("I'd like 21 granny smith apples, please", "I'd like twenty-one Granny Smith apples, please."),
        ("swap apples for granny smith apples", "Swap apples for Granny Smith apples."),
        ("what's the price", "What is the price?"),
    ],
)
def test_a_sentence_is_written_as_the_script_spells_it_however_it_was_typed(script, typed, written):
    found = match(script, typed)
    assert found is not None
    assert found.text == written


@pytest.mark.parametrize("typed", ["", "hello dear", "I'd like pears please", "swap apples", "hello hello"])
def test_a_sentence_that_is_in_no_phrase_matches_nothing(script, typed):
    assert match(script, typed) is None


def test_a_slot_gives_what_was_said_and_the_value_it_stands_for(script):
    found = match(script, "I'd like twenty-one pears, please.")
    assert found is not None
    assert (found.values["count"].said, found.values["count"].value) == ("twenty-one", 21)
    assert found.values["fruit"].value == "pears"


def test_two_slots_of_one_list_are_kept_apart_by_their_names(script):
    found = match(script, "Swap pears for apples.")
    assert found is not None
    assert {name: value.said for name, value in found.values.items()} == {"mine": "pears", "yours": "apples"}


def test_words_are_compared_without_case_and_punctuation():
    assert plain_words("  What’s up, O'Neill—at twenty-one?! ") == (
        *("what's", "up", "o'neill", "at", "twenty", "one"),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("hello [there", "a [ is never closed"),
        ("hello] there", "a ] has no ["),
        ("a [b [c]]", "inside brackets"),
        ("hello [ ] there", "hold no words"),
        ("[hello]", "must be said"),
        ("?", "must be said"),
        ("<City>", "<City> is not a slot"),
        ("5 < 6", "< is not a slot"),
        ("<city> to <city>", "occurs twice"),
    ],
)
def test_a_mistake_in_the_notation_is_explained(text, complaint):
    with pytest.raises(ValueError, match=complaint.replace("[", r"\[")):
        parse_phrase(text)


def test_the_grammar_says_exactly_what_the_phrases_say(script):
    assert jsgf(script).splitlines() == [
        "#JSGF V1.0;",
        "grammar script;",
        "<slot_fruit> = apples | granny smith apples | pears;",
        "<slot_number> = one | twenty one;",
        "public <utterance> = [ oh ] hello [ dear shop ] | i'd like <slot_number> <slot_fruit> please | "
        "swap <slot_fruit> for <slot_fruit> | what is the price;",
    ]


def test_each_word_of_the_vocabulary_knows_its_first_line(script):
    lines = SCRIPT.splitlines()
    for word, line in vocabulary(script).items():
        assert word in " ".join(plain_words(lines[line - 1]))


def test_every_sentence_of_the_demo_belongs_to_one_intent_only():
    script = load_script(DEMO)
    first = {name: values[0].said for name, values in script.slots.items()}
    for intent in script.intents:
        for phrase in intent.phrases:
            sentence = phrase.text.replace("[", "").replace("]", "")
            for slot in phrase.slots():
                sentence = sentence.replace(f"<{slot.name}:{slot.values}>", first[slot.values])
                sentence = sentence.replace(f"<{slot.name}>", first[slot.values])
            found = match(script, sentence)
            assert found is not None, sentence
            assert found.intent is intent, sentence
