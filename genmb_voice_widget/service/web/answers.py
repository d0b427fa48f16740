"""The shapes of the answers, for the description of the endpoint: the routes build them, and tests compare.

They hold no secret and no value that a client sent; the examples are invented.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from genmb_voice_widget.service.ledger.phases import Money

_ID = "vs_7d0f4c1ab2e94d53a8c6f1e20b9d3c44"


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Charge(_Answer):
    """What a session costs its app's owner, and what has become of it."""

    credits: int
    state: Money


class State(_Answer):
    """How a session stands."""

    id: str = Field(examples=[_ID])
    state: Money


class _Ticket(_Answer):
    id: str = Field(examples=[_ID])
    provider: str = Field(examples=["local"])
    dialect: Literal["ga", "beta"]
    model: str | None
    voice: str | None
    charge: Charge
    transcription: str | None = Field(
        description="The model that transcribes where a session names none: a change of its transcription in "
        "a `session.update` must name one. `null` where the voice service is left to choose."
    )
    update: dict[str, Any] | None = Field(
        default=None,
        description="The `session` of a `session.update` that the caller must send first.",
    )


class CallTicket(_Ticket):
    """The answer to an offer: the call exists and waits for the caller's media."""

    transport: Literal["webrtc"]
    call_id: str = Field(examples=["rtc_u1_9c3f"])
    sideband: bool = Field(
        description="Whether the caller may observe the call: a WebSocket at `/v1/sessions/{id}/events`, for "
        "servers alone, carries the service's events and takes client events."
    )
    filtered: bool = Field(description="Whether the page's own channel carries only some of the events.")
    sdp: str = Field(examples=["v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nt=0 0\r\n"])


class SocketTicket(_Ticket):
    """Where to open a WebSocket, and the short-lived secret that opens it."""

    transport: Literal["websocket"]
    url: str = Field(examples=["wss://service.example/v1/realtime?model=local"])
    token: str = Field(examples=["ek_…"])
    expires_at: float | None
    header: Literal["Authorization", "api-key"] = Field(
        description="The header field that takes the token; in `Authorization` it is a bearer's."
    )


class RelayTicket(_Ticket):
    """Where to open a WebSocket of this endpoint, once and soon: the address holds what lets it open."""

    transport: Literal["relay"]
    url: str = Field(examples=["wss://voice.example/api/voice-agent/vs_7d0f?ticket=…"])


class Status(State):
    """A session as its app sees it."""

    provider: str
    transport: Literal["webrtc", "websocket"]
    call_id: str | None
    over: bool
    charge: Charge


class Slots(_Answer):
    """The window: how many sessions may start in a stretch of so many seconds, and how many are left now."""

    limit: int
    seconds: float
    remaining: int
    reset: int = Field(description="Seconds until one more slot is free; 0 when none is in use.")


class Allowance(_Answer):
    """What the caller's app has left; `null` is without a limit. The owner's balance is no page's to see."""

    plan: str = Field(examples=["pro"])
    voice: bool
    credits: int | None = Field(default=None, description="Left out where a page asks, or may have asked.")
    credits_per_session: int
    enough_credits: bool = Field(description="Whether the credits are enough for one more session.")
    sessions: Slots | None


class AppToken(_Answer):
    """A signed token: `Authorization: Bearer` with it asks for the app until `expires_at` (unix seconds)."""

    token: str = Field(examples=["gvt_…"])
    expires_at: int


class Health(_Answer):
    """A word on how the process is."""

    status: Literal["ok", "ready"]
    away: list[Literal["window", "ledger", "providers"]] = Field(
        default=[], description="What a ready node can do nothing without, and does not reach just now."
    )


class Problem(_Answer):
    """RFC 9457 problem details; `code` is stable, `title` and `fix` are for people."""

    type: str = Field(examples=["urn:genmb-voice:problem:rate_limited"])
    title: str
    status: int
    code: str
    detail: str
    fix: str
    retryable: bool
    retry_after: int | None = Field(default=None, ge=1, description="Seconds, where waiting helps.")
