"""The token endpoint: decides who may start a session, relays the offer and keeps the account.

`app` is the HTTP face, `sessions` the order of things, `policy` the rule, `window` and `ledger` the memory,
`providers` the services that answer. Importing this package alone pulls in no server.

For a notebook that mounts one with limits of its own: `in_process(plan=Plan("class", rate=Rate(10)))`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import in_process as in_process
    from .policy import Plan as Plan
    from .policy import Rate as Rate

_HOMES = {"Plan": "policy", "Rate": "policy", "in_process": "app"}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
