"""The kernel's end of the bridge ("The bridge" in docs/architecture.md): what pages say and are told.

Several pages may show one agent (two tabs, a reloaded page); only the one that leads is spoken to until its
call is over. Lives in the package's event loop and does no waiting of its own: `tick` brings the time. It
must not know comms, kernels or traits, nor how a page comes to lead. The other end is js/src/kernel.ts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any

from .calls import Calls
from .conversation import Conversation
from .lead import Lead
from .line_outbox import Post
from .pages import Pages
from .protocol import readable
from .reading import elements, text
from .settings import Settings
from .summons import Summons

log = logging.getLogger(__name__)

PROTO = 1
TICK = 1.0
"""Seconds between two calls of `tick`."""
BEAT = 2
"""Ticks between two beats, which tell every page that a call is held, and by whom."""

Message = dict[str, Any]


class Bridge:
    """Takes a page's messages, gives it commands.

    Args:
        conversation: what the pages' events are fed to.
        calls: the pages' calls to the endpoint.
        send: takes a message for all pages; each knows by `client` or `holder` whether it is meant.
        settings: what the agent is set up to be.
    """

    def __init__(
        self,
        conversation: Conversation,
        calls: Calls,
        send: Post,
        settings: Settings,
    ) -> None:
        self._conversation = conversation
        self._calls = calls
        self._send = send
        self._settings = settings
        self._pages = Pages()
        over: set[str] = set()
        self._summons = Summons(conversation, self._pages, self._command, over)
        self._lead = Lead(conversation, self._pages, self._summons, over)
        self._muted: bool | None = None
        self._ticks = 0

    @property
    def starting(self) -> bool:
        """Whether a start waits for a page."""
        return self._pages.waiting

    @property
    def opening(self) -> bool:
        """Whether a page opens a call, whose log has not come yet."""
        return self._pages.opener is not None

    @property
    def busy(self) -> bool:
        """Whether time matters: a call is held or opened, or a start waits for one."""
        return self._pages.busy or (self._conversation.running and not self._lead.frozen)

    def receive(self, message: Any, sound: bytes = b"") -> None:
        """Take one message of a page, and its sound; one that makes no sense changes nothing."""
        match message:
            case {"op": "hello", "client": str(client), "proto": proto}:
                self._welcome(client, proto == PROTO)
            case {"op": str(op), "client": str(client)} if self._pages.hear(client):
                self._lead.hear(client)
                # A start in another thread comes before all of it or after.
                self._conversation.settled(partial(self._take, op, client, message, sound))
            case _:
                log.debug("a message that is not of the bridge, or of a page that has not said hello")

    def start(self) -> None:
        """Have a page start a session: the one that appeared last, or the first to appear."""
        self._summons.start()

    def stop(self) -> None:
        """Have the running session ended, and one that was asked for not begun."""
        if self._pages.waiting:
            self._summons.stop()
        elif (page := self._pages.opener or self._lead.page) is not None:
            self._command(page, "stop")

    def say(self, text: str, item_id: str) -> None:
        """Have a message of the user put into the conversation, under this id, and answered."""
        self._tell_leader("say", text=text, item_id=item_id)

    def answer(self, log_id: str, items: list[Message], response: Message) -> None:
        """Have the calls of one response answered, as by `Talk.answer`, if they are of this session."""
        if log_id == self._conversation.log_id:
            self._tell_leader("answer", log=log_id, items=items, response=response)

    def interrupt(self) -> None:
        """Have the reply stopped."""
        self._tell_leader("interrupt")

    def respond(self) -> None:
        """Have an answer made to what has been said so far."""
        self._tell_leader("respond")

    def update(self) -> None:
        """Have the service told what it does not know yet of the session's options."""
        if self._lead.calling is not None and (update := self._settings.update()):
            self._tell_leader("update", **update)

    def mute(self, muted: bool) -> None:
        """Have the microphone switched off, or on again."""
        self._muted = muted
        for client in self._pages if self._lead.calling is None else [self._lead.calling]:
            self._command(client, "mute", muted=muted)

    def freeze(self) -> None:
        """Let no page begin a session from now on: the conversation is a recording."""
        self._lead.frozen = True

    def held(self) -> None:
        """Tell every page that a call begins that none of them holds."""
        self._beat()

    def show(self) -> None:
        """Have every page show the conversation as it stands: no page has held it."""
        for client in self._pages:
            self._show(client)

    def show_settings(self) -> None:
        """Tell every page what the agent is set up to be now."""
        for client in self._pages:
            self._send({"op": "settings", "client": client, "settings": self._shown()})

    def tick(self, heard: bool) -> None:
        """Let a second pass.

        Args:
            heard: whether a page could have been heard during it.
        """
        self._ticks += 1
        client = self._lead.calling
        if self._ticks % BEAT == 0:
            self._beat()
        if client is None:
            if heard and self._pages.tick():
                self._summons.give_up()
            return
        if self._conversation.state.status == "live":
            self._pages.settle()
        if self._lead.tick(heard):
            self._command(client, "stop")
            self._calls.leave(client, "page_gone")
            self._lose_call()

    def close(self) -> None:
        """End a running call, or one that a page opens, for the agent is closed."""
        if (client := self._pages.opener or self._lead.calling) is not None:
            self._command(client, "stop")
            self._calls.leave(client, "closed")
            self._calls.abandon("closed")

    def _welcome(self, client: str, same_version: bool) -> None:
        self._show(client, same_version)
        self._summons.mismatch = not same_version
        if not same_version:
            return
        if not self._lead.frozen:
            self._calls.greet(client)
        if not self._pages.greet(client):
            return
        if self._muted is not None:
            self._command(client, "mute", muted=self._muted)
        if self._pages.waiting and self._pages.asked is None and not self._conversation.running:
            self._summons.ask()

    def _show(self, client: str, same_version: bool = True) -> None:
        welcome = {"op": "welcome", "client": client, "proto": PROTO, "settings": self._shown()}
        known = same_version and self._conversation.log_id
        self._send({**welcome, "snapshot": self._conversation.state.to_json() if known else None})

    def _shown(self) -> Message:
        return {**self._settings.shown(), "recorded": self._lead.frozen}

    def _take(self, op: str, client: str, message: Mapping[str, Any], sound: bytes) -> None:
        match op, message:
            case "events", {"log": str(log_id), "events": [*events]} if self._lead.takes(client, log_id):
                self._conversation.feed(*(told := readable(events)))
                for event in (each.event for each in told if each.dir == "in"):
                    self._settings.hear(event)
            case "snapshot", {"log": str(log_id), "seq": int(seq), "state": {**state}} if self._lead.takes(
                client, log_id
            ):
                self._conversation.adopt(seq, state, elements(message.get("heard")))
            case "call", {"id": str(number), "method": str(method), "params": {**params}}:
                refusal = self._lead.refusal(client, text(params.get("log")))
                if method == "open" and refusal is None and not self._conversation.running:
                    self._pages.claim(client)
                self._calls.take(client, number, method, params, refusal)
                if method == "connected":
                    self.update()  # options may have changed since it was opened
            case "line", {"log": str(log_id), "event": {"type": str()} as event}:
                self._calls.line.take(client, log_id, event, b"")
            case "line", {"log": str(log_id)}:
                self._calls.line.take(client, log_id, None, sound)
            case "beat", _ if client == self._lead.page and self._conversation.gap:
                self.resync(self._conversation.log_id)
            case "bye", _:
                asked = client == self._pages.asked
                self._pages.leave(client)
                self._calls.leave(client, "page_gone")
                if client == self._lead.page:
                    self._lose_call()
                if asked and not self._conversation.running:
                    self._summons.ask()

    def resync(self, log_id: str) -> None:
        """Ask the page that leads for its whole state."""
        if self._lead.page is not None:
            asked = {"log": log_id, "after": self._conversation.position}
            self._send({"op": "resync", "client": self._lead.page, **asked})

    def _lose_call(self) -> None:
        """Close the call of a page that cannot: only the kernel can still tell the endpoint."""
        if self._lead.lose():
            self._calls.abandon("page_gone")

    def _beat(self) -> None:
        if self._conversation.running:
            self._send({"op": "beat", "holder": self._lead.calling})

    def _tell_leader(self, do: str, **members: Any) -> None:
        if self._lead.page is not None:
            self._command(self._lead.page, do, **members)

    def _command(self, client: str, do: str, **members: Any) -> None:
        self._send({"op": "command", "client": client, "do": do, **members})
