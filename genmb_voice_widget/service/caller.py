"""Who asks: an app, its owner and its plan, however they were told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .policy import Plan

Via = Literal["open", "key", "token", "page", "site"]
"""How a caller was told: nothing was asked, an app key, a token, a page's origin, the owner's own site."""

TRUSTED: tuple[Via, ...] = ("open", "key")
"""Who may see the owner's balance and, if no page, all events of a session, and have a voice service's secret
on their word alone."""


@dataclass(frozen=True)
class Caller:
    """One request's side of the account.

    Attributes:
        app: whose slots a session takes, and whose sessions it may touch.
        owner: who pays.
    """

    app: str
    owner: str
    plan: Plan
    via: Via
