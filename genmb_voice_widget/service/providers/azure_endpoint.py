"""Which addresses are an Azure OpenAI resource's; its credential is sent to no other. Pure."""

from __future__ import annotations

import re

SUFFIXES = (
    "openai.azure.com",
    "services.ai.azure.com",
    "cognitiveservices.azure.com",
    "openai.azure.us",
    "services.ai.azure.us",
    "cognitiveservices.azure.us",
)
"""The names that Microsoft documents for them, in its public cloud and in that of the US government."""

# One label and nothing else: no port, user, path or query, so nothing can stand before or after the name.
_ENDPOINT = re.compile(
    rf"https://([a-z0-9](?:[a-z0-9-]{{0,61}}[a-z0-9])?\.(?:{'|'.join(map(re.escape, SUFFIXES))}))/?"
)


def azure_host(endpoint: str) -> str:
    """Read the host of a resource's endpoint, as the portal shows it; capitals make no difference.

    Raises:
        ValueError: with a sentence that does not repeat it.
    """
    found = _ENDPOINT.fullmatch(endpoint.lower()) if endpoint.isascii() else None
    if found is None:
        raise ValueError(
            "An Azure endpoint is the resource's address alone, as https://NAME.openai.azure.com; "
            f"its name ends in one of {', '.join(SUFFIXES)}."
        )
    return found[1]
