"""A start that waits for a page: which page is told, when the next one is, and when it is given up.

It must not know messages or calls: `command` tells a page, and `tick` brings the time.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Literal

from .conversation import Conversation
from .pages import Pages


class Summons:
    """Has pages begin sessions, one start at a time.

    Args:
        conversation: where the session is to begin.
        pages: those that can be told.
        command: tells a page to `start` or to `stop`.
        over: the logs that take no more; gets those that a start's own log follows.

    Attributes:
        mismatch: whether the page that said hello last was of another version.
    """

    def __init__(
        self, conversation: Conversation, pages: Pages, command: Callable[[str, str], object], over: set[str]
    ) -> None:
        self.mismatch = False
        self._conversation = conversation
        self._pages = pages
        self._command = command
        self._over = over
        self._log_before = ""
        self._own_logs = count(1)

    def start(self) -> None:
        """Have a page start a session: the one that appeared last, or the first to appear."""
        if self._conversation.running:
            return
        self._log_before = self._conversation.log_id
        if self._pages.asked is None:
            self.ask()

    def stop(self) -> None:
        """Drop the start that waits."""
        self._recall()
        self._end("ended")

    def ask(self) -> None:
        """Ask the page that is there for what waits."""
        if (page := self._pages.ask()) is not None:
            self._command(page, "start")

    def give_up(self) -> None:
        """End the wait for a page to begin, or turn to the next one."""
        silent = self._recall()
        if silent is not None:
            self._pages.forget(silent)
        if self._pages.there and not self._overtaken:
            return self.ask()
        self._end("failed", "version_mismatch" if self.mismatch else "no_front_end")

    @property
    def _overtaken(self) -> bool:
        """Whether a session without a page has taken the start's place; it may be over by now."""
        return self._conversation.log_id != self._log_before

    def _recall(self) -> str | None:
        """Take the start back from the page that was asked, which may only have been slow."""
        page = self._pages.recall()
        if page is not None:
            self._command(page, "stop")
        return page

    def _end(self, status: Literal["ended", "failed"], code: str | None = None) -> None:
        """Give a start that no page has obeyed a log of its own, and close it, unless it was overtaken."""
        self._pages.settle()
        if not self._overtaken:
            self._over.add(self._log_before)
            self._conversation.end_unbegun(f"kernel-{next(self._own_logs)}", status, code)
