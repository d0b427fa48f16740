"""Script files: what is read from them, and what their authors are told about mistakes."""

import pytest

from genmb_voice_widget.peer.agent.script import DEMO, ScriptError, load_script, parse_script

GOOD = """name = "s"
description = "d"
fallback = "Pardon?"
[slots]
city = ["Rome"]
[[intent]]
name = "weather"
say = ["How is <city>?", "Tell me about <city>[ in <season:city>]."]
reply = "{city}: {output.sky}."
call = { name = "look", arguments = { where = "{city}", days = 2 } }
"""


def test_a_script_is_read_with_its_slots_intents_and_calls():
    script = parse_script(GOOD)
    (intent,) = script.intents
    assert (script.name, script.fallback, script.greeting) == ("s", ("Pardon?",), ("Pardon?",))
    assert (intent.name, intent.replies) == ("weather", ("{city}: {output.sky}.",))
    assert intent.call is not None
    assert (intent.call.name, dict(intent.call.arguments)) == ("look", {"where": "{city}", "days": 2})
    assert script.lines["How is <city>?"] == 8


def test_the_packaged_script_is_valid_and_says_what_it_is():
    script = load_script(DEMO)
    assert script.name == "demo"
    assert script.description


@pytest.mark.parametrize(
    ("wrong", "right", "sentence"),
    [
        ('name = "s"', "", 's.toml: the script needs name = "some text".'),
        (
            'fallback = "Pardon?"',
            "",
            's.toml: the script needs fallback = "a sentence", or a list of sentences.',
        ),
        (
            "description",
            "descripton",
            "s.toml, line 2: the script has 'descripton', which means nothing; known are",
        ),
        ("[slots]", "[slots", "s.toml is not valid TOML: "),
        (
            'fallback = "Pardon?"',
            'fallback = "Pardon?"\nvoice = "marrin"',
            "s.toml, line 4: there is no voice 'marrin'; known are 'alloy', 'ash', ",
        ),
        (
            '["Rome"]',
            "[]",
            "s.toml, line 5: slot 'city' needs a list of words, or a table of words and values.",
        ),
        ('["Rome"]', "3", "slot 'city' needs a list of words, or a table of words and values."),
        ('["Rome"]', '"Rome"', "slot 'city' needs a list of words, or a table of words and values."),
        ('["Rome"]', '["!"]', "slot 'city' has the value '!', which is not a word."),
        ("[[intent]]", "[intent]", "s.toml: there is no [[intent]]; a script needs at least one."),
        (
            "How is <city>?",
            "How is <town>?",
            "line 8: intent 'weather' uses <town>, but [slots] has no list 'town'.",
        ),
        (
            "How is <city>?",
            "How is [it?",
            "line 8: intent 'weather' cannot use the phrase 'How is [it?': a [ is",
        ),
        (
            "{city}:",
            "{town}:",
            "line 9: intent 'weather' uses {town}, which is not always known there (known: {city}",
        ),
        ("{city}:", "{season}:", "intent 'weather' uses {season}, which is not always known there"),
        (
            'where = "{city}"',
            'where = "{season}"',
            "the call of intent 'weather' uses {season}, which is not always",
        ),
        ('name = "look",', "", "intent 'weather' needs call = { name = \"a_function\", arguments = { … } }."),
        ('reply = "{city}: {output.sky}."', "", "intent 'weather' needs reply = \"a sentence\""),
    ],
)
def test_a_mistake_is_a_sentence_that_names_the_file_the_line_and_the_intent(wrong, right, sentence):
    assert wrong in GOOD
    with pytest.raises(ScriptError) as raised:
        parse_script(GOOD.replace(wrong, right, 1), "s.toml")
    assert sentence in str(raised.value)
    assert str(raised.value).endswith(".")


def test_the_output_of_a_function_is_known_only_where_there_is_a_call():
    without_call = GOOD[: GOOD.index("call =")]
    with pytest.raises(ScriptError, match=r"uses \{output.sky\}"):
        parse_script(without_call)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(ScriptError, match=r"nowhere\.toml cannot be read"):
        load_script(tmp_path / "nowhere.toml")
