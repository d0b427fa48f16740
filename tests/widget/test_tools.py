"""A function as a tool: what the model is told of it, which arguments it takes, what is said of a result."""

import dataclasses
import datetime
import json
import time
from contextvars import copy_context
from typing import Annotated, Literal

import numpy as np
import pytest
from pydantic import BaseModel, Field

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.tools.outputs import LONGEST, failed, raised, said
from genmb_voice_widget.tools.tool import complaint, make_tool


def tool(function, timeout=1.0):
    return make_tool(function, timeout, copy_context())


def schema(function):
    return tool(function).described.parameters


class Place(BaseModel):
    city: str
    country: str = "?"


@dataclasses.dataclass
class Weather:
    sky: str
    when: datetime.date


def test_a_function_is_described_by_its_name_its_docstring_and_its_annotations():
    def weather(
        city: Annotated[str, Field(description="Where")],
        unit: Literal["C", "F"] = "C",
        days: int | None = None,
    ):
        """Look the weather up.

        For some days.
        """

    described = tool(weather).described
    assert (described.name, described.description) == ("weather", "Look the weather up.\n\nFor some days.")
    assert described.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where"},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
            "days": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_a_function_without_parameters_takes_an_empty_object():
    assert schema(_nothing) == {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
    }
    assert tool(_nothing).bound("")() == tool(_nothing).bound(" {} ")() == "nothing"


def _nothing():
    return "nothing"


def test_names_that_a_model_of_pydantic_has_itself_are_names_like_others():
    def odd(schema: int, model_config: str, _private: bool, json=object(), copy: list[int] = []):  # noqa: B006, B008
        return schema, model_config, _private, copy

    assert list(tool(odd).described.parameters["properties"]) == [
        "schema",
        "model_config",
        "_private",
        "json",
        "copy",
    ]
    arguments = {"schema": 1, "model_config": "x", "_private": True, "copy": [2]}
    assert tool(odd).bound(json.dumps(arguments))() == (1, "x", True, [2])


def test_arguments_become_what_the_annotations_say_and_defaults_are_the_functions_own():
    marker = object()

    def take(place: Place, /, when: datetime.date, *, more=marker):
        return place, when, more

    given = tool(take).bound('{"place": {"city": "Rome"}, "when": "2026-11-21"} \n')()
    assert given == (Place(city="Rome"), datetime.date(2026, 11, 21), marker)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("{}", "city: Field required"),
        ('{"city": 3}', "city: Input should be a valid string"),
        ('{"city": "Rome", "days": "many"}', "days: Input should be a valid integer, unable to parse"),
        ('{"city": "Rome", "secret": 1}', "secret: Extra inputs are not permitted"),
        ('{"city": "Rome"', "Invalid JSON: EOF while parsing an object"),
        ("[]", "Input should be an object"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_pydantics_words_without_its_links(arguments, words):
    def weather(city: str, days: int = 1):
        raise AssertionError

    with pytest.raises(ValueError) as caught:
        tool(weather).bound(arguments)
    assert complaint(caught.value).startswith(words)
    assert "http" not in complaint(caught.value)


def test_what_cannot_be_told_to_a_model_is_refused_with_the_reason():
    def loose(*words, **more): ...
    def odd(thing: "Conversation"): ...  # noqa: F821
    def opaque(thing: object.__subclasses__): ...
    async def stream():
        yield 1

    def placed(city: str = Field("Rome", description="Where")): ...

    for function, why in (
        (loose, "loose cannot be a tool: *words, **more takes anything"),
        (odd, "odd cannot be a tool: name 'Conversation' is not defined."),
        (opaque, "opaque cannot be a tool: "),
        (stream, "stream cannot be a tool: it is an asynchronous generator; return a list."),
        (placed, "placed cannot be a tool: city's Field must stand in Annotated[…]."),
    ):
        with pytest.raises(VoiceError, match="bad_option") as caught:
            tool(function)
        assert caught.value.detail.startswith(why)
    with pytest.raises(VoiceError, match="timeout must be a number"):
        tool(_nothing, timeout=0)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ("as it is", "as it is"),
        ("", ""),
        (None, "null"),
        (3.5, "3.5"),
        ({"sky": "clear", "at": datetime.date(2026, 11, 21)}, '{"sky":"clear","at":"2026-11-21"}'),
        (Weather("clear", datetime.date(2026, 11, 21)), '{"sky":"clear","when":"2026-11-21"}'),
        (Place(city="Rome"), '{"city":"Rome","country":"?"}'),
        ([float("nan"), "é"], '["NaN","é"]'),
        (range, "<class 'range'>"),
        ({"kind": range}, '{"kind":"<class \'range\'>"}'),
        (np.float32(1.5), "1.5"),
        ({"n": np.int64(3), "all": np.arange(3)}, '{"n":3,"all":[0,1,2]}'),
        ("half a \ud83d", "half a ?"),
    ],
)
def test_a_result_is_told_as_a_text_as_json_or_by_its_repr(result, words):
    assert said(result) == words


def test_a_result_that_holds_itself_is_told_by_its_repr():
    circle = []
    circle.append(circle)
    assert said(circle) == "[[...]]"


def test_of_a_result_that_is_made_bit_by_bit_no_more_is_made_than_is_told():
    made = []

    def endless():
        for number in range(3 * LONGEST):
            made.append(number)
            yield number

    assert said(endless()).startswith("[0,1,2,") and len(made) == LONGEST
    assert said(map(str, range(2))) == '["0","1"]'


def test_a_long_result_is_cut_and_says_so():
    told = said("x" * (LONGEST + 1))
    assert told == "x" * LONGEST + f"… [cut here: {LONGEST} of {LONGEST + 1} characters]"
    assert said("x" * LONGEST) == "x" * LONGEST
    assert json.loads(failed("x" * 10 * LONGEST))["error"].endswith(f"of {10 * LONGEST} characters]")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("No such city: Atlantis", "No such city: Atlantis"),
        ("First line\nTraceback (most recent call last):", "First line"),
        (
            "GET https://ada:pass@host/x?api_key=abc&q=1 failed",
            "GET https://****@host/x?api_key=****&q=1 failed",
        ),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ****"),
        ("{'password': 'hunter2', 'user': 'ada'}", "{'password': '****', 'user': 'ada'}"),
        ("Incorrect API key provided: sk-proj-abcdefghijkl", "Incorrect API key provided: ****"),
        ("The value canary-in-the-environment is wrong", "The value **** is wrong"),
        ("x" * 1000, "x" * 300),
    ],
)
def test_what_a_function_raised_is_told_by_kind_and_message_without_credentials(monkeypatch, message, words):
    monkeypatch.setenv("MY_SERVICE_TOKEN", "canary-in-the-environment")
    assert raised(LookupError(message)) == f"LookupError: {words}"


@pytest.mark.parametrize("part", ["x", "key", "://", "bearer ", "sk-", "key "])
def test_a_long_message_is_told_at_once(part):
    begun = time.thread_time()
    raised(LookupError(part * 60_000))
    assert time.thread_time() - begun < 1


def test_an_exception_without_words_or_with_none_that_can_be_read_is_told_by_its_kind():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError

    class Gone(Exception):
        def __str__(self):
            raise SystemExit

    assert [raised(error) for error in (KeyError(), Mute(), Gone())] == ["KeyError", "Mute", "Gone"]
