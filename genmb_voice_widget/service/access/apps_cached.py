"""The register of apps, remembered for some seconds, so that most requests ask no database who asks.

What is changed or revoked counts on this node when that time is over. Which origins are known is remembered
for longer while the register cannot be asked: else a page could not even read that it cannot.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from genmb_voice_widget.service.problems import Refusal

from .apps import App, AppsLookup

T = TypeVar("T")

SECONDS = 3.0
_STALE = 600.0
_MOST = 10_000


class CachedApps:
    """`AppsLookup` that asks for each app and each origin at most every `seconds`.

    Args:
        clock: seconds, of any beginning.
    """

    def __init__(self, apps: AppsLookup, clock: Callable[[], float], seconds: float = SECONDS) -> None:
        self._apps = _Remembered(apps.find, clock, seconds, stale=0.0)
        self._origins = _Remembered(apps.origin_known, clock, seconds, stale=_STALE)

    async def find(self, id: str) -> App | None:
        """See `AppsLookup.find`."""
        return await self._apps.get(id)

    async def origin_known(self, origin: str) -> bool:
        """See `AppsLookup.origin_known`."""
        return await self._origins.get(origin)


class _Remembered(Generic[T]):
    """The last answers to a question, the oldest forgotten first."""

    def __init__(
        self, ask: Callable[[str], Awaitable[T]], clock: Callable[[], float], fresh: float, stale: float
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._fresh = fresh
        self._stale = stale
        self._answers: OrderedDict[str, tuple[float, T]] = OrderedDict()

    async def get(self, about: str) -> T:
        now = self._clock()
        known = self._answers.get(about)
        if known is not None and now - known[0] < self._fresh:
            return known[1]
        try:
            answer = await self._ask(about)
        except Refusal:
            if known is not None and now - known[0] < self._stale:
                return known[1]
            raise
        self._answers[about] = now, answer
        self._answers.move_to_end(about)
        if len(self._answers) > _MOST:
            self._answers.popitem(last=False)
        return answer
