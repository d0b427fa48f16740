"""Which connections to hang up on: those on which no request has come, or not all of its head, for long.

uvicorn waits for a request's head as long as the caller likes, and each connection holds one of the files
that the process may open; what follows a head has time-outs of its own. It knows a server's connections only
by the two attributes that all of uvicorn's HTTP protocols have: `cycle` (the last request) and `transport`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_NO_HTTP: Any = object()


class SilentConnections:
    """What has been seen of a server's connections.

    Args:
        within: seconds for the head of a request, and between two requests.
        clock: seconds, of any beginning.
    """

    def __init__(self, within: float, clock: Callable[[], float]) -> None:
        self._within = within
        self._clock = clock
        self._seen: dict[Any, tuple[Any, float]] = {}

    def hang_up(self, connections: Iterable[Any]) -> None:
        """Close those on which nothing has been asked since a look that was longer ago."""
        now, before = self._clock(), self._seen
        self._seen = {}
        for connection in connections:
            last = getattr(connection, "cycle", _NO_HTTP)
            if last is _NO_HTTP or (last is not None and not last.response_complete):
                continue
            known, since = before.get(connection, (last, now))
            since = since if known is last else now
            self._seen[connection] = last, since
            if now - since >= self._within:
                connection.transport.close()
