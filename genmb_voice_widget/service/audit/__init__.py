"""What was decided, for whom and why: one line for every decision, only ever added, without a secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Decision:
    """One decision of the endpoint.

    Attributes:
        action: what was asked: `open`, `offer`, `connected`, `observed`, `ended`, `token`, or `other` where
            somebody was turned away elsewhere; `expired` when time ended a session, `connected` also when a
            provider proved one that its caller had not yet; `app_added`, `app_changed`, `app_revoked`,
            `grant` by a command; `lost`, when decisions before it could not be kept.
        outcome: `ok`, the code of the refusal, or `cut_off` when there was no answer; for `lost`, how many.
        app: whose request it was, as far as that is known.
        via: how the caller was told (`Caller.via`), or `socket` (a page's socket by its ticket), `provider`,
            `sweeper`, `command` or `audit`.
        session: which session, if there is one.
    """

    action: str
    outcome: str
    app: str | None
    via: str | None
    session: str | None = None


Record = Callable[[Decision], None]
"""Takes note of a decision, at once and without fail."""


class Audit(Protocol):
    """Keeps the decisions. Writing one never delays or fails the request that it is about."""

    @property
    def lost(self) -> int:
        """How many decisions could not be kept so far."""
        ...

    def record(self, decision: Decision) -> None:
        """Keep one more, with the moment of it."""
        ...

    async def close(self) -> None:
        """Write what has not been written."""
        ...
