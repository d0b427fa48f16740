"""Where a session of an agent starts: in a page of a browser or, without one, here.

Owns that choice, and when a start is refused or has come true. It must not know how either holds a session.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from .bridge import Bridge
from .client import TokenClient
from .conversation import OVER, Conversation
from .errors import NoFrontEnd, VoiceError
from .link import Link
from .settings import Settings
from .waiting import failure

HEADLESS = "GENMB_VOICE_HEADLESS"
"""Set to 1 in the environment, a start needs no browser."""


@dataclass(frozen=True)
class Starter:
    """Starts an agent's sessions.

    Attributes:
        conversation: gets their logs.
        link: to the pages, and holds what starts here.
        has_pages: whether a browser can show the agent.
        client: the token endpoint.
        settings: what a session that starts here begins with.
    """

    conversation: Conversation
    link: Link
    has_pages: bool
    client: TokenClient
    settings: Settings

    def start(self, headless: bool | None, speed: float, muted: bool) -> Future[bool]:
        """Begin a session.

        Args:
            headless: whether here; None for what the environment says.
            speed: how much faster than people talk its time passes here.
            muted: whether the microphone of one here hears nothing at first; a page has been told.

        Returns:
            Done when the session is live; fails with what the session failed of.

        Raises:
            NoFrontEnd: no browser can show the agent.
            VoiceError: `already_live`; `bad_option` for a speed that is none.
        """
        if self.conversation.running:
            raise VoiceError("already_live")
        if os.environ.get(HEADLESS) == "1" if headless is None else headless:
            return self._start_here(speed, muted)
        if not self.has_pages:
            raise NoFrontEnd("no_front_end")
        return self._start_in_page()

    def _start_here(self, speed: float, muted: bool) -> Future[bool]:
        from .headless import Headless

        session = Headless(self.conversation, self.client, self.settings, speed)
        session.mute(muted)

        def take_over() -> Future[bool]:
            # A page may have got the call in the meantime, in another thread, or be about to.
            if self.conversation.running or self.link.opening:
                raise VoiceError("already_live")
            live = self.conversation.wait(started(self.conversation, lambda log_id: log_id == session.log_id))
            self.link.hold(session)
            return live

        return self.conversation.settled(take_over)

    def _start_in_page(self) -> Future[bool]:
        """Ask for it in the package's thread, where what was asked for before has been done by then."""
        conversation, before = self.conversation, ""
        asked: Bridge | None = None

        def ask(bridge: Bridge) -> None:
            nonlocal before, asked
            asked, before = bridge, "" if conversation.running else conversation.log_id
            bridge.start()
            conversation.feed()  # a page may have begun by itself: who waits looks again

        def ours(log_id: str) -> bool:
            if asked is None or log_id in ("", before):
                return False
            return conversation.running or not asked.starting

        live = conversation.wait(started(conversation, ours))
        self.link.do(ask)
        return live


def started(conversation: Conversation, ours: Callable[[str], bool]) -> Callable[[], bool]:
    """Make the condition that the session is live whose log is `ours`, by its id; it fails when that does."""

    def check() -> bool:
        if not ours(conversation.log_id):
            return False
        if conversation.state.status in OVER:
            raise failure(conversation)
        return conversation.state.status == "live"

    return check
