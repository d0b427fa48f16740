"""Puts the script of `window.genmb.voice` into a generated page, when its prompt asks for it.

Pure: a page and a prompt in, a page out. It must not know how a page is shown or an endpoint is run.

The script comes first in the head, where every other script finds it done, and before a policy of the page's
(`<meta http-equiv="Content-Security-Policy">`), which says nothing about what was there before it; what that
policy lets the page connect to is widened by the endpoint, and by nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from urllib.parse import urlsplit

from .address import web_address
from .page_tags import Attributes, Piece, pieces

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
_NEAR = 200
"""How many characters before and after it are looked at for a word that refuses what is asked for: more than
the five words that may be between have, and so few that a prompt's length does not count with its square."""
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
    base = endpoint.rstrip("/")  # none, or a slash alone: the page's own origin
    base = base and web_address(base)
    src = f"{base}/sdk.js"
    page = _looked_through(html, src)
    if page.has_script:
        return html
    named = f' data-app="{escape(app)}"' if app else ""
    changes = [(page.place, page.place, f'<script src="{escape(src)}" {MARK}{named}></script>')]
    changes += [(tag.begin, tag.end, _widened(tag.attributes or [], base)) for tag in page.policies]
    written, at = [], 0
    for begin, end, text in sorted(changes):
        written += [html[at:begin], text]
        at = end
    return "".join([*written, html[at:]])


def asks_for_voice(prompt: str | None) -> bool:
    """Tell whether a prompt asks for a voice agent, voice bot or voice booking, and not for none."""
    prompt = prompt or ""
    return any(not _is_refused(prompt, found) for found in _ASKED.finditer(prompt))


def _is_refused(prompt: str, found: re.Match[str]) -> bool:
    begin, end = found.span()
    clause = _CLAUSE.split(prompt[max(0, begin - _NEAR) : begin])[-1]
    return bool(_REFUSED_BEFORE.search(clause) or _REFUSED_AFTER.match(prompt, end, end + _NEAR))


@dataclass
class _Page:
    """What has to be known of a page: where the script goes, whether it is there, and the page's policies.

    Attributes:
        place: where the script goes: behind `<head>`, else `<html>`, else the doctype, else at the beginning.
        policies: each policy's tag.
    """

    place: int
    has_script: bool = False
    policies: list[Piece] = field(default_factory=list)


def _looked_through(html: str, src: str) -> _Page:
    page, before_head = _Page(1 if html.startswith("\ufeff") else 0), True
    for piece in pieces(html):
        # A script before the doctype would have the page shown in quirks mode.
        if before_head and (piece.kind == "doctype" or piece.name in ("html", "head")):
            page.place = piece.end
        before_head = before_head and (piece.kind == "doctype" or piece.name == "html")
        named = dict(piece.attributes or ())
        if piece.name == "script":
            page.has_script |= MARK in named or named.get("src") == src
        policy = (named.get("http-equiv") or "").strip().lower() == "content-security-policy"
        if piece.name == "meta" and policy and named.get("content"):
            page.policies.append(piece)
    return page


def _widened(attributes: Attributes, base: str) -> str:
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
