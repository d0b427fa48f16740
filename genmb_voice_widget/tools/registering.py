"""How a function of the notebook becomes a tool of an agent.

Owns the decorator, for whoever writes `agent.`, and loads the rest when the first tool is made. It must not
know how a call is made.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar, overload

from genmb_voice_widget.protocol import Event
from genmb_voice_widget.session.functions import after_tools
from genmb_voice_widget.session_options import SessionOptions

if TYPE_CHECKING:
    from .calls import Items, ToolCalls

F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT = 30.0


class ToolUser(SessionOptions):
    """A widget whose session may call functions of the notebook."""

    _tool_calls: ToolCalls | None = None
    _recorded: bool

    @overload
    def tool(self, function: F) -> F: ...
    @overload
    def tool(self, *, timeout: float = TIMEOUT) -> Callable[[F], F]: ...
    def tool(self, function: F | None = None, *, timeout: float = TIMEOUT) -> F | Callable[[F], F]:
        """Let the agent call a function, also in a session that runs; one of the same name is replaced.

        The agent is told its name, its docstring and its annotated parameters, and gets what it returns: a
        text as it is, everything else as JSON or, what has none, as Python shows it. What it raises is told
        by its kind and message. A function that is no coroutine runs in a thread of its own; what it prints
        stands in the cell that defined it.

        Args:
            function: any function whose parameters have names; without, a decorator is returned.
            timeout: how long it may take, in seconds.

        Raises:
            VoiceError: `bad_option`, for what cannot be described to a model.
        """
        context = copy_context()

        def register(function: F) -> F:
            from .tool import make_tool  # an agent without tools is made sooner without

            made = make_tool(function, timeout, context)

            def add() -> None:
                described = {each.name: each for each in self.tools} | {made.described.name: made.described}
                self._change("tools", tuple(described.values()))
                self._calls_of_tools().tools[made.described.name] = made

            self._conversation.settled(add)
            return function

        return register if function is None else register(function)

    def _calls_of_tools(self) -> ToolCalls:
        from .calls import ToolCalls

        if self._tool_calls is None:
            self._tool_calls = ToolCalls(self._conversation, self._answer, lambda: self._recorded)
        return self._tool_calls

    def _answer(self, log_id: str, items: Items) -> None:
        response = after_tools(self.tool_choice)
        self._link.tell(lambda end: end.answer(log_id, items, response))

    def _hear(self, log_id: str, event: Event) -> None:
        """Take what a sideband tells of a session."""
        self._conversation.hear(log_id, event)
        if (calls := self._tool_calls) is not None:
            self._conversation.settled(lambda: calls.hear(log_id, event))
