"""Who may ask: what a request shows, and the port that makes a caller of it.

An `Access` knows apps, keys and origins; it knows no session. The endpoint that asks nothing is here, the one
that asks is in `access_apps`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from starlette.requests import HTTPConnection

from .caller import Caller
from .policy import Plan

OWNER = "owner"
"""The app, and its owner, that an endpoint without apps accounts everything to."""


class Access(Protocol):
    """Tells who asks."""

    async def caller(self, request: HTTPConnection) -> Caller:
        """Tell who sent this request.

        Raises:
            Refusal: `unauthorized`, or `origin_refused` for a page that may not ask for its app.
        """
        ...

    async def welcomes(self, origin: str) -> bool:
        """Tell whether a page of this origin may ask at all (Fetch standard, CORS protocol)."""
        ...


class OpenAccess:
    """Lets everyone in who reaches the endpoint, as one app on one plan: for one user on one machine.

    Args:
        origins: the web origins, besides the endpoint's own, whose pages may ask.
    """

    def __init__(self, plan: Plan, origins: Iterable[str] = ()) -> None:
        self._caller = Caller(OWNER, OWNER, plan, "open")
        self._origins = frozenset(origins)

    async def caller(self, request: HTTPConnection) -> Caller:
        """See `Access.caller`."""
        return self._caller

    async def welcomes(self, origin: str) -> bool:
        """See `Access.welcomes`."""
        return origin in self._origins
