"""How a session on a line is asked for: with the service's secret or, where none is given away, by a relay.

An endpoint keeps the service's secrets from most of its callers; its own socket it gives to all, and that
speaks to the service for them. It must not know what the line is for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .client import Ticket, TokenClient
from .errors import VoiceError
from .event_socket import EventSocket, over_websocket
from .reading import name, record
from .wire_socket import open_socket

ADDRESS = "kernel:"
"""What a page's ticket has in the place of a socket's address: the line is a message away."""


@dataclass(frozen=True)
class LineTicket:
    """A session that has been opened: its id, what its page is told, and the way to its socket.

    `transcription` is the model that writes down what is said, where the endpoint has chosen it.
    """

    id: str
    told: dict[str, Any]
    socket: AbstractAsyncContextManager[EventSocket]
    transcription: str | None


async def line_ticket(
    client: TokenClient, provider: str, wire: Mapping[str, Any], key: str | None
) -> LineTicket:
    """Open a session that a WebSocket will carry; `key` and the errors are those of `TokenClient.open`."""
    relayed = False
    try:
        ticket = await client.ticket(provider, wire, key)
    except VoiceError as refusal:
        relayed = refusal.code == "secret_refused"
        if not relayed:
            raise
    if relayed:
        return await _relayed(client, provider, wire, key)
    told = {
        "provider": ticket.provider,
        "model": ticket.model,
        "voice": ticket.voice,
        "update": ticket.update,
    }
    return LineTicket(ticket.id, _for_page(ticket.id, told), _straight(ticket), ticket.transcription)


async def _relayed(
    client: TokenClient, provider: str, wire: Mapping[str, Any], key: str | None
) -> LineTicket:
    answer = await client.relay(provider, wire, key)
    where, session = urlsplit(str(answer.get("url"))), str(answer.get("id"))
    chosen = name(answer.get("transcription"))
    named = {member: answer.get(member) for member in ("provider", "model", "voice")}
    told = _for_page(session, {**named, "update": untold(wire, chosen)})
    return LineTicket(session, told, client.socket(f"{where.path}?{where.query}"), chosen)


def untold(wire: Mapping[str, Any], transcription: str | None) -> dict[str, Any]:
    """Give what a relay's address does not say of a session: all but model and voice, which cannot change.

    What the endpoint has chosen to write down what is said, `transcription`, is named.
    OpenAI Realtime API reference, session.update.
    """
    session = _without("model", wire)
    if "audio" not in session:
        return session
    audio = record(session["audio"])
    heard, output = record(audio.get("input")), _without("voice", record(audio.get("output")))
    if heard.get("transcription") == {}:
        heard = {**heard, "transcription": transcription and {"model": transcription}}
    return {**session, "audio": {**audio, "input": heard, "output": output}}


def _without(member: str, members: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in members.items() if key != member}


def _for_page(session: str, told: Mapping[str, Any]) -> dict[str, Any]:
    known = {key: value for key, value in told.items() if value is not None}
    return {"id": session, "transport": "websocket", "url": ADDRESS, **known}


@asynccontextmanager
async def _straight(ticket: Ticket) -> AsyncIterator[EventSocket]:
    async with open_socket(ticket) as socket:
        yield over_websocket(socket)
