"""The peer for tests of yours: a program that runs for as long as a `with` block, with faults if you like.

with running_peer("cap=2s,late_transcript") as peer:
client = OpenAI(base_url=f"{peer.url}/v1", api_key=peer.secret.reveal())
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .launch import PeerAddress, PeerProcess


@contextmanager
def running_peer(fault: str = "", script: Path | None = None) -> Iterator[PeerAddress]:
    """Start a peer and stop it at the end. `fault` and `script` are those of `genmb-voice peer`.

    Raises:
        VoiceError: `peer_not_installed` without the extra `local`; `peer_failed` with its last words, as for
            a fault that there is not.
    """
    process = PeerProcess(script, fault)
    try:
        yield process.start_now()
    finally:
        process.stop_now()
