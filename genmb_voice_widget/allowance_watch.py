"""Keeps those who show what is left up to date: asks once for all of them, and not for nobody.

It is asked when somebody begins to show it, when a session has changed it, and when time has: a slot of the
window is free again. Lives in the package's event loop. It must not know pages or HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

from .errors import VoiceError

if TYPE_CHECKING:
    from .allowance import Allowance

log = logging.getLogger(__name__)

RETRY = 60.0
"""Seconds after which what could not be asked is asked again."""


class Shows(Protocol):
    """Somebody who shows what is left."""

    def show(self, left: Allowance) -> None:
        """Show this from now on."""
        ...


class Timer(Protocol):
    """Something that is due later."""

    def cancel(self) -> None:
        """Let it not happen."""
        ...


def _later(seconds: float, action: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(seconds, action)


class AllowanceWatch:
    """Watches one endpoint's allowance.

    Args:
        ask: asks the endpoint.
        later: has something done in so many seconds.
    """

    def __init__(
        self,
        ask: Callable[[], Coroutine[Any, Any, Allowance]],
        later: Callable[[float, Callable[[], None]], Timer] = _later,
    ) -> None:
        self._ask = ask
        self._later = later
        self._shown: WeakSet[Shows] = WeakSet()
        self._asking: asyncio.Task[None] | None = None
        self._again = False
        self._timer: Timer | None = None

    def join(self, shows: Shows) -> None:
        """Tell somebody from now on, and soon for the first time; who joins again is told again."""
        self._shown.add(shows)
        self.look()

    def leave(self, shows: Shows) -> None:
        """Tell somebody no more."""
        self._shown.discard(shows)

    def look(self) -> None:
        """Ask soon, for something has changed; while an answer is on its way, once more after it."""
        if not self._shown:
            return
        self._again = True
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        try:
            while self._again:
                self._again = False
                left = await self._ask()
                for shows in tuple(self._shown):
                    shows.show(left)
                self._wait(left.sessions.reset if left.sessions else 0)
        except VoiceError as error:
            log.info("what is left is not known: %s", error.code)
            self._wait(RETRY)
        except Exception:
            log.exception("what is left is not known")
        finally:
            self._asking = None

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._later(seconds, self.look) if seconds > 0 else None
