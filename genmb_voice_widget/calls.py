"""A page's calls to the token endpoint, made by the kernel: no address, key or secret reaches the page.

Owns the replies, who of the pages is told what is left, and which session is open, so that it can be ended
when its page cannot. Lives in the package's event loop. It must not know which page leads.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .client import TokenClient
from .errors import Refused, VoiceError
from .line import Line
from .line_outbox import Post
from .line_ticket import line_ticket
from .protocol import Event, load
from .reading import name
from .settings import Settings
from .sideband import Sideband

if TYPE_CHECKING:
    from .allowance import Allowance

log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Opening:
    """A call of `open` on its way; `given_up` says why nobody waits for its session any more."""

    page: str
    log_id: str
    key: str | None = None
    given_up: str | None = None


_ALONE = (
    "This voice service takes events from servers alone, and the endpoint lets only those speak to it "
    "who show an app's key."
)
_FOR_PAGES = (
    "id",
    "provider",
    "dialect",
    "transport",
    "model",
    "voice",
    "call_id",
    "sdp",
    "expires_at",
    "charge",
    "update",
)


class Calls:
    """Answers `open`, `reopen`, `connected`, `send` and `ended`.

    Args:
        client: the endpoint.
        settings: what calls are opened with; the page has no say in it.
        send: takes a message for the pages.
        hear: takes what the endpoint tells of a session beside its page: the log's id, an event.

    Attributes:
        line: carries the call whose sound goes through the kernel.
    """

    def __init__(
        self,
        client: TokenClient,
        settings: Settings,
        send: Post,
        hear: Callable[[str, Event], None],
    ) -> None:
        self._client = client
        self._settings = settings
        self._send = send
        self._sideband = Sideband(client, hear, send)
        self.line = Line(hear, send)
        self._open: str | None = None
        self._openings: set[_Opening] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pages: set[str] = set()
        self._warm = False

    def take(
        self, page: str, number: str, method: str, params: Mapping[Any, Any], refusal: str | None
    ) -> None:
        """Make one call and send its `reply`.

        Args:
            page: the client that calls.
            number: the call's id, to be repeated in the reply.
            method: `open`, `reopen`, `connected`, `send` or `ended`.
            params: the method's.
            refusal: the code that says why this page may not open a session, None when it may.
        """
        match method, params:
            case (("open" | "reopen"), _) if refusal is not None:
                answer = _refuse(refusal)
            case "open", {"sdp": str(sdp)}:
                for before in self._openings:  # its page has stopped it, or it is gone: one call at a time
                    before.given_up = before.given_up or "stopped"
                opening = _Opening(page, str(params.get("log", "")), name(params.get("key")))
                wire = self._settings.begin()
                self._openings.add(opening)
                answer = self._open_session(opening, wire, sdp) if sdp else self._open_line(opening, wire)
            case "reopen", {"session": str(session), "sdp": str(sdp)} if session == self._open:
                opening = _Opening(page, str(params.get("log", "")))
                answer = self._reopen_session(opening, session, self._settings.begin(), sdp)
            case "reopen", {"session": str()}:
                answer = _refuse("session_over")
            case "connected", {"session": str(session)}:
                call_id = params.get("call_id")
                answer = self._client.connected(session, call_id if isinstance(call_id, str) else None)
            case "send", {"session": str(session), "event": {"type": str()}}:
                answer = self._tell_service(session, params["event"])
            case "ended", {"session": str(session)}:
                if page not in self._pages:  # it is there, though it was taken for gone
                    self.greet(page)
                answer = self._end_session(session, str(params.get("reason", "ended")))
            case _:
                answer = _refuse("bad_request")
        self._spawn(self._reply(page, number, answer))

    def greet(self, page: str) -> None:
        """Note a page that will call soon: have the endpoint ready, once, and tell the page what is left."""
        if not self._warm:
            self._warm = True
            self._spawn(_quietly(self._client.warm(self._settings.provider)))
        if self._client.metered:
            self._pages.add(page)
            self._client.watch.join(self)

    def show(self, left: Allowance) -> None:
        """Tell the pages what is left."""
        for page in self._pages:
            self._send({"op": "allowance", "client": page, "allowance": left.to_json()})

    def abandon(self, reason: str) -> None:
        """End the open session, if any: its page cannot do it any more."""
        if self._open is not None:
            self._spawn(_quietly(self._end_session(self._open, reason)))

    def leave(self, page: str, reason: str) -> None:
        """End the sessions that a page has asked for and will not be there to get."""
        self._pages.discard(page)
        if not self._pages:
            self._client.watch.leave(self)
        for opening in self._openings:
            if opening.page == page:
                opening.given_up = reason

    async def _open_session(self, opening: _Opening, wire: Mapping[str, Any], sdp: str) -> dict[str, Any]:
        try:
            answer = await self._client.open(self._settings.provider, wire, sdp, opening.key)
        finally:
            self._openings.discard(opening)
        session = str(answer.get("id"))
        if opening.given_up is not None:
            await self._client.ended(session, opening.given_up)
            raise VoiceError("session_over")
        self._open = session
        if answer.get("dialect") in load().deaf and answer.get("sideband") is not True:
            await self._end_session(session, "not_observed")
            raise VoiceError("unauthorized", _ALONE)
        return self._begin(opening, answer)

    async def _open_line(self, opening: _Opening, wire: Mapping[str, Any]) -> dict[str, Any]:
        try:
            ticket = await line_ticket(self._client, self._settings.provider, wire, opening.key)
            if opening.given_up is None:
                self._settings.opened(ticket.transcription)
                self._open = ticket.id
                try:
                    await self.line.open(ticket.socket, opening.log_id, opening.page)
                except VoiceError as error:
                    await self._end_session(ticket.id, error.code)
                    raise
        finally:
            self._openings.discard(opening)
        if opening.given_up is not None:
            await self._end_session(ticket.id, opening.given_up)
            raise VoiceError("session_over")
        return ticket.told

    async def _reopen_session(
        self, opening: _Opening, session: str, wire: dict[str, Any], sdp: str
    ) -> dict[str, Any]:
        answer = await self._client.reopen(session, wire, sdp)
        if session != self._open:  # its end overtook the offer, which has let it begin again
            await self._client.ended(session, "ended")
            raise VoiceError("session_over")
        return self._begin(opening, answer)

    def _begin(self, opening: _Opening, answer: Mapping[str, Any]) -> dict[str, Any]:
        self._settings.opened(name(answer.get("transcription")))
        if answer.get("sideband") is True:
            page = opening.page if answer.get("filtered") is True else None
            self._sideband.begin(str(answer.get("id")), opening.log_id, page)
        return {member: answer[member] for member in _FOR_PAGES if member in answer}

    async def _tell_service(self, session: str, event: Event) -> dict[str, Any]:
        self._sideband.say(session, event)
        return {}

    async def _end_session(self, session: str, reason: str) -> dict[str, Any]:
        if session == self._open:
            self._open = None
            self._sideband.end()
            self.line.end()
        return await self._client.ended(session, reason)

    async def _reply(self, page: str, number: str, answer: Coroutine[Any, Any, dict[str, Any]]) -> None:
        reply: dict[str, Any] = {"op": "reply", "client": page, "id": number}
        try:
            reply["result"] = await answer
        except Refused as refused:
            reply["problem"] = refused.problem.to_json() | {"retry_after": refused.retry_after}
        except VoiceError as error:
            reply["problem"] = error.problem.to_json()
        except Exception:
            log.exception("a call to the token endpoint failed")
            reply["problem"] = VoiceError("internal").problem.to_json()
        self._send(reply)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _refuse(code: str) -> dict[str, Any]:
    raise VoiceError(code)


async def _quietly(work: Coroutine[Any, Any, object]) -> None:
    """Let work fail without anybody hearing of it: whoever needs its result will ask for it again."""
    try:
        await work
    except Exception as error:
        why = error if isinstance(error, VoiceError) else "see the next call"
        log.info("%s: %s", type(error).__name__, why)
