"""A voice of Azure's own speech service, for Azure Voice Live; OpenAI's voices are named by a text alone.

Members keep their wire names (Azure Voice Live API reference, `voice`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from genmb_voice_widget.errors import VoiceError

from .checks import check_number, check_text


@dataclass(frozen=True)
class AzureVoice:
    """One of Azure's voices, and how it speaks; None leaves a knob to the service.

    Attributes:
        name: as `en-US-Ava:DragonHDLatestNeural`.
        temperature: how much it varies, from 0 to 1 (HD voices).
        rate: how fast it speaks, as a factor from 0.5 to 1.5.
        style: how it speaks, as `cheerful`.
        pitch: how high, as `+5%`.
        locale: which accent it has, as `en-GB`.
        endpoint_id: the deployment of a custom voice.
        model: the model of a personal voice, as `DragonLatestNeural`.
    """

    name: str
    temperature: float | None = None
    rate: float | None = None
    style: str | None = None
    pitch: str | None = None
    locale: str | None = None
    endpoint_id: str | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        check_text("voice.name", self.name)
        for name in ("style", "pitch", "locale", "endpoint_id", "model"):
            check_text(f"voice.{name}", getattr(self, name), or_none=True)
        check_number("voice.temperature", self.temperature, 0, 1, or_none=True)
        check_number("voice.rate", self.rate, 0.5, 1.5, or_none=True)
        if self.endpoint_id is not None and self.model is not None:
            raise VoiceError(
                "bad_option", "A voice has an endpoint_id (custom) or a model (personal), not both."
            )

    def to_wire(self) -> dict[str, Any]:
        """Render the member `voice`; the service takes its rate as a text."""
        kind = "azure-custom" if self.endpoint_id else "azure-personal" if self.model else "azure-standard"
        knobs = {field.name: getattr(self, field.name) for field in fields(self)}
        wire = {"type": kind} | {name: value for name, value in knobs.items() if value is not None}
        return wire if self.rate is None else wire | {"rate": str(self.rate)}
