"""What has become of a request so far: who asked, about which session, and with which outcome.

The parts that find out write it down here; who counts and keeps decisions reads it when the request is over.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from .caller import Caller

_MEMBER = "genmb_voice.verdict"


@dataclass
class Verdict:
    """One request's outcome: `ok`, or the code of the refusal."""

    outcome: str = "ok"
    caller: Caller | None = None
    session: str | None = None


def verdict(scope: MutableMapping[str, Any]) -> Verdict:
    """Return the verdict on an ASGI connection, the same for everyone who asks."""
    found: Verdict = scope.setdefault(_MEMBER, Verdict())
    return found
