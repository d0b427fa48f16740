"""The calls to the token endpoint, over one kept connection: (re)open, connected, ended; and what is left.

Owns the HTTP and the translation of problems into errors; no secret leaves it unmasked. It must not know what
the calls are for, nor which endpoint it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .allowance_watch import AllowanceWatch
from .errors import Refused, VoiceError
from .protocol import load
from .secret import Secret

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    import httpx

    from .allowance import Allowance
    from .event_socket import Dial, EventSocket


_WHO_MAY = (
    "A session without a browser needs one; whoever runs the endpoint can allow them to those who show an "
    "app's key, with hand_out_secrets = true."
)


@dataclass(frozen=True)
class Ticket:
    """Where and with what to open a WebSocket session, and what the endpoint said about it.

    `update` is what must be told first, the `session` of a `session.update`, if anything. `lasting`: the
    token does not expire, as a server's own key does not. `transcription` is the model that transcribes where
    the session names none. `header`: the field that takes the token.
    """

    id: str
    provider: str
    model: str | None
    voice: str | None
    url: str
    token: Secret
    update: dict[str, Any] | None
    lasting: bool = False
    transcription: str | None = None
    header: str = "Authorization"


class TokenClient:
    """Talks to one token endpoint, in the package's event loop.

    Args:
        connect: makes the HTTP client, in a worker thread, at the first use: its imports are heavy.
        metered: whether there may be a limit, so that what is left is worth asking for unasked.
        dial: opens the socket of a session's events; None where there is none.

    Attributes:
        watch: tells what is left to those who show it.
    """

    def __init__(
        self, connect: Callable[[], httpx.AsyncClient], metered: bool = False, dial: Dial | None = None
    ) -> None:
        self.metered = metered
        self._dial = dial
        self.watch = AllowanceWatch(self.allowance)
        self._connect = connect
        self._connecting: asyncio.Task[httpx.AsyncClient] | None = None

    async def open(
        self, provider: str, session: Mapping[str, Any], sdp: str, key: str | None = None
    ) -> dict[str, Any]:
        """Have an SDP offer answered; with the same key it is one session and one charge, however often.

        Returns:
            The endpoint's answer: `id`, `sdp`, `call_id`, `provider`, `model` and more. It holds no secret.

        Raises:
            Refused: with the endpoint's code.
            VoiceError: `endpoint_unreachable`.
        """
        return _answered(await self._change("", {"provider": provider, "session": session, "sdp": sdp}, key))

    async def reopen(self, session: str, wire: Mapping[str, Any], sdp: str) -> dict[str, Any]:
        """Have an offer answered for a session whose call was lost, at no charge; else as `open`."""
        path = f"/{quote(session, safe='')}/offer"
        return _answered(await self._change(path, {"session": wire, "sdp": sdp}))

    async def ticket(self, provider: str, session: Mapping[str, Any], key: str | None = None) -> Ticket:
        """Have a secret made for a WebSocket session; `key` and the errors are those of `open`."""
        wanted = {"provider": provider, "session": session, "transport": "websocket"}
        try:
            answer = await self._change("", wanted, key)
        except Refused as refused:
            raise (
                VoiceError(refused.code, _WHO_MAY) if refused.code == "secret_refused" else refused
            ) from None
        try:
            return Ticket(
                id=str(answer["id"]),
                provider=str(answer["provider"]),
                model=answer.get("model"),
                voice=answer.get("voice"),
                url=str(answer["url"]),
                token=Secret(answer.pop("token")),
                update=answer.get("update"),
                lasting=answer.get("expires_at", 0) is None,
                transcription=answer.get("transcription"),
                header="api-key" if answer.get("header") == "api-key" else "Authorization",
            )
        except KeyError as missing:
            raise VoiceError("endpoint_unreachable", f"The endpoint's answer has no {missing}.") from None

    async def connected(self, session: str, call_id: str | None = None) -> dict[str, Any]:
        """Tell that the handshake succeeded: the moment a session is charged for. Idempotent."""
        return await self._change(f"/{quote(session, safe='')}/connected", {"call_id": call_id})

    async def ended(self, session: str, reason: str) -> dict[str, Any]:
        """Tell that the call is over: the endpoint hangs up. Idempotent."""
        return await self._change(f"/{quote(session, safe='')}/ended", {"reason": reason})

    def observe(self, session: str) -> AbstractAsyncContextManager[EventSocket]:
        """Open the socket that carries a session's events, beside its page; it needs a ticket's `sideband`.

        Raises:
            Refused: when entered, with the endpoint's code.
            VoiceError: `endpoint_unreachable`.
        """
        return self.socket(f"/v1/sessions/{quote(session, safe='')}/events")

    async def relay(
        self, provider: str, session: Mapping[str, Any], key: str | None = None
    ) -> dict[str, Any]:
        """Have a socket of the endpoint made that speaks to the service; `key` and errors as with `open`.

        Returns:
            The endpoint's answer: its `url`, good for one opening, says no more of the session than its model
            and its voice.
        """
        wanted = {"provider": provider, "session": session, "transport": "relay"}
        return await self._change("", wanted, key)

    def socket(self, path: str) -> AbstractAsyncContextManager[EventSocket]:
        """Open a socket at a path of the endpoint; the errors are those of `observe`."""
        if self._dial is None:
            raise VoiceError("endpoint_unreachable", "It has no sockets.")
        return self._dial(path)

    async def allowance(self) -> Allowance:
        """Ask what the caller has left; the errors are those of `open`."""
        from .allowance import read_allowance  # an agent is made sooner without

        return read_allowance(await self._call("GET", "/v1/allowance"))

    async def warm(self, provider: str) -> None:
        """Do the slow part of the provider's first call ahead of it, such as the start of a local peer."""
        await (await self._http()).get("/readyz", params={"provider": provider})

    async def _http(self) -> httpx.AsyncClient:
        failed = self._connecting is not None and self._connecting.done() and self._connecting.exception()
        if self._connecting is None or failed:
            self._connecting = asyncio.create_task(asyncio.to_thread(self._connect))
        return await asyncio.shield(self._connecting)

    async def _change(self, path: str, body: Mapping[str, Any], key: str | None = None) -> dict[str, Any]:
        """Take a step of a session, after which less may be left, or more."""
        try:
            return await self._call("POST", f"/v1/sessions{path}", body, key)
        finally:
            self.watch.look()

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, key: str | None = None
    ) -> dict[str, Any]:
        http = await self._http()
        import httpx

        try:
            headers = {} if key is None else {"Idempotency-Key": key}
            response = await http.request(method, path, json=body, headers=headers)
        except httpx.TimeoutException:
            raise VoiceError("endpoint_unreachable", "Nothing came in time.") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:  # the last: a name that is none
            raise VoiceError("endpoint_unreachable", f"{type(error).__name__}.") from None
        if response.is_success:
            return _json_object(response.content)
        raise refusal(response.status_code, response.content)


def _answered(ticket: dict[str, Any]) -> dict[str, Any]:
    if isinstance(ticket.get("id"), str) and isinstance(ticket.get("sdp"), str):
        return ticket
    raise VoiceError("endpoint_unreachable", "Something answers there, but it gives no session.")


def refusal(status: int, body: bytes) -> VoiceError:
    """Read an answer that is no success: `Refused`, or `endpoint_unreachable` where it is no endpoint's."""
    answer = _json_object(body)
    code, detail = answer.get("code"), answer.get("detail")
    if not isinstance(code, str) or code not in load().errors:
        return VoiceError("endpoint_unreachable", f"The endpoint answered with status {status}.")
    retry_after = answer.get("retry_after")
    return Refused(
        code,
        detail if isinstance(detail, str) else None,
        retry_after if isinstance(retry_after, int | float) else None,
    )


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
