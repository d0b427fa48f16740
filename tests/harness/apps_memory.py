"""A register of apps in memory, for tests that are about something else; held to the conformance suite too."""

from __future__ import annotations

from dataclasses import replace

from genmb_voice_widget.service.access.apps import App


class MemoryApps:
    """`Apps` in memory."""

    def __init__(self) -> None:
        self._apps: dict[str, App] = {}

    async def find(self, id: str) -> App | None:
        """See `Apps.find`."""
        return self._apps.get(id)

    async def add(self, app: App) -> bool:
        """See `Apps.add`."""
        return self._apps.setdefault(app.id, app) is app

    async def change(self, app: App) -> bool:
        """See `Apps.change`."""
        known = self._apps.get(app.id)
        if known is None or known.revoked:
            return False
        self._apps[app.id] = replace(app, owner=known.owner)
        return True

    async def revoke(self, id: str) -> bool:
        """See `Apps.revoke`."""
        if id not in self._apps:
            return False
        self._apps[id] = replace(self._apps[id], revoked=True)
        return True

    async def all(self) -> tuple[App, ...]:
        """See `Apps.all`."""
        return tuple(self._apps.values())

    async def origin_known(self, origin: str) -> bool:
        """See `Apps.origin_known`."""
        return any(origin in app.origins for app in self._apps.values() if not app.revoked)
