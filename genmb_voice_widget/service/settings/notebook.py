"""What the voice services of a notebook's own endpoint are set up with: the variables of its environment.

The names are those that the services' own tools read. They are looked at when a session starts, not before,
so that a cell may set them, and no sentence holds a value.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.problems import Refusal
from genmb_voice_widget.service.providers import Provider
from genmb_voice_widget.service.providers.late import LateProvider
from genmb_voice_widget.service.providers.local import LocalProvider

from . import notebook_voice_live
from .azure_resource import opened, shown
from .file import variable_of
from .provider_kinds import KINDS

_OPENAI = "https://api.openai.com/v1"
_AZURE_KEY = "AZURE_OPENAI_API_KEY"
_COMPATIBLE = "openai-compatible"

# What else is read where a provider is set up: for the way to the services, and by Entra.
_AROUND = ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
_OF_ENTRA = ("AZURE_", "IDENTITY_", "MSI_")


@dataclass(frozen=True)
class _Kind:
    """How the environment sets one kind of service up.

    Attributes:
        variables: the variable of each option, in this environment.
        complete: what else the options need; raises `ValueError` with a sentence that says what to set.
        hints: as `Setup.hints`, for these options.
    """

    variables: Callable[[Mapping[str, str]], Mapping[str, str]]
    complete: Callable[[Mapping[str, Any], Mapping[str, str]], Mapping[str, Any]]
    hints: Callable[[Mapping[str, Any]], Mapping[str, str]]


@dataclass(frozen=True, repr=False)
class _Setup:
    """One state of the environment, as far as it matters to one kind."""

    kind: str
    options: tuple[tuple[str, Any], ...]
    variables: tuple[str, ...]
    around: Secret

    @property
    def hints(self) -> Mapping[str, str]:
        """See `Setup.hints`."""
        return _KINDS[self.kind].hints(dict(self.options))

    def make(self) -> Provider:
        """See `Setup.make`."""
        from genmb_voice_widget.service.providers.upstream import Upstream

        try:
            return KINDS[self.kind].make(dict(self.options), Upstream)
        except ValueError as error:
            why = f"{error} Read were {', '.join(self.variables)}."
        raise Refusal("provider_not_set_up", why)


def notebook_providers(environ: Mapping[str, str] = os.environ) -> dict[str, Provider]:
    """Make the providers of a notebook's own endpoint: the local peer, and those that variables set up."""
    late: dict[str, Provider] = {kind: LateProvider(_reader(kind, environ)) for kind in _KINDS}
    return {"local": LocalProvider(candid=True)} | late


def _reader(kind: str, environ: Mapping[str, str]) -> Callable[[], _Setup]:
    return lambda: _read(kind, environ)  # a partial would show the whole environment in its repr


def _read(kind: str, environ: Mapping[str, str]) -> _Setup:
    of, readers = _KINDS[kind], KINDS[kind].options
    variables = of.variables(environ)
    options: dict[str, Any] = {}
    wrong: list[str] = []
    for option, variable in variables.items():
        try:
            if text := _of(environ, variable):
                options[option] = readers[option](text)
        except ValueError as error:
            wrong.append(f"{variable} {error}.")
    try:
        complete = of.complete(options, environ) if not wrong else {}
    except ValueError as error:
        wrong.append(str(error))
    if wrong:
        raise Refusal("provider_not_set_up", " ".join(wrong))
    read = tuple(variables[option] for option in options)
    return _Setup(kind, tuple(complete.items()), read, _around(environ))


def _of(environ: Mapping[str, str], variable: str) -> str:
    """Read a variable; one from a file may have a line end."""
    return environ.get(variable, "").strip()


def _around(environ: Mapping[str, str]) -> Secret:
    names = (name for name in environ if name.upper() in _AROUND or name.startswith(_OF_ENTRA))
    return Secret(repr([(name, environ[name]) for name in sorted(names)]))


