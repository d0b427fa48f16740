"""Who may ask: the port that makes a caller of a request, and the endpoint that asks nothing.

An `Access` knows apps, keys and origins; it knows no session. The one that asks is in `by_app`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from starlette.requests import HTTPConnection

from genmb_voice_widget.service.caller import Caller
from genmb_voice_widget.service.policy import Plan

from .origins import of_another_page, origin_of, refused

OWNER = "owner"
"""The app, and its owner, that an endpoint without apps accounts everything to."""


class Access(Protocol):
    """Tells who asks."""

    @property
    def cookies(self) -> bool:
        """Whether a page of another origin may send its user's cookies (Fetch standard, credentials mode)."""
        ...

    async def caller(self, request: HTTPConnection, *, ending: bool = False) -> Caller:
        """Tell who sent this request.

        Args:
            request: the request, or a socket's handshake.
            ending: whether it is to end a session; a token that expired while it stood still does that.

        Raises:
            Refusal: `unauthorized`, or `origin_refused` for a page that may not ask for its app.
        """
        ...

    async def plan(self, app: str) -> Plan:
        """Tell the plan that an app is on now, for what goes on without a request of its own.

        Raises:
            Refusal: `unauthorized`, when the app is let in no more.
        """
        ...

    async def welcomes(self, origin: str) -> bool:
        """Tell whether a page of this origin may ask at all (Fetch standard, CORS protocol)."""
        ...

    def described(self) -> dict[str, Any]:
        """Describe how a request shows who asks (OpenAPI Specification, Security Scheme Objects by name)."""
        ...


class OpenAccess:
    """Lets everyone in who reaches the endpoint, as one app on one plan: for one user on one machine.

    Everyone but the pages of other origins that were not named: a browser sends some of their requests
    without asking first, and only keeps the answer from them.

    Args:
        origins: the web origins, besides the endpoint's own, whose pages may ask.
    """

    cookies = False

    def __init__(self, plan: Plan, origins: Iterable[str] = ()) -> None:
        self._caller = Caller(OWNER, OWNER, plan, "open")
        self._origins = frozenset(origins)

    async def caller(self, request: HTTPConnection, *, ending: bool = False) -> Caller:
        """See `Access.caller`."""
        if of_another_page(request.headers) and origin_of(request.headers) not in self._origins:
            raise refused()
        return self._caller

    async def plan(self, app: str) -> Plan:
        """See `Access.plan`."""
        return self._caller.plan

    async def welcomes(self, origin: str) -> bool:
        """See `Access.welcomes`."""
        return origin in self._origins

    def described(self) -> dict[str, Any]:
        """See `Access.described`."""
        return {}
