"""Who asks: an app, its owner and its plan, however they were told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .policy import Plan


@dataclass(frozen=True)
class Caller:
    """One request's side of the account.

    Attributes:
        app: whose slots a session takes, and whose sessions it may touch.
        owner: who pays.
        via: how it was told: nothing was asked (`open`), an app key, a signed token, a page's origin, or the
            owner's own site.
    """

    app: str
    owner: str
    plan: Plan
    via: Literal["open", "key", "token", "page", "site"]
