"""A start that waits for a page: which page is told, when the next one is, and when it is given up.

Each page that is told gets the id of the log that it is to begin. So a log says which start it answers,
however late it comes, and one that a page has begun by itself answers none. It must not know messages or
calls: `command` tells a page, and `tick` brings the time.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Literal
from uuid import uuid4

from .conversation import Conversation
from .pages import Pages


class Summons:
    """Has pages begin sessions, one start at a time.

    Args:
        conversation: where the session is to begin.
        pages: those that can be told.
        command: tells a page to `start`, with its `log`, or to `stop`.
        over: the logs that take no more; gets those that a start's own log follows.

    Attributes:
        mismatch: whether the page that said hello last was of another version.
    """

    def __init__(
        self, conversation: Conversation, pages: Pages, command: Callable[..., object], over: set[str]
    ) -> None:
        self.mismatch = False
        self._conversation = conversation
        self._pages = pages
        self._command = command
        self._over = over
        self._log_before = ""
        self._log_asked = ""
        self._own_logs = count(1)

    def start(self) -> None:
        """Have a page start a session: the one that appeared last, or the first to appear."""
        if self._conversation.running:
            return
        asked = self._pages.asked is not None and not self._overtaken
        self._log_before = self._conversation.log_id
        if not asked:
            self.ask()

    def stop(self) -> None:
        """Drop the start that waits."""
        self._recall()
        self._end("ended")

    def ask(self) -> None:
        """Ask the page that is there for what waits."""
        if (page := self._pages.ask()) is not None:
            self._log_asked = f"start-{uuid4().hex}"
            self._command(page, "start", log=self._log_asked)

    def begun(self, page: str, log_id: str) -> None:
        """Note that a page begins a session.

        A page that has done so by itself may not have heard of the start yet: it will join the two, unless
        its session is over by then. So the start stands until it is answered or that session is live.
        """
        if not self._pages.waiting:
            return
        if page != self._pages.asked:
            self._recall()
        if page != self._pages.asked or log_id == self._log_asked:
            self._pages.settle()

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
        """Whether a session that no page was told to begin has taken the start's place; it may be over."""
        return self._conversation.log_id != self._log_before

    def _recall(self) -> str | None:
        """Take the start back from the page that was asked, which may only have been slow."""
        page = self._pages.recall()
        if page is not None:
            self._over.add(self._log_asked)
            self._command(page, "stop")
        return page

    def _end(self, status: Literal["ended", "failed"], code: str | None = None) -> None:
        """Give a start that no page has obeyed a log of its own, and close it, unless it was overtaken."""
        self._pages.settle()
        if not self._overtaken:
            self._over.add(self._log_before)
            self._conversation.end_unbegun(f"kernel-{next(self._own_logs)}", status, code)
        self._conversation.feed()  # who waits looks again: what overtook the start is all that comes of it
