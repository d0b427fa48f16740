"""Puts the script of `window.genmb.voice` into a generated page, when its prompt asks for it.

Pure: a page and a prompt in, a page out. It must not know how a page is shown or an endpoint is run.

The script comes first in the head, where every other script finds it done, and before a policy of the page's
(`<meta http-equiv="Content-Security-Policy">`), which says nothing about what was there before it; what that
policy lets the page connect to is widened by the endpoint, and by nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from html.parser import HTMLParser
from itertools import accumulate
from urllib.parse import urlsplit

from .errors import VoiceError

MARK = "data-genmb-voice"
"""The attribute that tells our script tag from others."""

_KINDS = r"agents?|(?:chat)?bots?|assistants?|receptionists?|bookings?|reservations?"
_BETWEEN = (
    r"(?:[\s-]+(?:ai|based|powered|enabled|driven|first|controlled|activated|customer|support|booking)){0,3}"
)
_ASKED = re.compile(
    rf"\bvoice{_BETWEEN}[\s-]*(?:{_KINDS})\b"
    r"|\bbook(?:ings?|s|ing)?\b[^.,;:!?\n]{0,40}\b(?:by|with|over|using)\s+(?:(?:your|their|the|my)\s+)?voice\b",
    re.IGNORECASE,
)
_NO = (
    r"no|not(?!\s+(?:only|just|merely))|non|never|without|instead\s+of|rather\s+than"
    r"|(?:do|does|should|must|need|wo)n['’]t"
)
_NO_MORE = r"remov\w+|drop\w*|skip\w*|avoid\w*|exclud\w+|disabl\w+|omit\w*"
_REFUSED_BEFORE = re.compile(rf"\b(?:{_NO}|{_NO_MORE})(?:[\s-]+[\w'’]+){{0,4}}[\s-]+$", re.IGNORECASE)
_REFUSED_AFTER = re.compile(
    r"\s+(?:is|are|was|were|should|must|shall|will|do|does)?\s*(?:not|n['’]t|never)\s+(?:be\s+)?"
    r"(?:needed|required|wanted|necessary|included|added|used)\b"
    r"|\s+(?:isn|aren|shouldn|mustn)['’]t\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[.,;:!?()\n–—]|\b(?:but|so|because|then|and\s+an?)\b", re.IGNORECASE)
_FETCHES = "connect-src"


def inject_sdk(
    html: str,
    prompt: str | None = None,
    enabled: bool | None = None,
    endpoint: str = "",
    app: str | None = None,
) -> str:
    """Add the script to a page that is to have a voice, once; any other page is returned as it is.

    Args:
        html: the page.
        prompt: what the page was made from; a voice agent, voice bot or voice booking in it asks for one.
        enabled: True or False decides, whatever the prompt says.
        endpoint: where the token endpoint is, as `https://voice.example`; by default the page's own origin.
        app: the id of the app that the page belongs to, where the endpoint tells apps apart.

    Returns:
        The page. One that has the script already is not changed.

    Raises:
        VoiceError: `bad_option`, when the endpoint is no web address.
    """
    wanted = asks_for_voice(prompt) if enabled is None else enabled
    if not wanted:
        return html
    base = _checked(endpoint)
    src = f"{base}/sdk.js"
    page = _Page(html, src)
    if page.has_script:
        return html
    named = f' data-app="{escape(app)}"' if app else ""
    changes = [(page.place, page.place, f'<script src="{escape(src)}" {MARK}{named}></script>')]
    changes += [(begin, end, _widened(attributes, base)) for begin, end, attributes in page.policies]
    for begin, end, text in sorted(changes, reverse=True):
        html = html[:begin] + text + html[end:]
    return html


def asks_for_voice(prompt: str | None) -> bool:
    """Tell whether a prompt asks for a voice agent, voice bot or voice booking, and not for none."""
    prompt = prompt or ""
    return any(not _is_refused(prompt, found) for found in _ASKED.finditer(prompt))


def _is_refused(prompt: str, found: re.Match[str]) -> bool:
    clause = _CLAUSE.split(prompt[: found.start()])[-1]
    return bool(_REFUSED_BEFORE.search(clause) or _REFUSED_AFTER.match(prompt, found.end()))


def _checked(endpoint: str) -> str:
    base = endpoint.rstrip("/")
    parts = urlsplit(base)
    sound = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    if base and (not sound or parts.query or parts.fragment or re.search(r"[\s\x00-\x1f]", base)):
        raise VoiceError("bad_option", "endpoint must be an http(s) address without a user name or a query.")
    return base


class _Page(HTMLParser):
    """What has to be known of a page: where the script goes, whether it is there, and the page's policies.

    Attributes:
        place: where the script goes: behind `<head>`, else `<html>`, else the doctype, else at the beginning.
        policies: from where to where in the text each policy's tag is, and its attributes.
    """

    def __init__(self, html: str, src: str) -> None:
        super().__init__()
        self.place = 1 if html.startswith("\ufeff") else 0
        self.has_script = False
        self.policies: list[tuple[int, int, list[tuple[str, str | None]]]] = []
        self._src = src
        self._before_head = True
        self._lines = [0, *accumulate(len(line) + 1 for line in html.split("\n"))]
        self.feed(html)
        self.close()

    def handle_decl(self, decl: str) -> None:
        """Take the doctype: a script before it would have the page shown in quirks mode."""
        if self._before_head:
            self.place = self._here() + len(f"<!{decl}>")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag, wherever it is; comments and scripts have none."""
        text = self.get_starttag_text() or ""
        if self._before_head and tag in ("html", "head"):
            self.place = self._here() + len(text)
        self._before_head = self._before_head and tag == "html"
        named = dict(attrs)
        if tag == "script":
            self.has_script |= MARK in named or named.get("src") == self._src
        policy = (named.get("http-equiv") or "").strip().lower() == "content-security-policy"
        if tag == "meta" and policy and named.get("content"):
            self.policies.append((self._here(), self._here() + len(text), attrs))

    def handle_data(self, data: str) -> None:
        """Take text: it begins the body of a page that has no tag for it."""
        self._before_head = self._before_head and not data.strip("\ufeff \t\r\n\f")

    def _here(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column


def _widened(attributes: list[tuple[str, str | None]], base: str) -> str:
    """Write a policy's tag, with the endpoint among what the page may connect to."""
    source = "'self'" if not base else f"{urlsplit(base).scheme}://{urlsplit(base).netloc}"
    written = (
        (name, _connecting(value or "", source) if name == "content" else value) for name, value in attributes
    )
    return f"<meta {' '.join(_attribute(name, value) for name, value in written)}>"


def _attribute(name: str, value: str | None) -> str:
    return name if value is None else f'{name}="{escape(value)}"'


def _connecting(policy: str, source: str) -> str:
    """Add a source to `connect-src`, which is `default-src` where it is not there (CSP level 3, §6.1)."""
    directives = list(_directives(policy))
    names = [name for name, _ in directives]
    decides = next((name for name in (_FETCHES, "default-src") if name in names), None)
    if decides is None:
        return policy
    allowed = next(sources for name, sources in directives if name == decides)
    if "*" in allowed or source in allowed:
        return policy
    widened = (_FETCHES, [*(each for each in allowed if each.lower() != "'none'"), source])
    if decides == _FETCHES:
        directives[names.index(_FETCHES)] = widened
    else:
        directives.append(widened)
    return "; ".join(" ".join([name, *sources]) for name, sources in directives)


def _directives(policy: str) -> Iterator[tuple[str, list[str]]]:
    for directive in policy.split(";"):
        if words := directive.split():
            yield words[0].lower(), words[1:]
