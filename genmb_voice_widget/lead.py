"""Which page leads, for how long, and whether another one may begin the next call.

The page that starts a call leads: its log is the session's until another begins. A log that was refused or
displaced takes no more. It must not know messages or the endpoint: `tick` brings the time.
"""

from __future__ import annotations

from .conversation import Conversation
from .pages import Pages
from .summons import Summons

LEASE = 30
"""Ticks of silence, while the kernel could hear, after which the page that leads is gone."""


class Lead:
    """The page that leads, if one does.

    Args:
        conversation: whose log is the session's.
        pages: those there are.
        summons: hears which page begins a session.
        over: the logs that take no more; gets those that are refused or displaced.

    Attributes:
        frozen: whether no page may begin a session: the conversation is a recording.
    """

    def __init__(self, conversation: Conversation, pages: Pages, summons: Summons, over: set[str]) -> None:
        self.frozen = False
        self._conversation = conversation
        self._pages = pages
        self._summons = summons
        self._over = over
        self._lead: tuple[str, str] | None = None
        self._silence = 0

    @property
    def page(self) -> str | None:
        """The page whose log is the session's."""
        return self._lead[0] if self._lead and self._lead[1] == self._conversation.log_id else None

    @property
    def calling(self) -> str | None:
        """The page whose call runs."""
        return self.page if self._conversation.running else None

    def hear(self, page: str) -> None:
        """Note that a page has sent something."""
        if page == self.page:
            self._silence = 0

    def tick(self, heard: bool) -> bool:
        """Let a second of a page's call pass. Returns whether that page is gone, if it could be `heard`."""
        self._silence = self._silence + 1 if heard else 0
        return self._silence >= LEASE

    def takes(self, page: str, log_id: str) -> bool:
        """Tell whether this log is the session's; a new one is when no other page's call is running."""
        if log_id in self._over:
            return False
        if log_id == self._conversation.log_id:
            return page == self.page
        # A log that a session held here has displaced may still have late words.
        displaced = self._lead is not None and log_id == self._lead[1]
        if displaced or self.refusal(page, log_id) is not None:
            self._over.add(log_id)
            return False
        self._over.add(self._conversation.log_id)
        self._lead, self._silence = (page, log_id), 0
        self._pages.begin()
        self._summons.begun(page, log_id)
        self._conversation.begin(log_id)
        return True

    def refusal(self, page: str, log_id: str | None) -> str | None:
        """Tell why this page may not begin a call, whose log may have been refused or taken back already."""
        if self.frozen:
            return "read_only"
        if log_id in self._over:
            return "active_elsewhere"
        if self._conversation.running:
            return None if page == self.page else "active_elsewhere"
        return "active_elsewhere" if self._pages.kept_off(page) else None

    def lose(self) -> bool:
        """Close the log of the page that leads, which cannot any more. Returns whether its call ran."""
        self._lead = None
        self._over.add(self._conversation.log_id)
        ran = self._conversation.running
        if ran:
            self._conversation.end("ended", "page_gone")
        return ran
