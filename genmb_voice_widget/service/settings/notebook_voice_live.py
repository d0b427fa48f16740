"""What a notebook's environment says about Azure Voice Live: the variables, and what else they need.

`AZURE_VOICELIVE_ENDPOINT` is what the samples of azure-ai-voicelive read; the others are named like it. No
sentence holds a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .azure_resource import opened, shown

_PREFIX = "AZURE_VOICELIVE_"
_KEY = f"{_PREFIX}API_KEY"


def variables(environ: Mapping[str, str]) -> Mapping[str, str]:
    """Name the variable of each option."""
    named = ("endpoint", "model", "api_version", "agent_name", "agent_project_name", "agent_version")
    return {"key": _KEY} | {option: f"{_PREFIX}{option.upper()}" for option in named}


def complete(options: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
    """Have Entra open the resource where no key does.

    Raises:
        ValueError: with a sentence that says what to set.
    """
    if "endpoint" not in options:
        raise ValueError(
            "Set AZURE_VOICELIVE_ENDPOINT to the resource's address, as https://NAME.services.ai.azure.com, "
            "and AZURE_VOICELIVE_API_KEY to a key of it, unless Microsoft Entra (az login) opens it."
        )
    if "key" in options and "agent_name" in options:
        raise ValueError("Agents are let in by Microsoft Entra alone: unset AZURE_VOICELIVE_API_KEY.")
    return {**opened(options, _KEY), "gives_key": True}  # to this kernel, whose it is


def hints(options: Mapping[str, Any]) -> Mapping[str, str]:
    """Give, by the code of a refusal, the sentence that says where to mend it."""
    return {
        "provider_key_refused": shown(options, _KEY),
        "provider_region": "The resource is the one in AZURE_VOICELIVE_ENDPOINT.",
        "provider_refused": "The model is that in VoiceAgent(model=…) or else in AZURE_VOICELIVE_MODEL, the "
        "version of the API that in AZURE_VOICELIVE_API_VERSION, if there is one.",
    }
