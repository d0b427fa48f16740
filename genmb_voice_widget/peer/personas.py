"""The services that the peer stands in for, as values: which one a client talks to is said by the path.

Owns what tells them apart before a session begins, and which quirks its events have. Sources: `recorded`,
traffic of the real services of July 2026; `documented`, the vendor's pages; `reported`, by users of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .protocol import Protocol
from .protocol.quirks import Quirks
from .shapes import Json
from .stages import Transport
from .wire_error import WireError

Place = Literal["api-key header", "api-key query", "authorization query"]
ErrorBody = Callable[[WireError, int], Json]


def plain_body(error: WireError, status: int) -> Json:
    """Return the error body of the OpenAI API."""
    return error.body()


def gateway_body(error: WireError, status: int) -> Json:
    """Return Azure's error body: its gateway turns wrong credentials away before the service is asked."""
    if status != 401:
        return error.body()
    return {"error": {"code": str(status), "message": error.message}}


@dataclass(frozen=True, slots=True)
class Persona:
    """One service of the GA wire.

    Args:
        path: where it is served.
        secret_life: seconds that an ephemeral secret lives when its maker does not say.
        key_places: where its key may stand, besides `Authorization` and a WebSocket's subprotocol.
        error_body: makes the body of a refusal.
        offers_by: what may open a call: only an ephemeral secret, with the bare SDP, or the key as well, and
            then with the session in a form.
        call_kind: what the ids of calls begin with.
        filters: whether `webrtcfilter=on` keeps most events from the page.
        quirks: in what its events differ.
    """

    path: str
    secret_life: int
    key_places: frozenset[Place]
    error_body: ErrorBody
    offers_by: Literal["secret", "secret or key"]
    call_kind: str
    filters: bool
    quirks: Quirks

    def protocol(
        self,
        session: Json,
        transport: Transport,
        new_id: Callable[[str], str],
        pad: Callable[[str], str],
    ) -> Protocol:
        """Return the machine of a new session."""
        return Protocol(session, transport, new_id, pad, self.quirks)


OPENAI = Persona(
    path="/v1",
    secret_life=600,
    key_places=frozenset(),
    error_body=plain_body,
    offers_by="secret or key",
    call_kind="rtc_u2",
    filters=False,
    quirks=Quirks(),
)
"""OpenAI. Documented: a secret's 600 s (10 to 7200 on demand), the form with the key. Recorded: ids of calls
begin with `rtc_u2_`, `rate_limits.updated` comes after `response.done`."""

AZURE = Persona(
    path="/openai/v1",
    secret_life=7200,
    key_places=frozenset({"api-key header", "api-key query"}),
    error_body=gateway_body,
    offers_by="secret",
    call_kind="rtc",
    filters=True,
    quirks=Quirks(part_twice=True, tells_limits=False, without=frozenset({"tracing"})),
)
"""Azure OpenAI. Recorded: a secret's 7200 s, `Location` without `/openai`, ids of calls as `rtc_` and 32 hex
digits, parts given twice, no `rate_limits.updated`. Documented: `api-key` in a header, for a WebSocket in the
query, and the filter. Reported: calls refuse the key and want the bare SDP (pydantic-ai#6676), the
gateway's error body, `tracing` is an unknown parameter (livekit/agents#2650)."""
