"""The endpoint as its settings want it: chooses who keeps what, and puts the parts together.

The only place that knows every implementation of a port. It serves nothing and reads no file.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from fastapi import FastAPI

from .access import OpenAccess
from .access.app_tokens import AppTokens
from .access.apps_cached import CachedApps
from .access.apps_sql import SqlApps
from .access.by_app import AppAccess
from .access.site_hook import Hook, SiteHook
from .app import make_app
from .audit.sql import AuditSql
from .database.choice import is_shared, open_database
from .drain import Drain
from .ledger import Ledger
from .ledger.memory import MemoryLedger
from .policy import NOTEBOOK
from .settings import Settings, SettingsError, not_installed
from .settings.provider_kinds import KINDS, Kind, make_providers
from .settings.values import bracketed
from .window import MemoryWindow, Window

if TYPE_CHECKING:
    from .metrics import Metrics

log = logging.getLogger(__name__)

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def assemble(settings: Settings, drain: Drain, kinds: Mapping[str, Kind] = KINDS) -> FastAPI:
    """Build the endpoint.

    Raises:
        SettingsError: what is wrong shows only now: the hook, options of a service, something not installed.
    """
    try:
        return (
            _for_apps(settings, drain, kinds) if settings.access == "apps" else _open(settings, drain, kinds)
        )
    except ModuleNotFoundError as missing:
        raise not_installed(missing) from None


def _open(settings: Settings, drain: Drain, kinds: Mapping[str, Kind]) -> FastAPI:
    """One user on one machine: nobody is asked who they are, and everything is in memory."""
    ledger = MemoryLedger(time.time)
    return make_app(
        providers=make_providers(settings.providers, kinds),
        access=OpenAccess(NOTEBOOK, settings.origins),
        window=MemoryWindow(),
        ledger=ledger,
        clock=time.time,
        hosts=[*_LOOPBACK, bracketed(settings.host), *settings.hosts],
        hand_out_secrets=True,
        metrics=_counts_if_installed(ledger),
        drain=drain,
    )


def _for_apps(settings: Settings, drain: Drain, kinds: Mapping[str, Kind]) -> FastAPI:
    """Apps told apart, their credits kept: each node with these settings is as good as the other."""
    from .ledger.sql import SqlLedger
    from .metrics import Metrics

    database = open_database(settings)
    audit = AuditSql(database)
    tokens = AppTokens(settings.signing_key, time.time) if settings.signing_key else None
    site = SiteHook(_load(settings.site_hook)) if settings.site_hook else None
    ledger = SqlLedger(database)
    return make_app(
        providers=make_providers(settings.providers, kinds),
        access=AppAccess(CachedApps(SqlApps(database), time.monotonic), tokens=tokens, site=site),
        window=_window(settings),
        ledger=ledger,
        clock=time.time,
        # Whoever asks shows who they are, so a page whose name was made to lead here gains nothing by it.
        hosts=[*_LOOPBACK, bracketed(settings.host), *settings.hosts] if settings.hosts else None,
        watch=True,
        shared=True,
        audit=audit,
        hand_out_secrets=settings.hand_out_secrets,
        metrics=Metrics(ledger.standing, lambda: audit.lost) if settings.metrics_key else None,
        metrics_key=settings.metrics_key,
        drain=drain,
    )


def _counts_if_installed(ledger: Ledger) -> Metrics | None:
    """Count, unless only what the local peer needs is installed."""
    if not find_spec("prometheus_client"):
        return None
    from .metrics import Metrics

    return Metrics(ledger.standing)


def _window(settings: Settings) -> Window:
    if settings.redis is None and is_shared(settings):
        raise SettingsError(
            "A database that nodes can share needs redis too, or GENMB_VOICE_REDIS: each node would count "
            "the hour's sessions for itself, and an app could start as many at every one."
        )
    if settings.redis is None:
        log.warning(
            "the hour's sessions are counted in memory: by this process alone, and anew when it starts "
            "again; the setting redis keeps the count"
        )
        return MemoryWindow()
    from .window.redis import RedisWindow

    try:
        return RedisWindow(settings.redis)
    except ValueError as error:
        raise SettingsError(f"The setting redis: {error}") from None


def _load(hook: str) -> Hook:
    """Import the owner's function; it is looked for where the program was started, too."""
    module, _, name = hook.partition(":")
    sys.path[:0] = [] if "" in sys.path else [""]
    try:
        found = getattr(import_module(module), name, None)
    except Exception as error:
        raise SettingsError(f"The setting site_hook: {module} fails with {type(error).__name__}.") from None
    if not callable(found):
        raise SettingsError(f"The setting site_hook: {module} has no function {name}.")
    hook_found: Hook = found
    return hook_found
