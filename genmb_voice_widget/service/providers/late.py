"""A provider that is set up when a session asks for it, with what there is to set it up with then.

That may change from one session to the next: the new one gets another provider, and a call is ended by the
one that opened it. It must not know which service it is, nor where its settings come from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol

from genmb_voice_widget.service.problems import Refusal

from . import Answer, Observed, Provider, Ticket, Wire
from .wire_session import NoModel


class Setup(Protocol):
    """What a provider is set up with; equal ones are for the same provider."""

    def __hash__(self) -> int:
        """Tell it from others."""
        ...

    @property
    def hints(self) -> Mapping[str, str]:
        """Give, by the code of a refusal, the sentence that says where to mend it."""
        ...

    def make(self) -> Provider:
        """Make the provider.

        Raises:
            Refusal: `provider_not_set_up`.
        """
        ...


class LateProvider:
    """The provider that its settings want at each moment.

    Args:
        read: gives what it is to be set up with now; raises `Refusal`, `provider_not_set_up`.
    """

    def __init__(self, read: Callable[[], Setup]) -> None:
        self._read = read
        self._made: dict[Setup, Provider] = {}
        self._opened_by: dict[str, Provider] = {}

    async def answer(self, session: Wire, sdp: str) -> Answer:
        """See `Provider.answer`."""
        provider, hints = self._now()
        with _hinting(hints):
            answer = await provider.answer(session, sdp)
        self._opened_by[answer.call_id] = provider
        return answer

    async def mint(self, session: Wire) -> Ticket:
        """See `Provider.mint`."""
        provider, hints = self._now()
        with _hinting(hints):
            return await provider.mint(session)

    async def proven(self, call_id: str) -> bool:
        """See `Provider.proven`."""
        return call_id in self._opened_by and await self._opened_by[call_id].proven(call_id)

    @asynccontextmanager
    async def observe(self, call_id: str) -> AsyncIterator[Observed]:
        """See `Provider.observe`."""
        if call_id not in self._opened_by:
            raise Refusal("session_over", "No call of this endpoint has such an id.")
        async with self._opened_by[call_id].observe(call_id) as call:
            yield call

    async def hang_up(self, call_id: str) -> None:
        """See `Provider.hang_up`."""
        if call_id in self._opened_by:
            await self._opened_by[call_id].hang_up(call_id)
            self._opened_by.pop(call_id, None)

    async def ready(self) -> None:
        """See `Provider.ready`; what is not set up is nothing that anybody waits for."""
        try:
            provider, _ = self._now()
        except Refusal:
            return
        await provider.ready()

    async def close(self) -> None:
        """See `Provider.close`."""
        made, self._made = self._made, {}
        for provider in made.values():
            await provider.close()

    def _now(self) -> tuple[Provider, Mapping[str, str]]:
        setup = self._read()
        if setup not in self._made:
            self._made[setup] = setup.make()
        return self._made[setup], setup.hints


@contextmanager
def _hinting(hints: Mapping[str, str]) -> Iterator[None]:
    try:
        yield
    except NoModel:
        raise Refusal("provider_not_set_up", hints["model"]) from None
    except Refusal as refusal:
        if (hint := hints.get(refusal.code)) is None:
            raise
        detail, status, after = f"{refusal.detail} {hint}", refusal.status, refusal.retry_after
        raise Refusal(refusal.code, detail, status=status, retry_after=after) from None
