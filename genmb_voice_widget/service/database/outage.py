"""Says in the log once that something cannot be asked, and once that it can again."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)


class Outage:
    """What is known of one thing's being there.

    Args:
        what: its name in the log, such as `the database`.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = False

    def failed(self, why: str) -> None:
        """Note that it could not be asked; `why` must hold no secret."""
        if not self._told:
            self._told = True
            log.warning("%s cannot be asked: %s", self._what, why)

    def worked(self) -> None:
        """Note that it could."""
        if self._told:
            self._told = False
            log.warning("%s can be asked again", self._what)
