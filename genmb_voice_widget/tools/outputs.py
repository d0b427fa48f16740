"""What a model is told of a call: the function's result as a text, or why there is none.

Pure but for the environment, whose secrets are kept from the model. It must not know how tools are called.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from itertools import islice

LONGEST = 8_000
"""Characters: some 2,000 tokens, and even with each escaped less than the 64 kB of a data channel."""
_LONGEST_ERROR = 300
_SECRETIVE = re.compile("key|token|secret|passw|pwd|credential|sig", re.IGNORECASE)
_SHOWN = (
    (re.compile(r"(://)[^/\s@]++@"), r"\1****@"),
    (re.compile(r"\b(bearer|basic)\s++[^\s\"',;]+", re.IGNORECASE), r"\1 ****"),
    (
        re.compile(
            r"((?<![\w.-])(?=[\w.-]*?(?:key|token|secret|passw|pwd|credential|sig))[\w.-]++[\"']?\s*[=:]\s*[\"']?)"
            r"[^\s\"'&,;)}\]]+",
            re.IGNORECASE,
        ),
        r"\1****",
    ),
    (re.compile(r"\b(?:sk|ek|pk|rk|gh[opsu]|xox[abp])[-_][\w-]{8,}"), "****"),
)
"""How credentials look in the messages of other people's exceptions, and what stands in their place.

No word is gone through twice: a message may be as long as whatever did not fit, and a session waits for it.
"""


def said(result: object) -> str:
    """Say a result: a text as it is, all else as JSON or, where it has none, by its repr; not too long."""
    if isinstance(result, str):
        return _cut(result)
    if isinstance(result, Iterator):
        result = list(islice(result, LONGEST))  # one without an end would take all memory there is
    from pydantic_core import to_json

    # A value that has no JSON is told by its repr: alone without quotes, in a list or a dictionary with them.
    inner = _plain if isinstance(result, dict | list | tuple) or hasattr(result, "tolist") else None
    try:
        return _cut(to_json(result, fallback=inner, inf_nan_mode="strings").decode())
    except (ValueError, RecursionError):  # pydantic's own is a ValueError
        return _cut(repr(result))


def _plain(value: object) -> object:
    """Give the numbers and lists of an array, a series or one of their numbers, all else by its repr."""
    tolist = getattr(value, "tolist", None)
    return tolist() if callable(tolist) else repr(value)


def failed(why: str) -> str:
    """Say that a call came to nothing."""
    return json.dumps({"error": _cut(why)}, ensure_ascii=False)


def raised(error: BaseException) -> str:
    """Say what a function raised: its kind and the first line of its message, without credentials."""
    try:
        message = str(error).strip().partition("\n")[0]
    except BaseException:  # whatever it is, it would end the package's loop
        message = ""
    for name, value in os.environ.items():
        if len(value) >= 8 and _SECRETIVE.search(name):
            message = message.replace(value, "****")
    for pattern, shown in _SHOWN:
        message = pattern.sub(shown, message)
    return ": ".join(filter(None, (type(error).__name__, message[:_LONGEST_ERROR])))


def _cut(text: str) -> str:
    text = text.encode("utf-8", "replace").decode()  # half a surrogate pair could not be sent
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}… [cut here: {LONGEST} of {len(text)} characters]"
