"""Who may ask, where apps are told apart: by a key, a token, a page's origin or the owner's site.

| what a request shows                              | `Caller.via` | `Origin`                               |
|---------------------------------------------------|--------------|----------------------------------------|
| `Authorization: Bearer gvk_…`, an app's key       | `key`        | none, or one of the app's              |
| `Authorization: Bearer gvt_…`, made with the key  | `token`      | the token's; if it has none, as above  |
| `?app=ID`, of an app whose pages need no token    | `page`       | one of the app's                       |
| a cookie or header that the owner's function knows | `site`      | one of the app's; none for an own GET  |

An app is named in the query and not in a header, because `navigator.sendBeacon` can set no header and because
a preflight shows the query but no header's value. Where the owner's function is asked, pages are let in by it
alone: an origin is a public fact, and anything but a browser can claim one.

Everything that fails before the app is known fails alike, but for whether a credential was shown.
"""

from __future__ import annotations

import logging
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from genmb_voice_widget.secret import Secret
from genmb_voice_widget.service.caller import Caller, Via
from genmb_voice_widget.service.policy import PLANS, Plan
from genmb_voice_widget.service.problems import Refusal

from .app_keys import APP_ID, app_of, mark_of, opens
from .app_keys import PREFIX as KEY
from .app_tokens import PREFIX as TOKEN
from .app_tokens import TO_END, AppTokens, Leave
from .apps import App, AppsLookup
from .origins import is_origin, origin_of, refused
from .site_hook import SiteHook

log = logging.getLogger(__name__)

_NEEDED = (
    "The request shows no app that may ask here: show its key, or a token made with it; ?app= is enough for "
    "the pages of an app that was not entered with --tokens-only."
)
_NOT_ACCEPTED = (
    "The app key or token that was shown was not accepted: it is mistyped, was replaced, has run out, or its "
    "app was revoked."
)


