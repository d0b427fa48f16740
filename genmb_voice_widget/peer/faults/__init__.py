"""What a peer is told to do wrong, so that clients can be tested: a value, and the text it is read from.

Pure. Owns the names of the faults; each is carried out where the thing that goes wrong is done.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

FAULT_VARIABLE = "GENMB_VOICE_PEER_FAULT"
"""Names in the environment what a peer is to do wrong; read when it is started."""

_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s)?")


def _seconds(text: str) -> float:
    """Read `3s`, `500ms` or `3`; an absent time is 0: at once."""
    found = _TIME.fullmatch(text or "0")
    if found is None:
        raise ValueError("a time, such as 3s or 500ms")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


def _some_seconds(text: str) -> float:
    seconds = _seconds(text)
    if not seconds:
        raise ValueError("a time, such as 3s or 500ms")
    return seconds


def _nothing(text: str) -> bool:
    if text:
        raise ValueError("no value")
    return True


def _status(text: str) -> int:
    if not re.fullmatch(r"[45]\d\d", text):
        raise ValueError("a status from 400 to 599")
    return int(text)


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong. Times are in seconds; those that are None never come.

    Args:
        status: every request is answered with this status, a WebSocket's handshake too.
        expire: ephemeral secrets are refused as expired.
        slow_answer: so long an offer waits for its answer.
        no_answer: offers are never answered.
        drop_media: sound stops both ways so long after the data channel opened; the connection stays.
        drop_channel: the data channel closes so long after it opened; sound goes on.
        hangup: the session ends without a word so long after it began.
        cap: the session expires so long after it began.
        busy_response: the first `response.create` finds that a response runs already.
        no_transcript: nothing is told of what the user said.
        transcription_failed: what the user said could not be transcribed, for want of a deployment.
        late_transcript: what the user said is told after the reply to it.
        reorder: each two events in a row change places.
        duplicate: every event comes twice, with the same `event_id`.
        malformed: behind every event comes something that is none.
    """

    status: int | None = None
    expire: bool = False
    slow_answer: float = 0.0
    no_answer: bool = False
    drop_media: float | None = None
    drop_channel: float | None = None
    hangup: float | None = None
    cap: float | None = None
    busy_response: bool = False
    no_transcript: bool = False
    transcription_failed: bool = False
    late_transcript: bool = False
    reorder: bool = False
    duplicate: bool = False
    malformed: bool = False


NO_FAULTS = Faults()
NAMES = tuple(field.name for field in fields(Faults))

_READERS: dict[str, Callable[[str], Any]] = dict.fromkeys(NAMES, _nothing) | {
    "status": _status,
    "slow_answer": _some_seconds,
    "cap": _some_seconds,
    "drop_media": _seconds,
    "drop_channel": _seconds,
    "hangup": _seconds,
}


def read_faults(text: str) -> Faults:
    """Read faults from a text such as `drop_media=3s,cap=10s,duplicate`; an empty one has none.

    Raises ValueError with a sentence for a name or a value that there is not.
    """
    found: dict[str, Any] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, value = word.partition("=")
        if name not in _READERS:
            near = get_close_matches(name, NAMES, 1)
            meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(NAMES)}."
            raise ValueError(f"There is no fault {name!r}; {meant}")
        try:
            found[name] = _READERS[name](value)
        except ValueError as wanted:
            raise ValueError(f"The fault {name!r} takes {wanted}, not {value!r}.") from None
    return Faults(**found)
