"""What the scripted agent answers."""

import pytest

from genmb_voice_widget.peer.agent.script import DEMO, load_script, parse_script
from genmb_voice_widget.peer.agent.script_agent import ScriptAgent, answer
from genmb_voice_widget.peer.agent.template import speakable
from genmb_voice_widget.peer.stages import Call, Message, Say, ToolOutput, UserTurn

SCRIPT = parse_script("""
name = "s"
description = "d"
greeting = "Welcome."
fallback = ["Pardon?", "What?"]
unsure = "Did you say: {guess}"
[slots.minutes]
five = 5
[[intent]]
name = "joke"
say = "Tell me a joke."
reply = ["First. It is short!", "Second."]
[[intent]]
name = "timer"
say = "Set a timer for <minutes> minutes."
call = { name = "set_timer", arguments = { minutes = "{minutes}", label = "tea for {minutes}", loud = true } }
reply = ["Set for {minutes}: {output}.", "Again {output.state}."]
[[intent]]
name = "repeat"
say = "Say that again."
reply = "I said: {last}"
""")


def said(turn: UserTurn) -> str:
    pieces = answer(SCRIPT, turn)
    assert all(isinstance(piece, Say) for piece in pieces)
    return " ".join(piece.text for piece in pieces)


def talk(*lines: str) -> tuple[Message, ...]:
    """A conversation, the user first."""
    return tuple(Message(("user", "assistant")[number % 2], line) for number, line in enumerate(lines))


async def test_a_reply_comes_in_sentences():
    turn = UserTurn("tell me a joke")
    assert [piece async for piece in ScriptAgent(SCRIPT).reply(turn)] == [Say("First."), Say("It is short!")]


def test_several_replies_take_turns_and_the_same_turn_always_gets_the_same():
    once = talk("Tell me a joke.", "First. It is short!")
    assert said(UserTurn("Tell me a joke.", once)) == "Second."
    assert said(UserTurn("Tell me a joke.", once)) == "Second."
    assert (
        said(UserTurn("tell me a JOKE", (*once, *talk("tell me a joke", "Second.")))) == "First. It is short!"
    )


def test_what_is_not_in_the_script_gets_the_fallbacks_in_turn():
    assert said(UserTurn("Sing!")) == "Pardon?"
    assert said(UserTurn("Sing!", talk("Dance!", "Pardon?"))) == "What?"


def test_speech_that_is_not_trusted_is_asked_about_and_not_acted_upon():
    assert said(UserTurn("Tell me a joke.", accepted=False)) == "Did you say: Tell me a joke."


def test_speech_of_which_nothing_was_understood_gets_the_fallback():
    assert said(UserTurn("", accepted=False)) == "Pardon?"


def test_without_a_question_the_agent_greets_first_and_later_gives_a_hint():
    assert said(UserTurn("")) == "Welcome."
    assert said(UserTurn("", talk("Tell me a joke.", "First."))) == "Pardon?"


def test_a_function_is_called_with_the_values_of_the_slots():
    (call,) = answer(SCRIPT, UserTurn("set a timer for 5 minutes", tools=("set_timer",)))
    assert call == Call("set_timer", {"minutes": 5, "label": "tea for 5", "loud": True})


def test_a_function_that_nobody_declared_is_asked_for_by_name():
    reply = said(UserTurn("Set a timer for five minutes.", tools=("get_weather",)))
    assert "set_timer" in reply
    assert reply.endswith("ask me again.")


@pytest.mark.parametrize(
    ("output", "reply"),
    [
        ('{"state": "ready", "id": 7}', "Set for five: state ready, id 7."),
        ("all right", "Set for five: all right."),
        ('{"error": "the oven is on fire"}', "The function set_timer did not work: the oven is on fire"),
    ],
)
def test_the_output_of_a_function_becomes_the_answer(output, reply):
    turn = UserTurn(
        "", talk("Set a timer for five minutes."), tool_outputs=(ToolOutput("c", "set_timer", output),)
    )
    assert said(turn) == reply


def test_the_answer_after_a_function_takes_its_turn_too():
    history = (*talk("Set a timer for five minutes.", "Set."), *talk("Set a timer for five minutes."))
    output = ToolOutput("c", "set_timer", '{"state": "ready"}')
    assert said(UserTurn("", history, tool_outputs=(output,))) == "Again ready."


def test_an_output_that_nobody_asked_for_is_read_out():
    output = ToolOutput("c", "surprise", "[1, 2, 3.50]")
    assert said(UserTurn("", talk("Tell me a joke."), tool_outputs=(output,))) == "1, 2 and 3.5"


def test_the_last_answer_can_be_repeated():
    assert said(UserTurn("Say that again.", talk("Tell me a joke.", "First."))) == "I said: First."


@pytest.mark.parametrize(
    ("output", "member", "words"),
    [
        ('{"sky": "clear", "degrees_celsius": 18.0}', "", "sky clear, degrees celsius 18"),
        ('{"sky": "clear"}', "sky", "clear"),
        ('{"sky": "clear"}', "wind", "sky clear"),
        ('"sunny"', "", "sunny"),
        ("true", "", "yes"),
        ("null", "", "nothing"),
        ('["a"]', "", "a"),
        ("not json", "sky", "not json"),
    ],
)
def test_an_output_is_said_in_words(output, member, words):
    assert speakable(output, member) == words


def test_the_demo_can_answer_everything_that_it_understands():
    script = load_script(DEMO)
    first = {name: values[0].said for name, values in script.slots.items()}
    for intent in script.intents:
        for phrase in intent.phrases:
            sentence = phrase.text.replace("[", "").replace("]", "")
            for slot in phrase.slots():
                sentence = sentence.replace(f"<{slot.name}:{slot.values}>", first[slot.values])
                sentence = sentence.replace(f"<{slot.name}>", first[slot.values])
            names = (intent.call.name,) if intent.call else ()
            pieces = answer(script, UserTurn(sentence, tools=names))
            assert isinstance(pieces[0], Call if names else Say), sentence
            assert "{" not in str(pieces[0]) or names
