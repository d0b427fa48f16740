"""One turn of the conversation, and the ways in which it grows.

Turns are values: every function here gives a new turn and leaves the old one alone, and gives the same one
when nothing changes. This module must not know events or the order of turns. The twin is js/src/fold/turn.ts.
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast, get_args

from genmb_voice_widget.reading import LARGEST, count, elements, name, record, text, well_formed

Role = Literal["user", "assistant", "system", "tool"]
"""Who speaks; ``tool`` is a function call and its output."""
TurnStatus = Literal["in_progress", "completed", "interrupted", "failed"]
"""How far a turn has come. They only ever rise in this order, so reports may arrive in any order."""

STATUSES: tuple[TurnStatus, ...] = get_args(TurnStatus)
BYTES_PER_MS = 48
"""PCM of 16 bits, one channel, 24 kHz (OpenAI Realtime API reference, audio formats)."""
MS_PER_WORD = 400
"""How long a spoken word takes where the length of its audio is not known."""


@dataclass(frozen=True, slots=True)
class Part:
    """What the content at one ``content_index`` says; a closed part takes no more deltas.

    ``half`` is the code of the first half of a surrogate pair in which the last delta ended, else 0: the
    second half may come with the next one.
    """

    index: int
    text: str
    closed: bool
    half: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model called.

    ``arguments`` is the JSON text as received and is whole once the turn is completed; until then ``half`` is
    for it what it is for a part. ``output`` is None until known.
    """

    call_id: str | None
    name: str | None
    arguments: str
    output: str | None
    half: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class Turn:
    """What one item of the conversation said or did.

    ``text`` is the parts' text joined by spaces, without the space that some transcribers begin with.
    ``heard`` is the part of it that had been played when the turn was cut at ``audio_end_ms``. A turn that
    ``needs_text`` is shown only once there is something to show: an empty reply, or a user who was only asked
    whether they are still there.
    """

    id: str
    role: Role
    text: str = ""
    status: TurnStatus = "in_progress"
    heard: str | None = None
    call: ToolCall | None = None
    response_id: str | None = None
    parts: tuple[Part, ...] = ()
    audio_bytes: int = 0
    audio_end_ms: int | None = None
    needs_text: bool = False

    def __repr__(self) -> str:
        """Say who said what; without ids, so that it is the same in every run."""
        who = self.role if self.status == "completed" else f"{self.role}, {self.status.replace('_', ' ')}"
        if self.call is None:
            return f"Turn({who}: {self.text!r})"
        return f"Turn({who}: {self.call.name}({self.call.arguments.strip()}) → {self.call.output!r})"

    @property
    def shown(self) -> bool:
        """Whether this is one of the turns of the conversation."""
        return not self.needs_text or self.text != "" or self.audio_bytes > 0

    def to_json(self) -> dict[str, Any]:
        """Give every field under its own name."""
        return {
            "id": self.id,
            "role": self.role,
            "text": self.text,
            "status": self.status,
            "heard": self.heard,
            "call": self.call and asdict(self.call),
            "response_id": self.response_id,
            "parts": [asdict(part) for part in self.parts],
            "audio_bytes": self.audio_bytes,
            "audio_end_ms": self.audio_end_ms,
            "needs_text": self.needs_text,
        }


def turn_from_json(data: object) -> Turn:
    """Read what ``Turn.to_json`` wrote; ``text`` and ``heard`` are found again from the parts.

    Raises:
        ValueError: it is not a turn.
    """
    members = record(data)
    item, role, status = name(members.get("id")), members.get("role"), members.get("status")
    if item is None or role not in get_args(Role) or status not in STATUSES:
        raise ValueError("not a turn")
    call = None
    if members.get("call") is not None:
        call = ToolCall(
            call_id=name(record(members["call"]).get("call_id")),
            name=name(record(members["call"]).get("name")),
            arguments=text(record(members["call"]).get("arguments")) or "",
            output=text(record(members["call"]).get("output")),
            half=_first_half(record(members["call"]).get("half")),
        )
    turn = Turn(
        id=item,
        role=cast(Role, role),
        status=cast(TurnStatus, status),
        call=call,
        response_id=name(members.get("response_id")),
        audio_bytes=count(members.get("audio_bytes")) or 0,
        audio_end_ms=count(members.get("audio_end_ms")),
        needs_text=members.get("needs_text") is True,
    )
    for part in map(record, elements(members.get("parts"))):
        index = count(part.get("index"))
        if index is not None:
            words, half = text(part.get("text")) or "", _first_half(part.get("half"))
            turn = _put(turn, Part(index, words, part.get("closed") is True, half))
    return _heard(turn)


