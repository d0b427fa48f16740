"""Which names a request may call the endpoint by.

A page whose own name was made to resolve to this machine is of the endpoint's origin to its browser, so no
rule about origins holds it off; the name that it calls is still its own, and is told in `Host` (RFC 9110
§7.2). Plain ASGI. It knows no route.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from genmb_voice_widget.service.problems import Refusal

from .guard import send_problem


class ExpectedHosts:
    """Lets through requests to these names, whatever the port, and to every address: no name leads there.

    Load balancers ask for the address of each node whether it is ready.
    """

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] == "lifespan" or self._expects(_name(Headers(scope=scope).get("host", ""))):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            refusal = Refusal("bad_request", "This endpoint is not called by this Host.", status=400)
            await send_problem(refusal, send)

    def _expects(self, name: str) -> bool:
        return name in self._hosts or _is_address(name)


def _name(host: str) -> str:
    """Return a `Host` without its port."""
    name, _, port = host.rpartition(":")
    return (name if name and port.isdecimal() else host).lower()


def _is_address(name: str) -> bool:
    """Tell whether it is an address as a browser writes it, an IPv6 one in brackets (RFC 3986 §3.2.2)."""
    try:
        return name == f"[{IPv6Address(name[1:-1])}]" if name.startswith("[") else bool(IPv4Address(name))
    except ValueError:
        return False
