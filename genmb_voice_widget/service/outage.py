"""Says in the log once that something does not work, and once that it does again."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


class Outage:
    """What is known of one thing's working.

    Args:
        fails: what to say when it does not, such as `the database cannot be asked`; the reason follows.
        works: what to say when it does again.
    """

    def __init__(self, fails: str, works: str) -> None:
        self._fails = fails
        self._works = works
        self._told = False

    def failed(self, why: str) -> None:
        """Note that it did not work; `why` must hold no secret."""
        if not self._told:
            self._told = True
            log.warning("%s: %s", self._fails, why)

    def worked(self) -> None:
        """Note that it did."""
        if self._told:
            self._told = False
            log.warning(self._works)
