"""An agent's options as attributes: read them, or set them, also while a session runs.

Owns their names and types, for whoever writes `agent.`, and who is told of a change. It must not know what
an option means.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar, overload

from .bridge import Bridge
from .comm_widget import CommWidget
from .conversation import Conversation
from .session import Modality, NoiseReduction
from .session.azure_voice import AzureVoice
from .session.functions import Function
from .session.prompt import Prompt
from .session.turn_detection import TurnDetection
from .settings import Settings

T = TypeVar("T")


class Option(Generic[T]):
    """One option of the agent's session; setting it may raise `VoiceError`, `bad_option`."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, agent: None, owner: type) -> Option[T]: ...
    @overload
    def __get__(self, agent: SessionOptions, owner: type) -> T: ...
    def __get__(self, agent: SessionOptions | None, owner: type) -> Any:
        """Read it."""
        return self if agent is None else agent._option(self._name)

    def __set__(self, agent: SessionOptions, value: T) -> None:
        """Change it, in a session that runs as well."""
        agent._change(self._name, value)


class SessionOptions(CommWidget):
    """A widget with the options of `Session`, one by one."""

    instructions = Option[str]()
    voice = Option[str | AzureVoice | None]()
    model = Option[str | None]()
    language = Option[str | None]()
    transcription = Option[str | None]()
    vocabulary = Option[tuple[str, ...]]()
    turn_detection = Option[TurnDetection | str | None]()
    auto_respond = Option[bool]()
    interruptible = Option[bool]()
    noise_reduction = Option[NoiseReduction | None]()
    echo_cancellation = Option[bool]()
    modality = Option[Modality]()
    speed = Option[float | None]()
    temperature = Option[float | None]()
    max_output_tokens = Option[int | None]()
    truncation = Option[Literal["auto", "disabled"] | float | None]()
    prompt = Option[Prompt | None]()
    tools = Option[tuple[Function, ...]]()
    tool_choice = Option[str]()

    _settings: Settings
    _conversation: Conversation

    def _option(self, name: str) -> Any:
        return getattr(self._settings.session, name)

    def _change(self, name: str, value: object) -> None:
        """Change an option; a session that is live is told now, one that connects as soon as it is live."""

        def change() -> None:
            self._settings.change(name, value, self._conversation.running or self._link.opening)
            self._link.do(Bridge.show_settings)
            if self._conversation.state.status in ("live", "reconnecting"):
                self._link.tell(lambda end: end.update())

        # As a whole: another thread may set another one, or a page open a call with what is set by then.
        self._conversation.settled(change)
