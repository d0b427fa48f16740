"""What opens a realtime service, as the header field that carries it: a key, or a Microsoft Entra token.

Nothing here shows itself in a repr. It knows no address.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.problems import Refusal

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

log = logging.getLogger(__name__)

ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
"""What a token is asked for (Azure OpenAI how-to, realtime audio by WebRTC)."""

_SCOPE = re.compile(r"https://[a-z0-9.-]+/\.default")


@dataclass(frozen=True)
class Header:
    """One header field with a credential in it."""

    name: str
    value: Secret

    def field(self) -> dict[str, str]:
        """Give it out, where it is sent."""
        return {self.name: self.value.reveal()}


def bearer(token: Secret) -> Header:
    """Carry a key or a token as RFC 6750 §2.1 does."""
    return Header("Authorization", Secret(f"Bearer {token.reveal()}"))


def taken_apart(header: Header) -> tuple[Literal["Authorization", "api-key"], Secret]:
    """Give the field's name, and the token or key that `bearer` or `api_key` put in it."""
    if header.name == "api-key":
        return "api-key", header.value
    return "Authorization", Secret(header.value.reveal().removeprefix("Bearer "))


class Credential(Protocol):
    """Something that opens a service, now or after a while."""

    async def header(self) -> Header:
        """Give the field that opens it now.

        Raises:
            Refusal: `provider_key_refused`, `provider_unreachable`.
        """
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


class Key:
    """A key that does not change.

    Args:
        header: how the service wants it: `bearer(key)`, or Azure's `api_key(key)`.
    """

    def __init__(self, header: Header) -> None:
        self._header = header

    async def header(self) -> Header:
        """See `Credential.header`."""
        return self._header

    async def close(self) -> None:
        """See `Credential.close`."""


def api_key(key: Secret) -> Header:
    """Carry the key of an Azure resource."""
    return Header("api-key", key)


class Entra:
    """The identity that this program runs under in Microsoft Entra; needs `azure-identity`.

    A token is asked for with the first request and kept by `azure-identity` until shortly before it expires.

    Args:
        scope: what the token is for.
        make: makes the credential, in the event loop; by default the one that reads the environment (a
            service principal's variables, a workload's or managed identity, whoever did `az login`).

    Raises:
        ValueError: `azure-identity`, or `aiohttp` that it needs, is not installed; or the scope is none.
    """

    def __init__(
        self, scope: str = ENTRA_SCOPE, make: Callable[[], AsyncTokenCredential] | None = None
    ) -> None:
        if not _SCOPE.fullmatch(scope):
            raise ValueError(f"An Entra scope looks like {ENTRA_SCOPE}.")
        if not entra_is_installed():
            raise ValueError("Entra needs azure-identity: pip install 'genmb-voice-widget[azure]'.")
        self._scope = scope
        self._make = make or _of_the_environment
        self._credential: AsyncTokenCredential | None = None
        self._token: Callable[[], Awaitable[str]] | None = None

    async def header(self) -> Header:
        """See `Credential.header`."""
        if self._token is None:
            await asyncio.to_thread(importlib.import_module, "azure.identity.aio")
        from azure.core.exceptions import ClientAuthenticationError
        from azure.identity.aio import get_bearer_token_provider

        if self._token is None:
            self._credential = self._make()
            self._token = get_bearer_token_provider(self._credential, self._scope)
        try:
            return bearer(Secret(await self._token()))
        except ClientAuthenticationError as error:
            code, failure = "provider_key_refused", type(error).__name__
        except Exception as error:  # azure-core lets through whatever its transport raises
            code, failure = "provider_unreachable", type(error).__name__
        log.warning("no Entra token: %s", failure)
        raise Refusal(code, "No token could be had from Microsoft Entra.")

    async def close(self) -> None:
        """See `Credential.close`."""
        credential, self._credential, self._token = self._credential, None, None
        if credential is not None:
            await credential.close()


def entra_is_installed() -> bool:
    """Tell whether there is what `Entra` needs."""
    return all(map(importlib.util.find_spec, ("azure", "azure.identity", "aiohttp")))


def _of_the_environment() -> AsyncTokenCredential:
    from azure.identity.aio import DefaultAzureCredential

    return DefaultAzureCredential()
