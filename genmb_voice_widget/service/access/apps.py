"""The apps that may ask: whose they are, on which plan, from which pages, by which key.

An app key is shown once, when the app is made; only its hash is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class App:
    """One app: an id that may be public, its owner's account, its plan's name, and what opens it.

    Attributes:
        tokens_only: whether its pages must show a token; else their origin is enough.
    """

    id: str
    owner: str
    plan: str
    origins: tuple[str, ...]
    key_hash: str
    tokens_only: bool = False
    revoked: bool = False


class AppsLookup(Protocol):
    """What a request asks of the register.

    Raises:
        Refusal: `service_unavailable`, when it cannot be asked.
    """

    async def find(self, id: str) -> App | None:
        """Look an app up, a revoked one included."""
        ...

    async def origin_known(self, origin: str) -> bool:
        """Tell whether any app that is not revoked has this origin."""
        ...


class Apps(AppsLookup, Protocol):
    """The register of apps."""

    async def add(self, app: App) -> bool:
        """Enter a new app; False when its id is taken."""
        ...

    async def change(self, app: App) -> bool:
        """Give an app that is not revoked all that this one has but its owner; False when there is none."""
        ...

    async def revoke(self, id: str) -> bool:
        """Let the app in no more; False when there is none."""
        ...

    async def all(self) -> tuple[App, ...]:
        """List the apps, in the order in which they were entered."""
        ...
