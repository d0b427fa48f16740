"""What a realtime service must be able to do for the endpoint, whoever it is.

A provider refuses by raising `Refusal` with a code of the catalogue and words of ours; it never passes on
what its service wrote. It knows nothing of plans, credits or limits.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from genmb_voice_widget.protocol import Dialect
from genmb_voice_widget.secret import Secret

Wire = Mapping[str, Any]
"""A GA session object (OpenAI Realtime API reference, `session`): `type`, `model`, `audio`, `tools` …; for a
service of the dialect "beta" a flat one (Azure Voice Live API reference)."""


@dataclass(frozen=True)
class Answer:
    """The service answered an offer: the call exists and waits for the caller's media.

    Attributes:
        filtered: whether the caller's own channel carries only some of the call's events.
        observable: whether the service shows the call to a server.
        update: what the caller must tell the service first, as a `session.update`'s `session`, if anything.
        held: whether nobody but the one that has it can end the call.
        transcription: the model that transcribes where a session names none, if the provider says which.
    """

    dialect: Dialect
    model: str | None
    voice: str | None
    call_id: str
    sdp: str
    filtered: bool = False
    observable: bool = True
    update: Wire | None = None
    held: bool = False
    transcription: str | None = None


@dataclass(frozen=True)
class Ticket:
    """The service will let one caller in at `url` with `token`.

    Attributes:
        expires_at: until when, in unix seconds; None: as long as it likes.
        update: as an `Answer`'s.
        transcription: as an `Answer`'s.
        written: writes down what a later `session.update` says of a session, as the service takes it.
        header: the header field that takes the token; in `Authorization` it is a bearer's.
    """

    dialect: Dialect
    model: str | None
    voice: str | None
    url: str
    token: Secret
    expires_at: float | None
    update: Wire | None = None
    written: Callable[[Wire], Wire] = dict
    transcription: str | None = None
    header: Literal["Authorization", "api-key"] = "Authorization"


class Observed(Protocol):
    """A call as its service shows it to a server: every event but sound, from the attaching on."""

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """Yield the service's events, each as JSON, until the call is over.

        Raises:
            Refusal: `provider_unreachable`, when the connection broke before.
        """
        ...

    async def send(self, text: str) -> None:
        """Send a client event, as JSON.

        Raises:
            Refusal: `provider_unreachable`, when there is no connection any more.
        """
        ...


class Provider(Protocol):
    """One realtime service. Each call may take as long as it likes: the endpoint sets the time limits."""

    async def answer(self, session: Wire, sdp: str) -> Answer:
        """Give the service an SDP offer and bring back its answer.

        Raises:
            Refusal: `provider_refused`, `provider_unreachable`, `service_unavailable` or a code of its own.
        """
        ...

    async def mint(self, session: Wire) -> Ticket:
        """Have a short-lived secret made that opens one WebSocket session.

        Raises:
            Refusal: as for `answer`.
        """
        ...

    async def proven(self, call_id: str) -> bool:
        """Wait until the service has shown that the caller's side of the call stands.

        Returns:
            False when it cannot show that, or the call was over before.

        Raises:
            Refusal: the service could not be asked.
        """
        ...

    def observe(self, call_id: str) -> AbstractAsyncContextManager[Observed]:
        """Observe a call; entering attaches, and may wait.

        Raises:
            Refusal: when entered: `session_over` for a call that is not there, or as for `answer`.
        """
        ...

    async def hang_up(self, call_id: str) -> None:
        """End a call; one that is already over is no error.

        Raises:
            Refusal: the service did not confirm.
        """
        ...

    async def ready(self) -> None:
        """Do ahead what the first session would have to wait for.

        Raises:
            Refusal: a session could not be started now.
        """
        ...

    async def close(self) -> None:
        """Free what the provider holds."""
        ...
