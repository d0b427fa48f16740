"""A Python function as a tool: what the model is told of it, and what becomes of the arguments that it sends.

Pydantic describes and checks them; it is imported when the first tool is made, for it takes a while. It must
not know sessions, nor where a function runs.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genmb_voice_widget.errors import VoiceError
from genmb_voice_widget.session.checks import check, check_number
from genmb_voice_widget.session.functions import Function

if TYPE_CHECKING:
    from pydantic import BaseModel

LONGEST = 3600.0
"""Seconds: no session lasts longer (OpenAI, Azure: 60 minutes)."""
_LOOSE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Tool:
    """A function that the model may call.

    Attributes:
        function: what is called.
        described: what the model is told of it.
        timeout: how long it may take, in seconds.
        context: what it runs in, so that what it prints stands in the cell that defined it.
        takes: the model of its arguments, whose fields bear the parameters' names as aliases.
        parameters: the function's, by the names of those fields.
    """

    function: Callable[..., Any]
    described: Function
    timeout: float
    context: Context
    takes: type[BaseModel]
    parameters: Mapping[str, inspect.Parameter]

    def bound(self, arguments: str) -> Callable[[], Any]:
        """Give the call with these arguments, JSON as the model sends it; defaults are the function's own.

        Raises:
            ValueError: pydantic's, which `complaint` puts into words.
        """
        given = self.takes.model_validate_json(arguments if arguments.strip() else "{}")
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for field, parameter in self.parameters.items():
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
                positional.append(getattr(given, field))
            elif field in given.model_fields_set:
                named[parameter.name] = getattr(given, field)
        return lambda: self.function(*positional, **named)


def complaint(error: ValueError) -> str:
    """Say what is wrong with the arguments, in pydantic's words and without its links."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    found = error.errors(include_url=False, include_context=False, include_input=False)
    said = [": ".join(filter(None, (".".join(map(str, each["loc"])), each["msg"]))) for each in found]
    return "; ".join(sorted(said))  # which comes in any order


def make_tool(function: Callable[..., Any], timeout: float, context: Context) -> Tool:
    """Make a tool of a function: its name, its docstring, and its annotated parameters.

    Raises:
        VoiceError: `bad_option`, saying what cannot be described to a model.
    """
    name = getattr(function, "__name__", None)
    check("A tool", callable(function) and isinstance(name, str), "a function with a name")
    assert isinstance(name, str)
    check_number("timeout", timeout, 0.01, LONGEST)
    try:
        parameters = inspect.signature(function, eval_str=True).parameters.values()
        loose = [str(each) for each in parameters if each.kind in _LOOSE]
        if loose:
            raise TypeError(f"{', '.join(loose)} takes anything; every parameter must have a name of its own")
        _check_answers(function, parameters)
        takes, schema = _model(fields := {f"p{n}": each for n, each in enumerate(parameters)})
    except Exception as error:  # annotations are code, and pydantic raises many kinds
        raise VoiceError("bad_option", f"{name} cannot be a tool: {_why(error)}.") from None
    described = Function(name, inspect.getdoc(function) or "", schema)
    return Tool(function, described, timeout, context, takes, fields)


def _check_answers(function: Callable[..., Any], parameters: Iterable[inspect.Parameter]) -> None:
    """Refuse what would run and give the model, or the function, something that nobody meant."""
    from pydantic.fields import FieldInfo

    if inspect.isasyncgenfunction(function):
        raise TypeError("it is an asynchronous generator; return a list")
    for parameter in parameters:
        if isinstance(parameter.default, FieldInfo):
            raise TypeError(f"{parameter.name}'s Field must stand in Annotated[…]")


def _why(error: Exception) -> str:
    """Say what cannot be described; pydantic's advice is of use to who has a model of his own."""
    why = str(error).partition("\n")[0]
    if found := re.match("Unable to generate pydantic-core schema for (.+?)\\. ", why):
        return f"no model can send {found[1]}; let the parameter be a text, a number or a list"
    return why


def _model(fields: Mapping[str, inspect.Parameter]) -> tuple[type[BaseModel], dict[str, Any]]:
    """Make the model of a function's arguments, and its JSON schema without titles, which say nothing new."""
    from pydantic import ConfigDict, Field, create_model
    from pydantic.json_schema import GenerateJsonSchema

    class Untitled(GenerateJsonSchema):
        ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 (pydantic's)

        def field_title_should_be_set(self, schema: Any) -> bool:
            return False

    def field(parameter: inspect.Parameter) -> Any:
        annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
        default = ... if parameter.default is parameter.empty else parameter.default
        return annotation, Field(default, alias=parameter.name)

    made = {name: field(parameter) for name, parameter in fields.items()}
    model = create_model("Arguments", __config__=ConfigDict(extra="forbid"), **made)
    schema = model.model_json_schema(schema_generator=Untitled)
    schema.pop("title", None)
    return model, schema
