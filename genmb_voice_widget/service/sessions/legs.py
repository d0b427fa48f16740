"""The way to the providers, with a time limit on everything: reach one, hang up, learn that a call stands.

Knows the providers by name and no account. A provider that misbehaves ends in a `Refusal`, never in a wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from genmb_voice_widget.service.problems import Refusal, named
from genmb_voice_widget.service.providers import Answer, Observed, Provider, Ticket, Wire
from genmb_voice_widget.service.settings import Timing
from genmb_voice_widget.spelling import meant

log = logging.getLogger(__name__)


class Legs:
    """The providers of one endpoint."""

    def __init__(self, providers: Mapping[str, Provider], timing: Timing) -> None:
        self._providers = providers
        self._timing = timing

    def name(self, wanted: str | None) -> str:
        """Check a provider's name; `None` is the first there is.

        Raises:
            Refusal: `unknown_provider`.
        """
        if wanted is None:
            return next(iter(self._providers))
        if wanted not in self._providers:
            known = ", ".join(sorted(self._providers))
            closest = meant(wanted, self._providers)
            hint = f" It was probably meant to be {closest}." if closest else ""
            raise Refusal("unknown_provider", f"This endpoint has: {known}.{hint}")
        return wanted

    async def reach(self, provider: str, session: Wire, sdp: str | None) -> Answer | Ticket:
        """Have an offer answered or, without one, a WebSocket secret made.

        Raises:
            Refusal: the provider's, or `provider_unreachable` when its time is over.
        """
        service = self._providers[provider]
        try:
            async with asyncio.timeout(self._timing.open_within):
                return await (service.mint(session) if sdp is None else service.answer(session, sdp))
        except TimeoutError:
            raise Refusal("provider_unreachable", "The voice service took too long to answer.") from None

    async def hang_up(self, provider: str, call_id: str | None) -> bool:
        """End a call, if there is one; False when the provider did not confirm."""
        if call_id is None:
            return True
        try:
            async with asyncio.timeout(self._timing.hang_up_within):
                await self._providers[provider].hang_up(call_id)
        except Exception as error:
            log.warning("call %s could not be hung up: %s", call_id, named(error))
            return False
        return True

    async def proven(self, provider: str, call_id: str) -> bool:
        """Wait until the provider has seen the caller's media; False when it has not in the caller's time."""
        try:
            async with asyncio.timeout(self._timing.connect_within):
                return await self._providers[provider].proven(call_id)
        except Exception as error:
            log.info("call %s could not be watched: %s", call_id, named(error))
            return False

    @asynccontextmanager
    async def observe(self, provider: str, call_id: str) -> AsyncIterator[Observed]:
        """Observe a call, for as long as one likes.

        Raises:
            Refusal: the provider's, or `provider_unreachable` when its time to let us in is over.
        """
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._timing.open_within):
                    call = await stack.enter_async_context(self._providers[provider].observe(call_id))
            except TimeoutError:
                raise Refusal("provider_unreachable", "The voice service took too long.") from None
            yield call

    async def ready(self, wanted: str | None = None) -> None:
        """Do ahead what the first session would have to wait for, with one provider or with all.

        Raises:
            Refusal: `unknown_provider`, `provider_unreachable`, or the provider's own reason.
        """
        chosen = list(self._providers) if wanted is None else [self.name(wanted)]
        try:
            async with asyncio.timeout(self._timing.open_within):
                await asyncio.gather(*(self._providers[name].ready() for name in chosen))
        except TimeoutError:
            raise Refusal("provider_unreachable", "The voice service took too long to get ready.") from None

    async def close(self) -> None:
        """Close the providers; one that cannot be closed keeps nothing else open."""
        for name, provider in self._providers.items():
            try:
                await provider.close()
            except Exception as error:
                log.warning("%s could not be closed: %s", name, named(error))
