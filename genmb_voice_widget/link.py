"""The line from any thread to whoever holds the call in the package's thread: a page, or a session here.

Owns the hop between threads, the choice between the two, and the bridge's timer. It must not know what is
said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING

from .bridge import TICK, Bridge
from .conversation import Conversation
from .errors import NoFrontEnd, VoiceError
from .loop import post, submit
from .shell import Shell

if TYPE_CHECKING:
    from .headless import Headless


class Link:
    """Runs one bridge, and the headless sessions that take the conversation over from it.

    Args:
        bridge: lives in the package's event loop from now on.
        shell: the kernel.
        conversation: whose log tells who holds the call.
        context: what observers run in, so that what they print stands in the cell that made the agent.
    """

    def __init__(self, bridge: Bridge, shell: Shell, conversation: Conversation, context: Context) -> None:
        self._bridge = bridge
        self._shell = shell
        self._conversation = conversation
        self._context = context
        self._headless: Headless | None = None
        self._ticking: asyncio.Task[None] | None = None

    def receive(self, message: object, sound: bytes = b"") -> None:
        """Take a page's message, and the sound that it brings, on any thread."""
        self.do(lambda bridge: bridge.receive(message, sound))

    def do(self, action: Callable[[Bridge], None]) -> None:
        """Have something done with the bridge, soon, from any thread."""
        post(self._act, action, context=self._context)

    def hold(self, session: Headless) -> None:
        """Let a headless session take the conversation over, and run it."""
        self._headless = session
        session.begin()
        self._holding = submit(session.hold())
        self.do(Bridge.held)
        self._holding.add_done_callback(lambda _: self.do(Bridge.show))

    @property
    def opening(self) -> bool:
        """Whether a page opens a call, whose log has not come yet."""
        return self._bridge.opening

    @property
    def headless(self) -> Headless | None:
        """The headless session, if it runs and the conversation is its."""
        session = self._headless
        if session is None or session.log_id != self._conversation.log_id or not self._conversation.running:
            return None
        return session

    def tell(self, command: Callable[[Headless | Bridge], None]) -> None:
        """Give a command that is only for a session to whoever holds it."""
        session = self.headless
        if session is None:
            self.do(command)
        else:
            post(command, session, context=self._context)

    def mute(self, muted: bool) -> None:
        """Have the microphone switched off, or on again: also that of a page which begins a session later."""
        self.do(lambda bridge: bridge.mute(muted))
        if (session := self.headless) is not None:
            post(session.mute, muted, context=self._context)

    def stop(self) -> None:
        """End the session, and drop a start that waits for a page."""
        self.do(Bridge.stop)
        if (session := self.headless) is not None:
            post(session.stop, context=self._context)

    def close(self) -> None:
        """End a call that runs or is opened, for the agent is closed."""
        if self._conversation.running or self.opening:
            self.stop()
            self.do(Bridge.close)

    def check_wait(self) -> None:
        """Look whether a cell can wait for whoever holds the call.

        Raises:
            NoFrontEnd: when no browser can show the agent.
            VoiceError: `wait_impossible`, when the page cannot be heard before the cell is over.
        """
        if self.headless is not None:
            return
        if not self._shell.has_pages:
            raise NoFrontEnd("no_front_end")
        if not self._shell.cells_hear:
            raise VoiceError("wait_impossible")

    def _act(self, action: Callable[[Bridge], None]) -> None:
        action(self._bridge)
        if self._ticking is None and self._bridge.busy:
            self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        hears = self._shell.ear()
        hears()
        while self._bridge.busy:
            await asyncio.sleep(TICK)
            self._bridge.tick(hears())
        self._ticking = None