def _azure(options: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
    if "endpoint" not in options:
        raise ValueError(
            "Set AZURE_OPENAI_ENDPOINT to the resource's address, as https://NAME.openai.azure.com, "
            "AZURE_OPENAI_DEPLOYMENT to the name of a realtime deployment there, and AZURE_OPENAI_API_KEY to "
            "a key of the resource, unless Microsoft Entra (az login) opens it."
        )
    return opened(options, _AZURE_KEY)


def _azure_hints(options: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        "model": "Set AZURE_OPENAI_DEPLOYMENT to the name of a realtime deployment of the resource, or give "
        "that name as VoiceAgent(model=…).",
        "deployment_missing": "The name is that in VoiceAgent(model=…) or else in AZURE_OPENAI_DEPLOYMENT, "
        "the address that in AZURE_OPENAI_ENDPOINT.",
        "provider_key_refused": shown(options, _AZURE_KEY),
        "provider_region": "The resource is the one in AZURE_OPENAI_ENDPOINT.",
    }


def _openai(options: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
    # The key is then that server's, and neither is it OpenAI's to see nor the server what was asked for.
    if _of(environ, "OPENAI_BASE_URL").rstrip("/") not in ("", _OPENAI):
        raise ValueError(
            "OPENAI_BASE_URL names another server than OpenAI's, and OPENAI_API_KEY may be for that one: "
            "talk to it with VoiceAgent(provider='openai-compatible'), or unset OPENAI_BASE_URL."
        )
    if "key" not in options:
        raise ValueError("Set OPENAI_API_KEY to an API key of an OpenAI project.")
    return options


def _openai_hints(options: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        "deployment_missing": "The name is that in VoiceAgent(model=…).",
        "provider_key_refused": "It was shown the key in OPENAI_API_KEY.",
    }


def _compatible_variables(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Read a server's key beside its address alone: neither key goes to the other address."""
    own = {option: variable_of(_COMPATIBLE, option) for option in KINDS[_COMPATIBLE].options}
    usual = {"base_url": "OPENAI_BASE_URL", "key": "OPENAI_API_KEY"}
    return own if _of(environ, own["base_url"]) else own | usual


def _compatible(options: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
    if "base_url" not in options:
        raise ValueError(
            "Set OPENAI_BASE_URL to the server's address, as http://127.0.0.1:8080/v1, and OPENAI_API_KEY if "
            "it wants a key; or GENMB_VOICE_OPENAI_COMPATIBLE_BASE_URL and GENMB_VOICE_OPENAI_COMPATIBLE_KEY."
        )
    return {**options, "gives_key": True}  # to this kernel, whose it is


def _compatible_hints(options: Mapping[str, Any]) -> Mapping[str, str]:
    return {
        "model": "Give the model's name as VoiceAgent(model=…), or in GENMB_VOICE_OPENAI_COMPATIBLE_MODEL.",
        "deployment_missing": "The server may have no such model, or make no ephemeral secrets: then set "
        "GENMB_VOICE_OPENAI_COMPATIBLE_SIGNALING to sdp, json or none.",
        "provider_key_refused": "A key is read from OPENAI_API_KEY beside OPENAI_BASE_URL, or from "
        "GENMB_VOICE_OPENAI_COMPATIBLE_KEY beside GENMB_VOICE_OPENAI_COMPATIBLE_BASE_URL.",
    }


_KINDS = {
    "azure": _Kind(
        lambda _: {
            "endpoint": "AZURE_OPENAI_ENDPOINT",
            "key": _AZURE_KEY,
            "deployment": "AZURE_OPENAI_DEPLOYMENT",
            "transcription": "AZURE_OPENAI_TRANSCRIPTION_DEPLOYMENT",
        },
        _azure,
        _azure_hints,
    ),
    "openai": _Kind(lambda _: {"key": "OPENAI_API_KEY"}, _openai, _openai_hints),
    _COMPATIBLE: _Kind(_compatible_variables, _compatible, _compatible_hints),
    "voice-live": _Kind(
        notebook_voice_live.variables, notebook_voice_live.complete, notebook_voice_live.hints
    ),
}
