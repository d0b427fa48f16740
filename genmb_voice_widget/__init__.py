"""A realtime voice agent that lives in a notebook cell: talk to it, then inspect it from Python.

Owns the public names, each loaded when it is first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .allowance import Allowance as Allowance
    from .errors import NoFrontEnd as NoFrontEnd
    from .errors import VoiceError as VoiceError
    from .errors import WaitTimeout as WaitTimeout
    from .inject import inject_sdk as inject_sdk
    from .protocol import Envelope as Envelope
    from .protocol import Problem as Problem
    from .say import spoken as spoken
    from .session import Session as Session
    from .session.azure_voice import AzureVoice as AzureVoice
    from .session.prompt import Prompt as Prompt
    from .session.turn_detection import AzureSemanticVad as AzureSemanticVad
    from .session.turn_detection import SemanticVad as SemanticVad
    from .session.turn_detection import ServerVad as ServerVad
    from .state import Turn as Turn
    from .state import Usage as Usage
    from .widget import VoiceAgent as VoiceAgent

_HOMES = {
    "Allowance": "allowance",
    "AzureSemanticVad": "session.turn_detection",
    "AzureVoice": "session.azure_voice",
    "Envelope": "protocol",
    "NoFrontEnd": "errors",
    "Problem": "protocol",
    "Prompt": "session.prompt",
    "SemanticVad": "session.turn_detection",
    "ServerVad": "session.turn_detection",
    "Session": "session",
    "Turn": "state",
    "Usage": "state",
    "VoiceAgent": "widget",
    "VoiceError": "errors",
    "WaitTimeout": "errors",
    "inject_sdk": "inject",
    "spoken": "say",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_HOMES)


def load_ipython_extension(ipython: Any) -> None:
    """Give a notebook the cell magic `%%voice_app`; called by `%load_ext genmb_voice_widget`."""
    from .voice_app import load

    load(ipython)
