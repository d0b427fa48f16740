"""What opens an Azure resource for a notebook: the key in a variable or, without one, Microsoft Entra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genmb_voice_widget.service.providers.credential import entra_is_installed


def opened(options: Mapping[str, Any], variable: str) -> Mapping[str, Any]:
    """Have Entra open the resource where no key, read from `variable`, does.

    Raises:
        ValueError: with a sentence that says what to set.
    """
    if "key" in options:
        return options
    if not entra_is_installed():
        raise ValueError(
            f"Set {variable} to a key of the resource; for Microsoft Entra (az login) in its place: "
            "pip install 'genmb-voice-widget[azure]'."
        )
    return {**options, "entra": True}


def shown(options: Mapping[str, Any], variable: str) -> str:
    """Say what the resource was shown, for when it did not open."""
    if "key" in options:
        return f"It was shown the key in {variable}."
    return (
        f"There is no {variable}, so Microsoft Entra was asked who you are: see az login. That identity "
        "needs the role Cognitive Services User on the resource."
    )
