"""Which names a request may call the endpoint by.

A page whose own name was made to resolve to this machine is of the endpoint's origin to its browser, so no
rule about origins holds it off; the name that it calls is still its own, and is told in `Host` (RFC 9110
§7.2). Plain ASGI. It knows no route.
"""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from .guard import send_problem
from .problems import Refusal


class ExpectedHosts:
    """Lets through requests to these names, whatever the port; an IPv6 address is named in brackets."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "http" and _name(Headers(scope=scope).get("host", "")) not in self._hosts:
            refusal = Refusal("bad_request", "This endpoint is not called by this Host.", status=400)
            await send_problem(refusal, send)
        else:
            await self._app(scope, receive, send)


def _name(host: str) -> str:
    """Return a `Host` without its port."""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdecimal() else host).lower()
