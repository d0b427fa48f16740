"""What an address must be: one that may stand in a log and in a page; and which are of this machine alone.

Pure, and for agents, generated pages and the service alike.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from .errors import VoiceError

_ADDRESS = re.compile(
    r"[hH][tT][tT][pP][sS]?://"
    r"(([a-zA-Z0-9_.-]|[^\W\d_])+|\[[0-9a-fA-F:.]+\])"  # letters of any script, but digits of one alone
    r"(:[0-9]{1,5})?(/[^\s?#@\\\x00-\x1f\x7f-\x9f]*)?"
)


def web_address(address: str) -> str:
    """Return an endpoint's address without a slash at its end.

    Raises:
        VoiceError: `bad_option`, when it is not http(s), or holds a user name, a query or a blank.
    """
    try:
        usual = bool(_ADDRESS.fullmatch(address)) and urlsplit(address).port != 0
    except ValueError:
        usual = False
    if not usual:
        raise VoiceError("bad_option", "endpoint must be an http(s) address without a user name or a query.")
    return address.rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine hears what is sent there; IPv6 with brackets or without."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
