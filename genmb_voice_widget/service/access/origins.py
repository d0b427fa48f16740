"""What a web origin is, and which page a request comes from, as far as its browser tells.

An origin is compared as the browser writes it (Fetch standard, `Origin`; RFC 6454 §6.2): lower case,
punycode, no default port, no path. So an origin that is not written like that never matches and is refused
where somebody enters it. It knows no app.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from genmb_voice_widget.service.problems import Refusal

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ORIGIN = re.compile(rf"https?://(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\])(?::[1-9][0-9]{{0,4}})?")
_DEFAULT_PORT = {"http": ":80", "https": ":443"}


def is_origin(text: str) -> bool:
    """Tell whether a browser could write this in `Origin` for a page that came over the web."""
    if len(text) > 300 or not _ORIGIN.fullmatch(text):
        return False
    scheme, _, rest = text.partition("://")
    try:
        port = urlsplit(text).port
    except ValueError:
        return False
    return port is None or not rest.endswith(_DEFAULT_PORT[scheme])


def origin_of(headers: Headers) -> str | None:
    """Read the origin of the page that sent the request; `None`: no page's, or a page's own GET.

    Raises:
        Refusal: `origin_refused`, when the request names several.
    """
    match headers.getlist("origin"):
        case []:
            return None
        case [origin]:
            return origin
        case _:
            raise refused()


def of_another_page(headers: Headers) -> bool:
    """Tell whether a page of another origin than the endpoint's own had this request sent.

    `Origin` is not sent with every GET, `Sec-Fetch-Site` (Fetch Metadata) only by newer browsers and to
    trustworthy addresses; a browser that sends neither still sends `Referer`, unless the page forbids it. A
    proxy may give the endpoint another `Host` than the page calls it by; then `Sec-Fetch-Site` settles it.
    """
    site = headers.get("sec-fetch-site")
    if site in ("same-origin", "none"):
        return False
    if site is not None:
        return True
    page = headers.get("origin", headers.get("referer"))
    return page is not None and _authority(page) != headers.get("host", "").lower()


def refused() -> Refusal:
    """Answer for a page that may not ask."""
    return Refusal("origin_refused", "The request's Origin is not one of the app's.")


def _authority(address: str) -> str | None:
    """Return the host and port of a page's address."""
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return None
