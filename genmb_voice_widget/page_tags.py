"""Where the tags of a page are, in one pass (HTML standard, §13.2.5, tokenization).

Pure. `html.parser` goes back to where an unfinished tag began, once for each of them, so that its time grows
with the square of a page's length; a browser never goes back, and nor does this: what the page does not
finish, up to its end, is no tag and hides what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from typing import Literal

Attributes = list[tuple[str, str | None]]

_GAP = re.compile(r"[ \t\r\n\f/]*")
_TAG_NAME = re.compile(r"[A-Za-z][^ \t\r\n\f/>]*")
_NAME = re.compile(r"[^ \t\r\n\f/>][^ \t\r\n\f/>=]*")
_EQUALS = re.compile(r"[ \t\r\n\f]*=[ \t\r\n\f]*")
_BARE = re.compile(r"[^ \t\r\n\f>]*")
_COMMENT_END = re.compile(r"--!?>")
_DOCTYPE = re.compile(r"<!doctype", re.IGNORECASE)
_TEXT_ENDS = {
    name: re.compile(rf"</{name}(?=[ \t\r\n\f/>])", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes")
}
"""The elements that hold text alone, whatever it looks like, and what ends each."""


@dataclass(frozen=True)
class Piece:
    """A start tag, a doctype, or text that is not blank; `end` is where in the page the next one begins.

    Attributes:
        name: of a tag, in small letters.
        attributes: of a tag; None: without a value.
    """

    kind: Literal["tag", "doctype", "text"]
    begin: int
    end: int
    name: str = ""
    attributes: Attributes | None = None


def pieces(html: str) -> Iterator[Piece]:
    """Give a page's pieces in their order; comments, end tags and the text after the last tag are none."""
    at = 0
    while (begin := html.find("<", at)) >= 0:
        if html[at:begin].strip("\ufeff \t\r\n\f"):
            yield Piece("text", at, begin)
        name = _TAG_NAME.match(html, begin + 1)
        end: int | None
        if name is not None:
            attributes: Attributes = []
            end = _read(html, name.end(), attributes)
            if end is None:
                return
            tag = name[0].lower()
            yield Piece("tag", begin, end, tag, attributes)
            if tag in _TEXT_ENDS:
                closing = _TEXT_ENDS[tag].search(html, end)
                end = closing and closing.start()
        elif html.startswith(("<!", "<?", "</"), begin):
            end = _skip(html, begin)
            if end is not None and _DOCTYPE.match(html, begin):
                yield Piece("doctype", begin, end)
        else:
            yield Piece("text", begin, begin + 1)
            end = begin + 1
        if end is None:
            return
        at = end


def _read(html: str, at: int, into: Attributes) -> int | None:
    """Read a tag's attributes; returns where the tag ends, or None if it does not."""
    while True:
        at = _end(_GAP, html, at)
        if at == len(html):
            return None
        if html[at] == ">":
            return at + 1
        begin, at = at, _end(_NAME, html, at)
        name, value = html[begin:at].lower(), None
        if equals := _EQUALS.match(html, at):
            at = equals.end()
            if html.startswith(("'", '"'), at):
                close = html.find(html[at], at + 1)
                if close < 0:
                    return None
                value, at = html[at + 1 : close], close + 1
            else:
                begin, at = at, _end(_BARE, html, at)
                value = html[begin:at]
        into.append((name, value if value is None else _unescaped(value)))


def _skip(html: str, begin: int) -> int | None:
    """Tell where a comment, an end tag, or whatever else is no start tag ends; None: it does not."""
    if html.startswith("</", begin) and _TAG_NAME.match(html, begin + 2):
        return _read(html, _end(_TAG_NAME, html, begin + 2), [])
    if html.startswith("<!--", begin) and not html.startswith(("<!-->", "<!--->"), begin):
        close = _COMMENT_END.search(html, begin + 4)
        return close and close.end()
    return html.find(">", begin) + 1 or None


def _end(pattern: re.Pattern[str], html: str, at: int) -> int:
    found = pattern.match(html, at)
    return found.end() if found else at


def _unescaped(value: str) -> str:
    try:
        return unescape(value)
    except ValueError:  # a reference to a character by a number of thousands of digits
        return value