class AppAccess:
    """Tells apps apart.

    Args:
        apps: the register.
        tokens: reads app tokens; without it there are none.
        site: the owner's function; without it an app's pages are told by their origin.
    """

    def __init__(
        self, apps: AppsLookup, *, tokens: AppTokens | None = None, site: SiteHook | None = None
    ) -> None:
        self._apps = apps
        self._tokens = tokens
        self._site = site
        self._unknown_plans = set[str]()

    @property
    def cookies(self) -> bool:
        """See `Access.cookies`: only where somebody looks at them."""
        return self._site is not None

    async def welcomes(self, origin: str) -> bool:
        """See `Access.welcomes`."""
        return is_origin(origin) and await self._apps.origin_known(origin)

    async def caller(self, request: HTTPConnection, *, ending: bool = False) -> Caller:
        """See `Access.caller`."""
        match _credential(request.headers):
            case str(key) if key.startswith(KEY):
                return await self._by_key(key, request)
            case str(token) if token.startswith(TOKEN):
                return await self._by_token(token, request, ending)
            case _ if self._site is not None:
                return await self._by_site(self._site, request)
            case None:
                return await self._by_page(request)
            case _:
                raise not_accepted()

    async def plan(self, app: str) -> Plan:
        """See `Access.plan`."""
        found = await self._find(app)
        if found is None:
            raise unauthorized()
        return self._plan(found)

    def described(self) -> dict[str, Any]:
        """See `Access.described`."""
        key = "An app key, gvk_…, or a token made with one, gvt_…"
        page = "The app's id, from a page whose Origin is one of the app's, if its pages need no token."
        return {
            "key": {"type": "http", "scheme": "bearer", "description": key},
            "page": {"type": "apiKey", "in": "query", "name": "app", "description": page},
        }

    @property
    def signs(self) -> bool:
        """Whether there are app tokens."""
        return self._tokens is not None

    async def issue(self, caller: Caller, seconds: int, origin: str | None) -> tuple[Secret, Leave]:
        """Make a token for an app that showed its key.

        Raises:
            Refusal: `unauthorized`, for any other caller; `origin_refused`, when the origin is not the app's.
        """
        app = await self._find(caller.app)
        if caller.via != "key" or app is None or self._tokens is None:
            raise unauthorized()
        if origin is not None and origin not in app.origins:
            raise refused()
        return self._tokens.issue(app.id, mark_of(app.key_hash), seconds, origin)

    async def _by_key(self, key: str, request: HTTPConnection) -> Caller:
        app = await self._find(app_of(key))
        if not opens(key, app.key_hash if app else None) or app is None:
            raise not_accepted()
        _check_origin(app, origin_of(request.headers), or_none=True)
        return self._caller(app, "key")

    async def _by_token(self, token: str, request: HTTPConnection, ending: bool) -> Caller:
        leave = self._tokens.read(token, TO_END if ending else 0) if self._tokens is not None else None
        app = await self._find(leave.app if leave else None)
        if leave is None or app is None or leave.key != mark_of(app.key_hash):
            raise not_accepted()
        origin = origin_of(request.headers)
        if leave.origin is not None and origin != leave.origin:
            raise refused()
        _check_origin(app, origin, or_none=True)
        return self._caller(app, "token")

    async def _by_page(self, request: HTTPConnection) -> Caller:
        origin = origin_of(request.headers)
        app = await self._find(_named(request))
        # A socket was let in by its ticket; which app's page it is of is all that is asked here.
        needs_token = app is not None and app.tokens_only and request.scope["type"] == "http"
        if origin is None or app is None or needs_token:
            raise unauthorized()
        _check_origin(app, origin, or_none=False)
        return self._caller(app, "page")

    async def _by_site(self, site: SiteHook, request: HTTPConnection) -> Caller:
        id = await site.app(request)
        app = await self._find(id)
        named = request.query_params.getlist("app")
        if app is None or named not in ([], [id]):
            raise unauthorized()
        own = request.scope.get("method") == "GET" and request.headers.get("sec-fetch-site") == "same-origin"
        _check_origin(app, origin_of(request.headers), or_none=own)
        return self._caller(app, "site")

    def _caller(self, app: App, via: Via) -> Caller:
        """Make the caller of an app that has shown itself."""
        return Caller(app.id, app.owner, self._plan(app), via)

    def _plan(self, app: App) -> Plan:
        """Find the app's plan, unless it is one of a newer release."""
        plan = PLANS.get(app.plan)
        if plan is None:
            if app.plan not in self._unknown_plans:
                self._unknown_plans.add(app.plan)
                log.error("this release knows no plan %s: apps on it are refused", app.plan)
            raise Refusal("service_unavailable", "The app is on a plan of a newer release.", retry_after=5.0)
        return plan

    async def _find(self, id: str | None) -> App | None:
        """Look up an app that is let in."""
        if id is None or not APP_ID.fullmatch(id):
            return None
        app = await self._apps.find(id)
        return None if app is None or app.revoked else app


def unauthorized() -> Refusal:
    """Answer for everyone who shows nothing that is known, whyever that is."""
    return Refusal("unauthorized", _NEEDED)


def not_accepted() -> Refusal:
    """Answer for every credential that opens nothing, whyever that is: it tells of no app."""
    return Refusal("unauthorized", _NOT_ACCEPTED)


def _credential(headers: Headers) -> str | None:
    """Read the bearer token (RFC 6750 §2.1); any other credential, or several, is one that opens nothing."""
    match headers.getlist("authorization"):
        case []:
            return None
        case [field]:
            scheme, _, value = field.partition(" ")
            return value.strip() if scheme.lower() == "bearer" else ""
        case _:
            return ""


def _named(request: HTTPConnection) -> str | None:
    named = request.query_params.getlist("app")
    return named[0] if len(named) == 1 else None


def _check_origin(app: App, origin: str | None, *, or_none: bool) -> None:
    """Check which page asks: exactly one of the app's, or none at all where a server or an own page may."""
    if origin not in app.origins and not (origin is None and or_none):
        raise refused()
