"""What aioice does not offer as settings: loopback candidates only, and quicker consent checks.

Owns nothing but these. Changes aioice for the whole process, which is the peer's own.
"""

from __future__ import annotations

import aioice.ice

LOOPBACK = "127.0.0.1"
CONSENT_SECONDS = 2
CONSENT_FAILURES = 8


def stay_on_loopback() -> None:
    """Offer 127.0.0.1 and nothing else, and notice a vanished browser within about 20 s.

    A browser on this machine reaches the address though it offers none of its own there, and nobody else can.
    Consent checks (RFC 7675) come every 2 s instead of 5: on loopback they cost nothing, and unlike a lack of
    sound they tell a closed tab from a muted microphone. A browser whose network is away for 15 s finds its
    call again.
    """
    aioice.ice.get_host_addresses = _host_addresses
    aioice.ice.CONSENT_INTERVAL = CONSENT_SECONDS
    aioice.ice.CONSENT_FAILURES = CONSENT_FAILURES


def _host_addresses(use_ipv4: bool, use_ipv6: bool) -> list[str]:
    return [LOOPBACK] if use_ipv4 else []
