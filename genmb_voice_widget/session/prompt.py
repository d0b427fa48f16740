"""A prompt that is kept with the service, by its id (OpenAI Realtime API reference, `prompt`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .checks import check, check_text


@dataclass(frozen=True)
class Prompt:
    """A stored prompt.

    Attributes:
        id: as `pmpt_…`.
        version: None for the newest.
        variables: what its placeholders stand for.
    """

    id: str
    version: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_text("prompt.id", self.id)
        check_text("prompt.version", self.version, or_none=True)
        named = isinstance(self.variables, Mapping) and all(isinstance(name, str) for name in self.variables)
        check("prompt.variables", named, "a dictionary of the placeholders' names")

    def to_wire(self) -> dict[str, Any]:
        """Render the member `prompt`."""
        wire: dict[str, Any] = {"id": self.id}
        if self.version is not None:
            wire["version"] = self.version
        return wire | ({"variables": dict(self.variables)} if self.variables else {})
