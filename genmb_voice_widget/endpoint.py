"""Which token endpoint an agent talks to, and with what key.

    VoiceAgent()                                          the one in this process, without a limit
    VoiceAgent(endpoint=in_process(plan=…))               one in this process, with limits
    VoiceAgent(endpoint="https://voice.example", key=…)   one that is served, as an app of its operator's
    GENMB_VOICE_ENDPOINT and GENMB_VOICE_KEY              the same, for agents that name none

A key goes to its endpoint and nowhere else: the environment's only to the address beside it, and none over
plain http to another machine. It knows the service only to mount it. Where a key is sent, the statement names
the `Secret` and no text, for a verbose traceback shows every name of the statement that failed.
"""

from __future__ import annotations

import logging
import os
from functools import cache, partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .address import is_loopback, web_address
from .asgi_socket import App
from .client import TokenClient
from .errors import VoiceError
from .event_socket import open_here, open_there
from .secret import Secret, is_sendable

if TYPE_CHECKING:
    import httpx

Where = str | App | None
Key = str | Secret | None

TIMEOUT = 25.0
"""Seconds for one call; the endpoint itself gives a provider twenty."""

ADDRESS_VARIABLE = "GENMB_VOICE_ENDPOINT"
KEY_VARIABLE = "GENMB_VOICE_KEY"


def hidden(key: Key) -> Secret | None:
    """Put a key that was given away at once, whatever it is, so that no traceback shows it."""
    if key is None or isinstance(key, Secret):
        return key
    return Secret(key if isinstance(key, str) else "")  # what is no text is refused as no key


async def nowhere(*_: object) -> None:
    """Be the endpoint of an agent that asks none, whatever the environment names."""
    raise VoiceError("read_only")


def token_client(endpoint: Where, key: Secret | None = None) -> TokenClient:
    """Return the process's client for an endpoint.

    Args:
        endpoint: an address, or an endpoint to be mounted here; None: the environment's, else one of our own.
        key: shows which app asks; by default the environment's, if it is for this address.

    Raises:
        VoiceError: `bad_option`, when the address is not one that may show in a log, or there is none for the
            key; `insecure_endpoint`, when the key would travel unencrypted.
    """
    where = (os.environ.get(ADDRESS_VARIABLE) or None) if endpoint is None else endpoint
    if isinstance(where, str):
        address = web_address(where)
        return _client(address, _fit(key or _key_beside(address), address))
    if key is not None:
        raise VoiceError("bad_option", "key is for an endpoint with an address: endpoint='https://…'.")
    if where is not None and not callable(where):
        raise VoiceError("bad_option", "endpoint must be an http(s) address, or what in_process() returns.")
    return _client(where, None)


@cache
def _client(where: str | App | None, key: Secret | None) -> TokenClient:
    if isinstance(where, str):
        straight = is_loopback(urlsplit(where).hostname or "")
        dial = partial(open_there, where, key, straight)
        return TokenClient(lambda: _served(where, key), metered=True, dial=dial)
    app = cache(lambda: where or _own())
    return TokenClient(
        lambda: _mounted(app()), metered=where is not None, dial=lambda path: open_here(app(), path)
    )


def _key_beside(address: str) -> Secret | None:
    """Read the environment's key, when this is the address that it is for."""
    if os.environ.get(ADDRESS_VARIABLE, "").rstrip("/") != address:
        return None
    return hidden(os.environ.get(KEY_VARIABLE) or None)


def _fit(key: Secret | None, address: str) -> Secret | None:
    """Let a key pass that may be sent there; one from a file may have a line end."""
    if key is None:
        return None
    if not isinstance(key, Secret) or not is_sendable(key.reveal().strip()):
        raise VoiceError("bad_option", "key must be an app's key: visible characters without blanks.")
    parts = urlsplit(address)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise VoiceError("insecure_endpoint")
    return Secret(key.reveal().strip())


def _served(address: str, key: Secret | None) -> httpx.AsyncClient:
    import httpx

    host = urlsplit(address).hostname or ""
    # A proxy of the environment is not on the way to this machine, and would read what is sent there.
    straight = {f"all://[{host}]" if ":" in host else f"all://{host}": None} if is_loopback(host) else {}
    http = httpx.AsyncClient(base_url=address, timeout=TIMEOUT, mounts=straight)
    if key is not None:
        http.headers["Authorization"] = f"Bearer {key.reveal()}"
    return http


def _mounted(app: App) -> httpx.AsyncClient:
    import httpx

    # Else what the endpoint logs would stand in whatever cell runs; a user's own logging still gets it.
    logging.getLogger(__package__).addHandler(logging.NullHandler())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(base_url="http://in-process", transport=transport, timeout=TIMEOUT)


def _own() -> App:
    from .service.app import in_process

    return in_process()
