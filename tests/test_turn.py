"""How a turn shows itself to whoever looks at it in a notebook."""

from genmb_voice_widget.fold.turn import ToolCall, Turn


def test_a_turn_shows_who_said_what_and_no_id():
    assert repr(Turn("item_1", "user", "Hello?", "completed")) == "Turn(user: 'Hello?')"


def test_a_turn_that_is_not_over_or_was_cut_says_so():
    assert (
        repr(Turn("item_1", "assistant", "Once upon", "interrupted"))
        == "Turn(assistant, interrupted: 'Once upon')"
    )
    assert repr(Turn("item_1", "assistant", "Once")) == "Turn(assistant, in progress: 'Once')"


def test_a_tool_call_shows_its_arguments_and_its_output():
    call = ToolCall("call_1", "get_weather", '{"city": "Paris"} \n', "sunny")
    assert repr(Turn("item_1", "tool", status="completed", call=call)) == (
        'Turn(tool: get_weather({"city": "Paris"}) → \'sunny\')'
    )
