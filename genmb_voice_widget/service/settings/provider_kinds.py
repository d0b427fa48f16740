"""Which voice services there are to choose from, with which options; the one place that knows them all.

What a service needs installed is imported when it is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genmb_voice_widget.service.providers import Provider

from . import SettingsError
from . import values as read
from .values import Reader

if TYPE_CHECKING:
    from genmb_voice_widget.service.providers.upstream import Upstream

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """One sort of voice service.

    Attributes:
        options: how each of its options is read, by name.
        make: makes the provider; raises `ValueError` with a sentence when the options do not go together.
    """

    options: Mapping[str, Reader]
    make: Callable[[Options, Callable[[], Upstream]], Provider]


def _local(options: Options, upstream: Callable[[], Upstream]) -> Provider:
    from genmb_voice_widget.service.providers.local import LocalProvider

    return LocalProvider()


def _azure(options: Options, upstream: Callable[[], Upstream]) -> Provider:
    from genmb_voice_widget.service.providers.azure import AzureProvider
    from genmb_voice_widget.service.providers.credential import ENTRA_SCOPE, Entra, Key, api_key

    if "endpoint" not in options:
        raise ValueError(
            "needs an endpoint: the resource's address, as https://NAME.openai.azure.com, "
            "in GENMB_VOICE_AZURE_ENDPOINT."
        )
    if ("key" in options) == options.get("entra", False):
        raise ValueError(
            "needs either a key, or entra = true: GENMB_VOICE_AZURE_KEY or GENMB_VOICE_AZURE_ENTRA."
        )
    return AzureProvider(
        options["endpoint"],
        Key(api_key(options["key"])) if "key" in options else Entra(options.get("scope", ENTRA_SCOPE)),
        upstream(),
        deployment=options.get("deployment"),
        transcription=options.get("transcription"),
        event_filter=options.get("event_filter", False),
    )


def _openai(options: Options, upstream: Callable[[], Upstream]) -> Provider:
    from genmb_voice_widget.service.providers.openai import MODEL, OpenAIProvider

    if "key" not in options:
        raise ValueError("needs a key: an API key of a project, in GENMB_VOICE_OPENAI_KEY.")
    return OpenAIProvider(
        options["key"],
        upstream(),
        model=options.get("model", MODEL),
        safety_identifier=options.get("safety_identifier"),
    )


def _compatible(options: Options, upstream: Callable[[], Upstream]) -> Provider:
    from genmb_voice_widget.service.providers.compatible import CompatibleProvider

    if "base_url" not in options:
        raise ValueError(
            "needs a base_url: the server's address, as http://127.0.0.1:8080/v1, "
            "in GENMB_VOICE_OPENAI_COMPATIBLE_BASE_URL."
        )
    return CompatibleProvider(upstream=upstream(), **options)


def _voice_live(options: Options, upstream: Callable[[], Upstream]) -> Provider:
    from genmb_voice_widget.service.providers.credential import Entra, Key, api_key
    from genmb_voice_widget.service.providers.voice_live import API_VERSION, SCOPE, Agent, VoiceLiveProvider

    if "endpoint" not in options:
        raise ValueError(
            "needs an endpoint: the resource's address, as https://NAME.services.ai.azure.com, "
            "in GENMB_VOICE_VOICE_LIVE_ENDPOINT."
        )
    if ("key" in options) == options.get("entra", False):
        raise ValueError(
            "needs either a key, or entra = true: GENMB_VOICE_VOICE_LIVE_KEY or GENMB_VOICE_VOICE_LIVE_ENTRA."
        )
    name, project, version = (options.get(f"agent_{part}") for part in ("name", "project_name", "version"))
    agent = Agent(name, project, version) if name and project else None
    if agent is None and (name or project or version):
        raise ValueError("needs agent_name and agent_project_name, if an agent is to answer.")
    if agent and "key" in options:
        raise ValueError("lets agents in by Entra alone: set entra = true in the place of the key.")
    if agent and "model" in options:
        raise ValueError("has either a model or an agent, which brings its own.")
    return VoiceLiveProvider(
        options["endpoint"],
        Key(api_key(options["key"])) if "key" in options else Entra(options.get("scope", SCOPE)),
        upstream(),
        model=options.get("model"),
        api_version=options.get("api_version", API_VERSION),
        agent=agent,
        gives_key=options.get("gives_key", False),
    )


KINDS: Mapping[str, Kind] = {
    "local": Kind({}, _local),
    "azure": Kind(
        {
            "endpoint": read.text,
            "key": read.key,
            "entra": read.flag,
            "scope": read.text,
            "deployment": read.text,
            "transcription": read.text,
            "event_filter": read.flag,
        },
        _azure,
    ),
    "openai-compatible": Kind(
        {
            "base_url": read.text,
            "key": read.key,
            "model": read.text,
            "transcription": read.text,
            "signaling": read.one_of("secret", "sdp", "json", "none"),
        },
        _compatible,
    ),
    "openai": Kind({"key": read.key, "model": read.text, "safety_identifier": read.text}, _openai),
    "voice-live": Kind(
        {
            "endpoint": read.text,
            "key": read.key,
            "entra": read.flag,
            "scope": read.text,
            "model": read.text,
            "api_version": read.text,
            "agent_name": read.text,
            "agent_project_name": read.text,
            "agent_version": read.text,
        },
        _voice_live,
    ),
}


def make_providers(chosen: Mapping[str, Options], kinds: Mapping[str, Kind] = KINDS) -> dict[str, Provider]:
    """Make the providers that were chosen; those that go over the network share their connections.

    Raises:
        SettingsError: with a sentence that names the service.
    """
    shared: list[Upstream] = []

    def upstream() -> Upstream:
        from genmb_voice_widget.service.providers.upstream import Upstream

        if not shared:
            shared.append(Upstream())
        return shared[0]

    made = {}
    for name, options in chosen.items():
        try:
            made[name] = kinds[name].make(options, upstream)
        except ValueError as error:
            raise SettingsError(f"The voice service {name}: {error}") from None
    return made