def appended(turn: Turn, index: int, delta: str) -> Turn:
    """Add a delta to an open part; it may begin or end in the middle of a surrogate pair."""
    part = _part(turn, index)
    if part.closed or not delta:
        return turn
    words, half = _joined(part.half, delta)
    return _put(turn, Part(index, part.text + words, False, half))


def closed(turn: Turn, index: int, words: str) -> Turn:
    """Replace what the deltas said by the whole text; the first to close a part has the last word."""
    return turn if _part(turn, index).closed else _put(turn, Part(index, words, True))


def filled(turn: Turn, index: int, words: str) -> Turn:
    """Give a part the text of an unfinished item, unless it has text already."""
    part = _part(turn, index)
    return turn if part.closed or part.text else _put(turn, Part(index, words, False))


def called(turn: Turn, call_id: str | None, function: str | None) -> Turn:
    """Make this the turn of a function call; of what is known already nothing changes."""
    call = turn.call or ToolCall(None, None, "", None)
    call = replace(call, call_id=call.call_id or call_id, name=call.name or function)
    return turn if call == turn.call else replace(turn, role="tool", call=call)


def argued(turn: Turn, arguments: str, whole: bool) -> Turn:
    """Add a delta to the call's arguments, or replace what the deltas said by the whole."""
    call = turn.call
    if call is None or turn.status == "completed":
        return turn
    if whole:
        return reached(replace(turn, call=replace(call, arguments=arguments, half=0)), "completed")
    if not arguments or turn.status != "in_progress":
        return turn
    words, half = _joined(call.half, arguments)
    return replace(turn, call=replace(call, arguments=call.arguments + words, half=half))


def answered(turn: Turn, output: str) -> Turn:
    """Note what the function gave back; a later output has the last word."""
    if turn.call is None or turn.call.output == output:
        return turn
    return replace(turn, call=replace(turn.call, output=output))


def sounded(turn: Turn, size: int) -> Turn:
    """Count the bytes of audio that came for this turn."""
    return _heard(replace(turn, audio_bytes=min(turn.audio_bytes + size, LARGEST))) if size else turn


def cut(turn: Turn, audio_end_ms: int) -> Turn:
    """Note how much had been played when the turn was interrupted; of two reports the shorter counts."""
    end = audio_end_ms if turn.audio_end_ms is None else min(turn.audio_end_ms, audio_end_ms)
    same = end == turn.audio_end_ms
    return reached(turn if same else _heard(replace(turn, audio_end_ms=end)), "interrupted")


def reached(turn: Turn, status: TurnStatus) -> Turn:
    """Raise the status; a turn never goes back."""
    risen = STATUSES.index(status) > STATUSES.index(turn.status)
    return replace(turn, status=status) if risen else turn


def needing_text(turn: Turn) -> Turn:
    """Show the turn only if it has something to show."""
    return turn if turn.needs_text else replace(turn, needs_text=True)


def attributed(turn: Turn, response: str | None) -> Turn:
    """Note which response made the turn, the first time that it is said."""
    return turn if response is None or turn.response_id is not None else replace(turn, response_id=response)


def _part(turn: Turn, index: int) -> Part:
    return next((part for part in turn.parts if part.index == index), Part(index, "", False))


def _joined(half: int, delta: str) -> tuple[str, int]:
    """Give the text that a delta adds after a half, and the half in which it ends."""
    more = chr(half) + delta if half else delta
    rest = _first_half(ord(more[-1]))
    return well_formed(more[:-1] if rest else more), rest


def _first_half(code: object) -> int:
    known = count(code) or 0
    return known if 0xD800 <= known <= 0xDBFF else 0


def _put(turn: Turn, part: Part) -> Turn:
    others = [other for other in turn.parts if other.index != part.index]
    parts = tuple(sorted([*others, part], key=lambda one: one.index)) if others else (part,)
    words = " ".join(one.text.lstrip(" ") for one in parts if one.text.lstrip(" "))
    return _heard(replace(turn, parts=parts, text=words))


def _heard(turn: Turn) -> Turn:
    end = turn.audio_end_ms
    if end is None:
        return turn
    words = turn.text.split(" ") if turn.text else []
    # Floats, in this order, so that both languages round alike.
    played = (
        len(words) * float(end) * BYTES_PER_MS / turn.audio_bytes if turn.audio_bytes else end / MS_PER_WORD
    )
    return replace(turn, heard=" ".join(words[: math.floor(min(played, len(words)))]))
