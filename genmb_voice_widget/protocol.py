"""The words on the wire: the envelope, canonical event names, audio kept out of the log, the error catalogue.

The data is in protocol.json, which both languages read; it is loaded at the first use. This module must not
know what an event does to the state, nor how events travel. The twin is js/src/protocol.ts.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from operator import is_
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

from .reading import count, elements, name, record, text

Direction = Literal["in", "out", "own"]
"""``in`` from the provider, ``out`` sent by us, ``own`` our lifecycle."""
SessionStatus = Literal["idle", "connecting", "live", "reconnecting", "ended", "failed"]
"""Where the session is; ``Protocol.status`` says which may follow which."""
Dialect = Literal["ga", "beta"]
"""Which words a service uses: those of the GA realtime API, or the beta's, which Azure Voice Live kept."""
Event = dict[str, Any]
"""A realtime event as JSON: a string ``type`` and the members that the type has."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the error catalogue; ``status`` is the HTTP status of what the endpoint answers with."""

    say: str
    fix: str
    retryable: bool
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Protocol:
    """What protocol.json holds; `deaf` are the dialects whose services do not read a call's data channel."""

    aliases: Mapping[str, str]
    providers: Mapping[str, Dialect]
    deaf: frozenset[str]
    status: Mapping[str, frozenset[str]]
    benign_errors: frozenset[str]
    urgent: frozenset[str]
    errors: Mapping[str, Entry]


@cache
def load() -> Protocol:
    """Read protocol.json, once."""
    data = json.loads(Path(__file__).with_name("protocol.json").read_text(encoding="utf-8"))
    return Protocol(
        aliases=data["aliases"],
        providers=data["providers"],
        deaf=frozenset(dialect for dialect, call in data["calls"].items() if call["deaf"]),
        status={status: frozenset(following) for status, following in data["status"].items()},
        benign_errors=frozenset(data["benign_errors"]),
        urgent=frozenset(data["urgent"]),
        errors={code: Entry(**entry) for code, entry in data["errors"].items()},
    )


@dataclass(frozen=True, slots=True)
class Envelope:
    """One line of a session's log.

    ``seq`` counts from 1 in each log without holes; ``t`` is whole milliseconds since the log began.
    """

    seq: int
    t: int
    dir: Direction
    event: Event

    def to_json(self) -> dict[str, Any]:
        """Give ``{"seq", "t", "dir", "event"}``."""
        return {"seq": self.seq, "t": self.t, "dir": self.dir, "event": self.event}

    @classmethod
    def from_json(cls, data: object) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: it is not an envelope; the message names the member.
        """
        members = record(data)
        seq, t, direction = count(members.get("seq")), count(members.get("t")), text(members.get("dir"))
        event = record(members.get("event"))
        if not seq:
            raise ValueError("not an envelope: seq must be an integer from 1")
        if t is None:
            raise ValueError("not an envelope: t must be whole milliseconds")
        if direction not in get_args(Direction):
            raise ValueError('not an envelope: dir must be "in", "out" or "own"')
        if name(event.get("type")) is None:
            raise ValueError("not an envelope: event must be an object with a type")
        return cls(seq, t, cast(Direction, direction), event)


def dialect_of(provider: str) -> Dialect:
    """Tell a provider's dialect; one that the endpoint's owner has named speaks GA, as most services do."""
    return load().providers.get(provider, "ga")


def providers_of(dialect: Dialect) -> tuple[str, ...]:
    """List the known providers that speak a dialect."""
    return tuple(name for name, spoken in load().providers.items() if spoken == dialect)


def canonical(event: Event) -> Event:
    """Give the event under its GA name; the same object when it already has it.

    The names never clash between GA, the beta and Azure Voice Live (which kept the beta's), so one flat table
    serves all (OpenAI Realtime API, beta to GA migration; Azure Voice Live API reference, events).
    """
    known = load().aliases.get(name(event.get("type")) or "")
    return event if known is None else {**event, "type": known}


def strip_audio(event: Event) -> Event:
    """Give the event with every piece of audio replaced by its size; the same object when it holds none.

    ``delta`` becomes ``delta_bytes`` in response.output_audio.delta, and ``audio`` becomes ``audio_bytes`` in
    input_audio_buffer.append and in the content of items and parts: decoded bytes, not characters.
    """
    kind = canonical(event).get("type")
    if kind == "response.output_audio.delta":
        return _sized(event, "delta")
    if kind == "input_audio_buffer.append":
        return _sized(event, "audio")
    stripped = {
        "part": _strip_part(event.get("part")),
        "content": _strip_part(event.get("content")),
        "item": _strip_item(event.get("item")),
        "response": _strip_elements(event.get("response"), "output", _strip_item),
    }
    changes = {member: value for member, value in stripped.items() if value is not event.get(member)}
    return {**event, **changes} if changes else event


def _strip_item(item: Any) -> Any:
    return _strip_elements(item, "content", _strip_part)


def _strip_part(part: Any) -> Any:
    return _sized(part, "audio") if isinstance(part, dict) else part


def _strip_elements(holder: Any, member: str, strip: Callable[[Any], Any]) -> Any:
    before = elements(record(holder).get(member))
    after = [strip(element) for element in before]
    return holder if all(map(is_, before, after)) else {**holder, member: after}


def _sized(members: dict[str, Any], member: str) -> dict[str, Any]:
    encoded = text(members.get(member))
    if encoded is None:
        return members
    size = len(encoded.rstrip("=")) * 3 // 4
    return {key: value for key, value in members.items() if key != member} | {f"{member}_bytes": size}


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that went wrong: what it is, what to do, and whether trying again can help.

    ``item_id`` is the item of the conversation that it kept out or spoilt, None where it is not about one.
    """

    code: str
    say: str
    fix: str
    retryable: bool
    detail: str | None = None
    item_id: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give ``{"code", "say", "fix", "retryable", "detail"}``, and ``"item_id"`` where there is one."""
        about = {} if self.item_id is None else {"item_id": self.item_id}
        return {
            "code": self.code,
            "say": self.say,
            "fix": self.fix,
            "retryable": self.retryable,
            "detail": self.detail,
            **about,
        }


def problem(code: str, detail: str | None = None, item_id: str | None = None) -> Problem:
    """Look a code up in the catalogue; an unknown one is ``internal`` and stands in the detail."""
    entry = load().errors.get(code)
    if entry is None:
        return problem("internal", f"{code}: {detail}" if detail else code, item_id)
    return Problem(code, entry.say, entry.fix, entry.retryable, detail, item_id)


def readable(events: Iterable[object]) -> list[Envelope]:
    """Read envelopes; a broken one is left out, which makes a gap, which the sender's snapshot fills."""
    envelopes = []
    for event in events:
        with suppress(ValueError):
            envelopes.append(Envelope.from_json(event))
    return envelopes
