"""The WebSocket library with a service's credential in hand: it goes where it is sent, and logs nothing.

Of a redirect the library would take the `api-key` along, and it logs header fields and what was received. The
import is lazy: only a service that watches or relays calls needs the library.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from websockets.asyncio.client import connect

silent = logging.getLogger(f"{__name__}.library")
silent.setLevel(logging.CRITICAL + 1)


def straight() -> type[connect]:
    """Return the library's `connect`, without redirects.

    Raises:
        ImportError: websockets is not installed.
    """
    from websockets.asyncio.client import connect

    class Straight(connect):
        """Follows no redirect."""

        def process_redirect(self, exc: Exception) -> Exception:
            return exc

    return Straight
