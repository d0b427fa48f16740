"""The agent: what a notebook makes, shows, and asks.

Owns the public methods and joins the parts: a page's messages go to the bridge, the conversation's changes to
the traits, commands to whoever holds the call. It must not know what an event means or how a call is made.
"""

# ruff: noqa: ASYNC109 (in a notebook a deadline is an argument: there is no block to put around a cell)

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Never, Self, TypeVar

from .attributes import MAKING
from .bridge import Bridge
from .calls import Calls
from .comm_widget import deliver
from .conversation import Conversation
from .endpoint import Key, Where, hidden, token_client
from .errors import VoiceError
from .headline import headline
from .link import Link
from .loop import submit
from .making import check_making
from .recorded import Recorded
from .run import File, speak_files
from .session import make_session, nameless
from .settings import Settings, Transport
from .shell import this_shell
from .starting import Starter
from .state import Turn
from .tools.registering import ToolUser
from .waiting import Asked, in_session, moment, ticked, while_running

if TYPE_CHECKING:
    from .allowance import Allowance

T = TypeVar("T")


class VoiceAgent(ToolUser, Recorded):
    """An agent to talk to, in a cell: show it and press Start, or `await agent.start()`; then read `turns`.

    Args:
        provider: who answers: `local` needs no key and no network, others are set up in the environment.
        endpoint: a token endpoint's address, or what `service.in_process` returned; by default the one in
            `GENMB_VOICE_ENDPOINT`, else one in this process.
        key: an app's key at that address; by default, at the environment's, `GENMB_VOICE_KEY`.
        transport: what carries a page's call: `webrtc`; `kernel`, when the sound goes through the kernel, for
            networks that let no UDP through; or `auto`, the second where the first does not get through.
        options: those of `Session`; each is an attribute too, and may be set also while a session runs.

    Raises:
        VoiceError: `bad_option`, naming what is supported; `unknown_provider`; `insecure_endpoint`.

    Attributes (traits to `observe`, in a thread of the package):
        status: idle, connecting, live, reconnecting, ended or failed.
        activity: hearing, speaking, thinking or listening while live, else None.
        turns: what was said, a tuple of `Turn` in the order of the conversation.
        errors: what went wrong, a tuple of `Problem` with code, say, fix and detail.
        usage: the tokens used so far, a `Usage`.
    """

    def __init__(
        self,
        *_: Never,
        provider: str = "local",
        endpoint: Where = None,
        key: Key = None,
        transport: Transport = "auto",
        **options: Any,
    ) -> None:
        # First, for a verbose traceback shows what these are then: a key, perhaps under a wrong name.
        key, options = hidden(key), nameless(options)
        check_making(_, provider, endpoint)
        self._settings = settings = Settings(provider, make_session(options, MAKING), transport)
        client, shell = token_client(endpoint, key), this_shell(deliver)
        self._muted = False
        self._conversation = Conversation(lambda log_id: self._link.do(lambda bridge: bridge.resync(log_id)))
        self._conversation.listen(lambda: self._publish(self._conversation.state))
        calls = Calls(client, settings, self._post, self._hear)
        bridge = Bridge(self._conversation, calls, self._post, settings)
        self._link = Link(bridge, shell, self._conversation, copy_context())
        self._starter = Starter(self._conversation, self._link, shell.has_pages, client, settings)
        super().__init__()

    def start(self, *, headless: bool | None = None, speed: float = 1.0) -> Asked:
        """Start a session; await the result to wait until it is live.

        Args:
            headless: hold it here, without a browser; by default as `GENMB_VOICE_HEADLESS` says.
            speed: how much faster than people talk the time of a headless session passes.

        Raises:
            NoFrontEnd: when no browser can show the agent or, when awaited, none does in time.
            VoiceError: `already_live`, `read_only`; when awaited, what the session failed of.
        """
        self._check_talks()
        live = self._starter.start(headless, speed, self._muted)
        return Asked("live", lambda: self._wait(live, None))

    def stop(self) -> Asked:
        """End the session; await the result to wait until it is over."""
        over = self._conversation.wait(lambda: not self._conversation.running)
        self._link.stop()
        return Asked("over", lambda: self._wait(over, None))

    def say(self, text: str) -> None:
        """Say something to the agent in writing, and have it answered; a reply that is under way is cut.

        While `reconnecting` it is kept for when the call is back. Raises `not_live`, `read_only`.
        """
        self._say(text)

    async def ask(self, text: str, timeout: float | None = 60.0) -> Turn:
        """Say something to the agent in writing and wait until its reply has been made and played.

        Args:
            text: the words.
            timeout: in seconds, None for no limit.

        Returns:
            The agent's first finished turn after it; it may have been interrupted.

        Raises:
            WaitTimeout: when there is none in time.
            VoiceError: at once when there will be none: `response_failed`, also of a reply that is cut
                before its first word; `provider_error` with the service's words when it refuses to reply;
                `not_live`, `message_too_long`, `wait_impossible`, or why the session ended before.
        """
        log_id = self._conversation.log_id
        self._check_live("reconnecting")
        self._link.check_wait()
        reply = in_session(self._conversation, log_id, self._say(text))
        return await self._wait(self._conversation.wait(reply), timeout)

    async def until(self, what: str | Callable[[Self], object], timeout: float | None = None) -> None:
        """Wait for a moment of the session.

        Args:
            what: a status, an activity, or a function of the agent, called on another thread.
            timeout: in seconds, None for no limit.

        Raises:
            WaitTimeout: when the time is over.
            VoiceError: `wait_impossible`, or why the running session ended before that moment.
        """
        holds = moment(self._conversation, what) if isinstance(what, str) else partial(what, self)
        await self._wait(self._conversation.wait(while_running(self._conversation, holds)), timeout)

    async def run(
        self, wavs: File | Iterable[File], *, speed: float = 1.0, timeout: float = 60.0
    ) -> tuple[Turn, ...]:
        """Talk to the agent without a browser: say each file as one turn, when the last reply was played.

        Args:
            wavs: one or more WAV files, 16-bit PCM of any rate.
            speed: as for `start`; a session that is live keeps its own.
            timeout: for each reply, in seconds.

        Returns:
            The turns that this added; a session that was not live before is ended.

        Raises:
            WaitTimeout: when a reply does not come, as when no speech is heard in a file.
            VoiceError: `bad_audio`, `response_failed` as of `ask`, or what the session failed of.
        """
        start = partial(self.start, headless=True, speed=speed)
        return await speak_files(wavs, self._conversation, self._link, start, self.stop, timeout)

    async def allowance(self) -> Allowance:
        """Ask the token endpoint what is left: its window's sessions and credits.

        Raises:
            VoiceError: `endpoint_unreachable`, `unauthorized`, `read_only`.
        """
        self._check_talks()
        return await ticked(submit(self._starter.client.allowance()), None)

    def mute(self, muted: bool = True) -> None:
        """Switch the microphone off, or on again; before a session, the one that comes."""
        self._muted = muted
        self._link.mute(muted)

    def interrupt(self) -> None:
        """Stop the agent's reply."""
        self._link.tell(lambda end: end.interrupt())

    def respond(self) -> None:
        """Have the agent answer what was said so far, or raise `not_live`; for `auto_respond=False`."""
        self._check_live()
        self._link.tell(lambda end: end.respond())

    def close(self) -> None:
        """End a running call, and the agent."""
        if self.comm is not None and not sys.is_finalizing():
            self._link.close()
        super().close()

    def __repr__(self) -> str:
        return headline(self._conversation.state, self._settings.provider)

    def _say(self, text: str) -> Callable[[], Turn | None]:
        from .asking import Question  # few sessions are written to, and an agent is made sooner without

        self._check_live("reconnecting")
        question = Question(self._conversation)
        self._link.tell(lambda end: end.say(text, question.item_id))
        return question

    def _check_live(self, *or_else: str) -> None:
        self._check_talks()
        if self.status not in ("live", *or_else):
            raise VoiceError("not_live")

    async def _wait(self, future: Future[T], limit: float | None) -> T:
        def check() -> None:
            if not future.done():
                self._check_talks()
                self._link.check_wait()

        return await ticked(future, limit, partial(self._conversation.settled, check))
